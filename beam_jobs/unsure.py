"""Rows that a cut decides about: they wait, parsed, until the cuts are known."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import apache_beam as beam
import numpy as np
import pyarrow as pa
from apache_beam.metrics import Metrics

from beam_jobs.cut import Band, Cuts
from beam_jobs.facts import Facts, Waiting
from beam_jobs.failures import reported
from beam_jobs.job import Job
from beam_jobs.kept_rows import columns_of, kept_rows, strata_of
from beam_jobs.layout import Layout
from beam_jobs.packed import Packed
from beam_jobs.shuffle import Outbox, Parcel, receive


@dataclass(frozen=True)
class Unsure:
    """Some of them, and what is to be known of those that were not stored anyway."""

    rows: Parcel
    waiting: list[Waiting]


class UnsureBox:
    """Collects the unsure rows of a bundle, and hands them over some tens of MB at a time."""

    def __init__(self, job: Job) -> None:
        self._outbox = Outbox(job, None)
        self._waiting: list[Waiting] = []

    def add(self, rows: pa.RecordBatch, waiting: Waiting) -> Iterator[Unsure]:
        """Takes rows; yields some when it holds enough."""
        if rows.num_rows:
            self._waiting.append(waiting)
            yield from self._with_waiting(self._outbox.add(rows))

    def flush(self) -> Iterator[Unsure]:
        """Hands over all that it holds."""
        return self._with_waiting(self._outbox.flush())

    def _with_waiting(self, parcels: Iterator[tuple[int, Parcel]]) -> Iterator[Unsure]:
        for _, parcel in parcels:
            yield Unsure(parcel, self._waiting)
            self._waiting = []


class SettleUnsure(beam.DoFn):
    """(Unsure, layout, cuts) -> (bucket, parcel) of those that are in, and Facts about them under the tag `facts`."""

    FACTS = "facts"

    def __init__(self, job: Job) -> None:
        self._job = job
        self._kept = Metrics.counter("presample.draw", "rows_kept")

    def process(self, unsure: Unsure, packed: Packed[Layout], cuts: Packed[Cuts]) -> Iterator[object]:
        """Looks up the fold of each row."""
        with reported():
            layout, decided = packed.value(), cuts.value()
            yield from self._settle(receive(self._job, [unsure.rows]), layout, decided)
            facts = Facts()
            for rows in unsure.waiting:
                facts.stored.merge(rows.facts(decided.folds_of(rows.band)[1]))
            yield beam.pvalue.TaggedOutput(self.FACTS, facts)

    def _settle(self, rows: pa.Table, layout: Layout, cuts: Cuts) -> Iterator[tuple[int, Parcel]]:
        strata, u, places = strata_of(rows)
        folds, inside = cuts.folds_of(Band(strata, u, places.files.astype(np.int64), places.positions))
        at = np.flatnonzero(inside)
        self._kept.inc(len(at))
        shards = layout.shard_of(strata[at], folds[at], places.order[at])
        columns = columns_of(rows, kept=False).take(pa.array(at))
        outbox = Outbox(self._job, layout)
        yield from outbox.add(kept_rows(shards, places.take(at), columns))
        yield from outbox.flush()
