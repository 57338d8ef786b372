"""Writes shards: the kept rows of a bucket in order, each shard a temporary file."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction

import apache_beam as beam
import numpy as np
import pyarrow as pa
from apache_beam.metrics import Metrics

from beam_jobs.failures import reported
from beam_jobs.job import Job
from beam_jobs.memory import keep_freed_memory
from beam_jobs.ordered import ordered_map
from beam_jobs.progress import PROGRESS
from beam_jobs.shuffle import Parcel, receive
from beam_jobs.sources.block import IntArray
from tfrecord_io import exact
from tfrecord_io.records import GzipStream, frame

_FRAMES_AT_ONCE = 4_096


@dataclass(frozen=True)
class WrittenShard:
    """A shard as it was written: number, temporary name, and what is in it."""

    shard: int
    name: str
    rows: int
    bytes: int
    sha256: str
    weight: Fraction


class WriteBucket(beam.DoFn):
    """(bucket, parcels) -> WrittenShards. Holds one bucket in memory."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._rows = Metrics.counter("presample.write", "rows_written")
        self._bytes = Metrics.counter("presample.write", "bytes_written")

    def setup(self) -> None:
        """Once a worker."""
        keep_freed_memory()

    def process(self, element: tuple[int, Iterable[Parcel]]) -> Iterator[WrittenShard]:
        """Writes the shards of one bucket."""
        with reported():
            rows = receive(self._job, element[1])
            shards = rows.column("shard").to_numpy()
            order = _order(rows, shards)
            found, starts = np.unique(shards[order], return_index=True)
            examples = rows.column("example").combine_chunks()
            weights = rows.column("weight").to_numpy()[order].astype(np.float64)
            del rows
            bounds = [*starts.tolist(), len(order)]
            owner = np.repeat(np.arange(len(found)), np.diff(bounds))
            totals = exact.sums_by_group(weights, owner, len(found))
            for shard, start, end, total in zip(found.tolist(), bounds, bounds[1:], totals, strict=False):
                yield self._write(shard, examples, order[start:end], total)

    def _write(self, shard: int, examples: pa.LargeBinaryArray, rows: IntArray, weight: Fraction) -> WrittenShard:
        name = f"{self._job.run_folder}/shards/{shard}-{uuid.uuid4().hex}"
        digest = hashlib.sha256()
        size = 0
        with self._job.output.create(name) as file:
            for piece in self._pieces(examples, rows):
                file.write(piece)
                digest.update(piece)
                size += len(piece)
        self._rows.inc(len(rows))
        self._bytes.inc(size)
        PROGRESS.add("WriteShards", len(rows), size)
        return WrittenShard(shard, name, len(rows), size, digest.hexdigest(), weight)

    def _pieces(self, examples: pa.LargeBinaryArray, rows: IntArray) -> Iterator[memoryview | bytes]:
        """The content of a shard, some thousand records at a time; the next are framed while those are written."""
        zipped = GzipStream() if self._job.options.compression == "gzip" else None
        pieces = [rows[start : start + _FRAMES_AT_ONCE] for start in range(0, len(rows), _FRAMES_AT_ONCE)]
        threads = self._job.threads if len(pieces) > 1 else 1
        for framed in ordered_map(lambda piece: frame(examples.take(pa.array(piece))), pieces, threads):
            yield zipped.add(framed) if zipped else memoryview(framed)
        if zipped:
            yield zipped.finish()


def _order(rows: pa.Table, shards: IntArray) -> IntArray:
    """Indices of the rows sorted by shard and v; ties, which are all but impossible, by their place."""
    v = rows.column("order").to_numpy()
    order = np.lexsort((v, shards))
    same = (v[order[1:]] == v[order[:-1]]) & (shards[order[1:]] == shards[order[:-1]])
    if not same.any():
        return order
    return np.lexsort((rows.column("position").to_numpy(), rows.column("file").to_numpy(), v, shards))
