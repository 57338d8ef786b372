"""Kept rows on their way to the writer of their bucket: through files, or through the runner's shuffle.

A local runner keeps what it shuffles in memory, several times over. So there, rows are spilled to
files beside the output and only their places go through the runner; a service like Dataflow's moves
the rows themselves. The writers sort, so both ways end in the same bytes.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow as pa
from apache_beam.metrics import Metrics

from beam_jobs.job import Job
from beam_jobs.kept_rows import KEPT, pack, unpack
from beam_jobs.layout import Layout
from beam_jobs.output import Output

Parcel = bytes | tuple[str, int, int]
"""Packed rows, or where they were spilled: (name, offset, bytes)."""

_FLUSH_BYTES = 64 * 10**6


class Outbox:
    """Collects the kept rows of a bundle, and hands them over by bucket, some tens of MB at a time."""

    def __init__(self, job: Job, layout: Layout) -> None:
        self._job = job
        self._layout = layout
        self._batches: list[pa.RecordBatch] = []
        self._size = 0
        self._moved = Metrics.counter("presample.draw", "bytes_shuffled")

    def add(self, batch: pa.RecordBatch) -> Iterator[tuple[int, Parcel]]:
        """Takes rows of schema `KEPT`; yields (bucket, parcel) when it holds enough."""
        self._batches.append(batch)
        self._size += batch.nbytes
        if self._size >= _FLUSH_BYTES:
            yield from self.flush()

    def flush(self) -> Iterator[tuple[int, Parcel]]:
        """Hands over all that it holds."""
        rows = pa.Table.from_batches(self._batches, KEPT)
        self._batches, self._size = [], 0
        if rows.num_rows:
            buckets = list(_by_bucket(rows, self._layout))
            yield from self._spill(buckets) if self._job.spill else self._pack(buckets)

    def _pack(self, buckets: list[tuple[int, pa.Table]]) -> Iterator[tuple[int, Parcel]]:
        for bucket, rows in buckets:
            packed = pack(rows)
            self._moved.inc(len(packed))
            yield bucket, packed

    def _spill(self, buckets: list[tuple[int, pa.Table]]) -> Iterator[tuple[int, Parcel]]:
        name = f"{self._job.run_folder}/spill/{uuid.uuid4().hex}"
        offset = 0
        parcels: list[tuple[int, Parcel]] = []
        with _spill_folder(self._job).create(name) as file:
            for bucket, rows in buckets:
                packed = pack(rows)
                file.write(packed)
                parcels.append((bucket, (name, offset, len(packed))))
                offset += len(packed)
        self._moved.inc(offset)
        yield from parcels


def receive(job: Job, parcels: Iterable[Parcel]) -> pa.Table:
    """All rows of a bucket, in no particular order."""
    return unpack((_content(job, parcel) for parcel in parcels), KEPT)


def _content(job: Job, parcel: Parcel) -> bytes:
    if isinstance(parcel, bytes):
        return parcel
    name, offset, size = parcel
    return _spill_folder(job).read(name, offset, size)


def _spill_folder(job: Job) -> Output:
    return Output(job.spill or job.output.folder)


def _by_bucket(rows: pa.Table, layout: Layout) -> Iterator[tuple[int, pa.Table]]:
    owner = layout.bucket_of_shard[rows.column("shard").to_numpy()]
    order = np.argsort(owner, kind="stable")
    found, starts = np.unique(owner[order], return_index=True)
    if len(found) == 1:
        yield int(found[0]), rows
        return
    sorted_rows = rows.take(pa.array(order))
    for bucket, start, stop in zip(found.tolist(), starts.tolist(), [*starts.tolist()[1:], len(order)], strict=True):
        yield bucket, sorted_rows.slice(start, stop - start)
