"""Writes shards: the kept rows of a bucket in order, serialized, each shard a temporary file."""

from __future__ import annotations

import functools
import hashlib
import threading
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import apache_beam as beam
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from apache_beam.metrics import Metrics

from beam_jobs.class_counters import MOST_CLASSES, WRITTEN, counter_name
from beam_jobs.failures import reported
from beam_jobs.job import Job
from beam_jobs.kept_rows import columns_of, shards_of
from beam_jobs.layout import Layout
from beam_jobs.memory import keep_freed_memory
from beam_jobs.ordered import ordered_map
from beam_jobs.packed import Packed
from beam_jobs.progress import PROGRESS
from beam_jobs.shuffle import Parcel, receive
from beam_jobs.sources.block import IntArray, Source
from tfrecord_io import exact
from tfrecord_io.records import FRAME_BYTES, GzipStream, frame

_ROWS_AT_ONCE = 16_384
_WORTH_A_THREAD = 1 << 20


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
    """(bucket, parcels) -> its WrittenShards. Holds one bucket in memory."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._rows = Metrics.counter("presample.write", "rows_written")
        self._bytes = Metrics.counter("presample.write", "bytes_written")

    def setup(self) -> None:
        """Once a worker."""
        keep_freed_memory()

    def process(
        self, element: tuple[int, Iterable[Parcel]], packed: Packed[Layout]
    ) -> Iterator[Packed[list[WrittenShard]]]:
        """Writes the shards of one bucket."""
        with reported():
            written = list(self._write(element[1]))
            self._count(written, packed.value())
            yield Packed(written)

    def _count(self, written: list[WrittenShard], layout: Layout) -> None:
        strata = layout.plan.strata
        if len(strata) > MOST_CLASSES:
            return
        for shard in written:
            stratum = strata[int(np.searchsorted(layout.first_shard, shard.shard, side="right")) - 1]
            name = counter_name(WRITTEN, stratum.split, stratum.label)
            Metrics.counter("presample.write", name).inc(shard.rows)

    def _write(self, parcels: Iterable[Parcel]) -> Iterator[WrittenShard]:
        bucket = _Bucket.of(receive(self._job, parcels))
        pieces = ordered_map(functools.partial(bucket.piece, self._job.source), bucket.starts, self._job.threads)
        row, content, ends = 0, memoryview(b""), np.zeros(1, np.int64)
        for shard, stop, weight in bucket.shards():
            with _ShardFile(self._job, shard) as file:
                first = row
                while row < stop:
                    if row % _ROWS_AT_ONCE == 0:
                        content, ends = next(pieces)
                    begin = row % _ROWS_AT_ONCE
                    end = min(stop - row, len(ends) - 1 - begin) + begin
                    file.add(content[ends[begin] : ends[end]])
                    row += end - begin
            written = file.written(row - first, weight)
            self._rows.inc(written.rows)
            self._bytes.inc(written.bytes)
            PROGRESS.add("WriteShards", written.rows, written.bytes)
            yield written


class _Bucket:
    """The rows of a bucket in the order of their shards and v [n]."""

    def __init__(self, order: IntArray, shard: IntArray, weights: npt.NDArray[np.float32], columns: pa.RecordBatch):
        self._order, self._shard, self._weights, self._columns = order, shard, weights, columns

    @classmethod
    def of(cls, rows: pa.Table) -> _Bucket:
        """Of kept rows in any order."""
        shards, places = shards_of(rows)
        order = np.lexsort((places.order, shards))
        same = (np.diff(places.order[order]) == 0) & (np.diff(shards[order]) == 0)
        if same.any():  # which is all but impossible: then by their place
            order = np.lexsort((places.positions, places.files, places.order, shards))
        return cls(order, shards[order], places.weights[order], columns_of(rows))

    @property
    def starts(self) -> range:
        """Where the pieces begin."""
        return range(0, len(self._order), _ROWS_AT_ONCE)

    def piece(self, source: Source, start: int) -> tuple[memoryview, IntArray]:
        """Some thousand rows as they are in a shard, and where each one begins and ends in it [rows + 1]."""
        rows = slice(start, start + _ROWS_AT_ONCE)
        records = source.serialize(self._columns.take(pa.array(self._order[rows])), self._weights[rows])
        lengths = pc.binary_length(records).to_numpy(zero_copy_only=False) + FRAME_BYTES
        return memoryview(frame(records)), np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])

    def shards(self) -> Iterator[tuple[int, int, Fraction]]:
        """Each shard with the row at which it ends, and its exact weight."""
        found, starts = np.unique(self._shard, return_index=True)
        bounds = [*starts.tolist(), len(self._shard)]
        owner = np.repeat(np.arange(len(found)), np.diff(bounds))
        weights = exact.sums_by_group(self._weights.astype(np.float64), owner, len(found))
        yield from zip(found.tolist(), bounds[1:], weights, strict=True)


class _ShardFile:
    """A shard while it is written, to a temporary name, and digested."""

    def __init__(self, job: Job, shard: int) -> None:
        self._shard = shard
        self._name = f"{job.run_folder}/shards/{shard}-{uuid.uuid4().hex}"
        self._digest = hashlib.sha256()
        self._bytes = 0
        self._zipped = GzipStream() if job.options.compression == "gzip" else None
        self._threads = job.threads
        self._opened = job.output.create(self._name)

    def __enter__(self) -> _ShardFile:
        self._file = self._opened.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        if self._zipped and error[0] is None:
            self._write(self._zipped.finish())
        self._opened.__exit__(*error)

    def add(self, framed: memoryview) -> None:
        """Appends records."""
        self._write(self._zipped.add(framed) if self._zipped else framed)

    def written(self, rows: int, weight: Fraction) -> WrittenShard:
        """What was written."""
        return WrittenShard(self._shard, self._name, rows, self._bytes, self._digest.hexdigest(), weight)

    def _write(self, content: bytes | memoryview) -> None:
        self._bytes += len(content)
        if self._threads < 2 or len(content) < _WORTH_A_THREAD:
            self._file.write(content)
            self._digest.update(content)
            return
        digesting = threading.Thread(target=self._digest.update, args=(content,))
        digesting.start()
        self._file.write(content)
        digesting.join()
