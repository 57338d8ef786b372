"""Pass 2: draws rows by their hash, and parses, converts and moves those alone."""

from __future__ import annotations

from collections.abc import Iterator

import apache_beam as beam
import numpy as np
import pyarrow as pa
from apache_beam.metrics import Metrics

from beam_jobs.chosen import Chosen
from beam_jobs.cut import Band, Candidates, Cuts
from beam_jobs.facts import Facts
from beam_jobs.failures import reported
from beam_jobs.job import Job
from beam_jobs.kept_rows import Places, columns_of, kept_rows, strata_of, unsure_rows
from beam_jobs.layout import Layout
from beam_jobs.memory import keep_freed_memory
from beam_jobs.ordered import ordered_map
from beam_jobs.packed import Packed
from beam_jobs.profile import PartNotes, identity_digest
from beam_jobs.progress import PROGRESS
from beam_jobs.rejects import RejectedRow, bad_row
from beam_jobs.shuffle import Outbox, Parcel, receive
from beam_jobs.sources.block import Block, IntArray, Range, Stored
from beam_jobs.sources.meter import METER
from beam_jobs.unique_ids import IdGroups
from tfrecord_io import hashing
from tfrecord_io.errors import SourceError
from tfrecord_io.hashing import UInt64Array

_CONVERT_ROWS = 4_096


class DrawPart(beam.DoFn):
    """(PartNotes, layout) -> (bucket, parcel of rows); unsure rows, PackedCandidates and Facts under their tags."""

    CANDIDATES = "candidates"
    FACTS = "facts"
    IDS = "ids"
    UNSURE = "unsure"

    def __init__(self, job: Job) -> None:
        self._job = job
        self._kept = Metrics.counter("presample.draw", "rows_kept")
        self._rows = Metrics.counter("presample.draw", "rows_read")
        self._bytes = Metrics.counter("presample.draw", "bytes_read")

    def setup(self) -> None:
        """Once a worker."""
        keep_freed_memory()

    def process(self, notes: PartNotes, packed: Packed[Layout]) -> Iterator[object]:
        """Reads the part once more; parses drawn rows only."""
        with reported():
            layout = packed.value()
            candidates, facts, ids = Candidates(np.zeros(len(layout.last), np.int64)), Facts(), IdGroups(layout)
            outbox, waiting = Outbox(self._job, layout), Outbox(self._job, None)
            for kept, unsure in self._draw(notes, layout, candidates, facts, ids):
                self._kept.inc(kept.num_rows)
                yield from outbox.add(kept)
                yield from (beam.pvalue.TaggedOutput(self.UNSURE, parcel) for _, parcel in waiting.add(unsure))
            yield from outbox.flush()
            yield from (beam.pvalue.TaggedOutput(self.UNSURE, parcel) for _, parcel in waiting.flush())
            self._rows.inc(sum(notes.rows))
            self._bytes.inc(METER.take())
            yield from (beam.pvalue.TaggedOutput(self.IDS, group) for group in ids.groups)
        yield beam.pvalue.TaggedOutput(self.CANDIDATES, candidates.packed())
        yield beam.pvalue.TaggedOutput(self.FACTS, facts)

    def _draw(
        self, notes: PartNotes, layout: Layout, candidates: Candidates, facts: Facts, ids: IdGroups
    ) -> Iterator[tuple[pa.RecordBatch, pa.RecordBatch]]:
        job = self._job
        choose = _Choose(job, layout)

        def convert(chosen: Chosen) -> tuple[Chosen, Stored, pa.RecordBatch]:
            stored = chosen.rows.to_stored(layout.factors[chosen.strata])
            return chosen, stored, _kept_rows(layout, chosen, stored)

        picked = ordered_map(choose, _with_strata(job, notes, layout), job.block_threads)
        for chosen, stored, kept in ordered_map(convert, _in_batches(picked), job.threads):
            candidates.add(layout, chosen)
            self._note(facts, chosen, stored)
            if chosen.ids:
                ids.add(chosen.ids)
            yield kept, _unsure_rows(chosen, stored)

    def _note(self, facts: Facts, chosen: Chosen, stored: Stored) -> None:
        for reject in stored.rejects:
            at = reject.row
            row = RejectedRow.of(self._job.source.files[chosen.files[at]], reject)
            copies = int(chosen.copies[at])
            if self._job.options.on_bad_row == "fail" and copies:
                raise bad_row(row, self._job.source.format)
            unsure = Band.of(chosen, np.array([at])) if chosen.unsure[at] else None
            facts.lose((int(chosen.strata[at]), int(chosen.folds[at])), copies, row, unsure)
        facts.stored.note(chosen, stored)


