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

from beam_jobs import kept_rows
from beam_jobs.job import Job
from beam_jobs.layout import Layout
from beam_jobs.output import Output

Parcel = bytes | tuple[str, int, int]
"""Packed rows, or where they were spilled: (name, offset, bytes)."""

_FLUSH_BYTES = 64 * 10**6


class Outbox:
    """Collects rows of a bundle, and hands them over some tens of MB at a time: kept ones by bucket.

    Without a layout they are unsure rows, which have no bucket yet; theirs is 0.
    """

    def __init__(self, job: Job, layout: Layout | None) -> None:
        self._job = job
        self._layout = layout
        self._batches: list[pa.RecordBatch] = []
        self._size = 0
        self._moved = Metrics.counter("presample.draw", "bytes_shuffled")

    def add(self, rows: pa.RecordBatch) -> Iterator[tuple[int, Parcel]]:
        """Takes rows; yields (bucket, parcel) when it holds enough."""
        if rows.num_rows:
            self._batches.append(rows)
            self._size += rows.nbytes
        if self._size >= _FLUSH_BYTES:
            yield from self.flush()

    def flush(self) -> Iterator[tuple[int, Parcel]]:
        """Hands over all that it holds."""
        if not self._batches:
            return
        rows = pa.Table.from_batches(self._batches)
        self._batches, self._size = [], 0
        buckets = _by_bucket(rows, self._layout) if self._layout else iter([(0, rows)])
        for bucket, parcel in self._spill(buckets) if self._job.spill else self._pack(buckets):
            self._moved.inc(len(parcel) if isinstance(parcel, bytes) else parcel[2])
            yield bucket, parcel

    def _pack(self, buckets: Iterator[tuple[int, pa.Table]]) -> Iterator[tuple[int, Parcel]]:
        for bucket, rows in buckets:
            sink = pa.BufferOutputStream()
            kept_rows.write(rows, sink)
            yield bucket, bytes(sink.getvalue())

    def _spill(self, buckets: Iterator[tuple[int, pa.Table]]) -> list[tuple[int, Parcel]]:
        name = f"{self._job.run_folder}/spill/{uuid.uuid4().hex}"
        parcels: list[tuple[int, Parcel]] = []
        with _spill_folder(self._job).create(name) as file:
            offset = 0
            for bucket, rows in buckets:
                kept_rows.write(rows, file)
                end = file.tell()
                parcels.append((bucket, (name, offset, end - offset)))
                offset = end
        return parcels


def receive(job: Job, parcels: Iterable[Parcel]) -> pa.Table:
    """All rows of some parcels, in no particular order."""
    folder = _spill_folder(job)
    return kept_rows.read(each if isinstance(each, bytes) else folder.read(*each) for each in parcels)


def _spill_folder(job: Job) -> Output:
    return Output(job.spill or job.output.folder)


def _by_bucket(rows: pa.Table, layout: Layout) -> Iterator[tuple[int, pa.Table]]:
    owner = layout.bucket_of_shard[rows.column(0).to_numpy()]
    order = np.argsort(owner, kind="stable")
    found, starts = np.unique(owner[order], return_index=True)
    if len(found) == 1:
        yield int(found[0]), rows
        return
    bounds = [*starts.tolist(), len(order)]
    rows = rows.combine_chunks().take(pa.array(order))
    for bucket, start, stop in zip(found.tolist(), bounds, bounds[1:], strict=False):
        yield bucket, rows.slice(start, stop - start)