class SettleUnsure(beam.DoFn):
    """A parcel of unsure rows, with layout and cuts -> (bucket, parcel) of those that are in."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._kept = Metrics.counter("presample.draw", "rows_kept")

    def process(self, waiting: Parcel, packed: Packed[Layout], cuts: Cuts) -> Iterator[tuple[int, Parcel]]:
        """Looks up the fold of each."""
        with reported():
            rows, layout = receive(self._job, [waiting]), packed.value()
            strata, u, places = strata_of(rows)
            folds, inside = cuts.folds_of(Band(strata, u, places.files.astype(np.int64), places.positions))
            at = np.flatnonzero(inside)
            self._kept.inc(len(at))
            shards = layout.shard_of(strata[at], folds[at], places.order[at])
            columns = columns_of(rows, kept=False).take(pa.array(at))
            outbox = Outbox(self._job, layout)
            yield from outbox.add(kept_rows(shards, places.take(at), columns))
            yield from outbox.flush()


class _Choose:
    """The draw itself: (file, block, stratum of each row) -> the rows that may be kept. Thread-safe."""

    def __init__(self, job: Job, layout: Layout) -> None:
        self._job = job
        self._by_id = bool(job.options.row_id)
        self._layout = layout

    def __call__(self, item: tuple[int, Block, IntArray]) -> Chosen:
        file, block, strata = item
        layout = self._layout
        ids = block.identities() if self._by_id else []
        identity = identity_digest(ids) if self._by_id else block.positions
        u = hashing.hash_positions(identity, self._keys("draw", file))
        maybe = (u <= layout.reach[strata]) & layout.draws[strata]
        rows = np.flatnonzero(maybe | (layout.copies[strata] > 0))
        PROGRESS.add("Draw", len(block), block.total_bytes)
        strata, u, maybe = strata[rows], u[rows], maybe[rows]
        first, last = layout.folds_of(strata[maybe], u[maybe])
        folds, copies, unsure = np.zeros(len(rows), np.int64), layout.copies[strata], np.zeros(len(rows), bool)
        within = first < (layout.first_cut[strata + 1] - layout.first_cut[strata])[maybe]
        sure = (first == last) & within
        copies[maybe] += sure
        folds[maybe] = np.where(sure, first, 0)
        unsure[maybe] = first < last
        return Chosen(
            rows=block.pick(rows),
            files=np.full(len(rows), file, np.int32),
            strata=strata,
            copies=copies,
            folds=folds,
            unsure=unsure,
            u=u,
            order=hashing.hash_positions(identity[rows], self._keys("order", file)),
            ids=[values.take(pa.array(rows)) for values in ids],
        )

    def _keys(self, salt: hashing.Salt, file: int) -> hashing.Keys:
        name = "" if self._by_id else self._job.source.files[file].name
        return hashing.derive_keys(self._job.options.seed, salt, name)


def _in_batches(picked: Iterator[Chosen]) -> Iterator[Chosen]:
    """Joins the few rows drawn from each block, so that parsing them costs by the row."""
    waiting: list[Chosen] = []
    for chosen in picked:
        waiting.append(chosen)
        if sum(len(each.rows) for each in waiting) >= _CONVERT_ROWS:
            yield Chosen.join(waiting)
            waiting = []
    if waiting:
        yield Chosen.join(waiting)


def _with_strata(job: Job, notes: PartNotes, layout: Layout) -> Iterator[tuple[int, Block, IntArray]]:
    """Each block of the part with the stratum of each row; the last index for rows left out."""
    table = np.array([layout.index[key] for key in notes.classes] + [len(layout.plan.strata)], np.int64)
    codes = notes.codes()
    done = 0
    for part, rows in zip(notes.part, notes.rows, strict=True):
        end = done + rows
        for block in job.source.blocks(part):
            if done + len(block) > end:
                raise _changed(job, part, rows)
            yield part.file, block, table[codes[done : done + len(block)]]
            done += len(block)
        if done < end:
            raise _changed(job, part, rows)


def _changed(job: Job, part: Range, rows: int) -> SourceError:
    name = job.source.files[part.file].path
    return SourceError(f"{name} changed while it was read: it held {rows} rows there a moment ago. Run again.")


def _kept_rows(layout: Layout, chosen: Chosen, stored: Stored) -> pa.RecordBatch:
    """One row for each sure copy of each good row."""
    copies = chosen.copies[stored.good]
    source = np.repeat(np.arange(len(copies)), copies)
    copy = np.arange(len(source)) - np.repeat(np.cumsum(copies) - copies, copies)
    rows = stored.good[source]
    order = hashing.vary(chosen.order[rows], copy)
    shards = layout.shard_of(chosen.strata[rows], chosen.folds[rows], order)
    return kept_rows(shards, _places(chosen, stored, source, order), _take(stored.columns, source))


def _unsure_rows(chosen: Chosen, stored: Stored) -> pa.RecordBatch:
    """One row for the copy of each good row that the cuts decide about."""
    source = np.flatnonzero(chosen.unsure[stored.good])
    rows = stored.good[source]
    places = _places(chosen, stored, source, hashing.vary(chosen.order[rows], chosen.copies[rows]))
    return unsure_rows(chosen.strata[rows], chosen.u[rows], places, _take(stored.columns, source))


def _places(chosen: Chosen, stored: Stored, source: IntArray, order: UInt64Array) -> Places:
    """Of some of the stored rows, which `source` indexes."""
    rows = stored.good[source]
    return Places(order, chosen.files[rows], chosen.rows.positions[rows], stored.weights[source])


def _take(columns: pa.RecordBatch, rows: IntArray) -> pa.RecordBatch:
    everything = len(rows) == columns.num_rows and bool((np.diff(rows) == 1).all())
    return columns if everything else columns.take(pa.array(rows))
