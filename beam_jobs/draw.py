"""Pass 2: draws rows by their hash, and parses, encodes and moves those alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import apache_beam as beam
import numpy as np
import pyarrow as pa
from apache_beam.metrics import Metrics

from beam_jobs.chosen import Chosen
from beam_jobs.cut import Band, Candidates
from beam_jobs.facts import StoredFacts
from beam_jobs.failures import reported
from beam_jobs.job import Job
from beam_jobs.kept_rows import KEPT, pack
from beam_jobs.layout import Layout
from beam_jobs.memory import keep_freed_memory
from beam_jobs.ordered import ordered_map
from beam_jobs.profile import RangeNotes, identity_digest
from beam_jobs.progress import PROGRESS
from beam_jobs.rejects import RejectedRow, bad_row
from beam_jobs.sources.block import Block, Encoded, IntArray
from beam_jobs.unique_ids import id_groups
from tfrecord_io import hashing
from tfrecord_io.errors import SourceError

_FLUSH_BYTES = 32 * 10**6
_ENCODE_ROWS = 4_096


@dataclass(frozen=True)
class LostRow:
    """A drawn row that did not parse: how many copies it would have had, and the one in question."""

    stratum: int
    copies: int
    candidate: Band | None
    row: RejectedRow


@dataclass
class RangeFacts:
    """What the draw learnt on the way: lost rows, facts about the stored ones, and ids to compare."""

    lost: list[LostRow] = field(default_factory=list)
    stored: StoredFacts = field(default_factory=StoredFacts)
    ids: list[tuple[int, list[tuple[bytes, ...]]]] = field(default_factory=list)


class DrawRange(beam.DoFn):
    """(RangeNotes, layout) -> (bucket, packed rows); Candidates and RangeFacts under their tags."""

    CANDIDATES = "candidates"
    FACTS = "facts"
    IDS = "ids"

    def __init__(self, job: Job) -> None:
        self._job = job
        self._kept = Metrics.counter("presample.draw", "rows_kept")
        self._moved = Metrics.counter("presample.draw", "bytes_shuffled")

    def setup(self) -> None:
        """Once a worker."""
        keep_freed_memory()

    def process(self, notes: RangeNotes, layout: Layout) -> Iterator[object]:
        """Reads the range once more; parses drawn rows only."""
        with reported():
            candidates, facts = Candidates(np.zeros(len(layout.plan.strata), np.int64)), RangeFacts()
            drawn = self._draw(notes, layout, candidates, facts)
            buckets: dict[int, list[pa.RecordBatch]] = {}
            size = 0
            for batch in drawn:
                size += batch.nbytes
                self._kept.inc(batch.num_rows)
                _by_bucket(batch, layout, buckets)
                if size >= _FLUSH_BYTES:
                    yield from self._flush(buckets)
                    buckets, size = {}, 0
            yield from self._flush(buckets)
            yield from (beam.pvalue.TaggedOutput(self.IDS, group) for group in facts.ids)
            facts.ids = []
        yield beam.pvalue.TaggedOutput(self.CANDIDATES, candidates)
        yield beam.pvalue.TaggedOutput(self.FACTS, facts)

    def _flush(self, buckets: dict[int, list[pa.RecordBatch]]) -> Iterator[tuple[int, bytes]]:
        for bucket, batches in buckets.items():
            packed = pack(batches)
            self._moved.inc(len(packed))
            yield bucket, packed

    def _draw(
        self, notes: RangeNotes, layout: Layout, candidates: Candidates, facts: RangeFacts
    ) -> Iterator[pa.RecordBatch]:
        job, file = self._job, notes.part.file
        choose = _Choose(job, layout, file)

        def encode(chosen: Chosen) -> tuple[Chosen, Encoded]:
            return chosen, chosen.rows.encode(layout.factors[chosen.strata])

        picked = ordered_map(choose, _with_strata(job, notes, layout), job.block_threads)
        for chosen, encoded in ordered_map(encode, _in_batches(picked), job.threads):
            candidates.add(file, chosen)
            self._note(facts, chosen, encoded, file)
            yield _kept_rows(layout, chosen, encoded, file)

    def _note(self, facts: RangeFacts, chosen: Chosen, encoded: Encoded, file: int) -> None:
        for reject in encoded.rejects:
            row, at = RejectedRow.of(self._job.source.files[file], reject), reject.row
            stratum = int(chosen.strata[at])
            unsure = Band.single(stratum, int(chosen.u[at]), file, reject.position) if chosen.unsure[at] else None
            if self._job.options.on_bad_row == "fail" and (unsure is None or chosen.copies[at] > 1):
                raise bad_row(row, self._job.source.format)
            facts.lost.append(LostRow(stratum, int(chosen.copies[at]), unsure, row))
        if chosen.ids:
            facts.ids += id_groups(chosen.ids)
        facts.stored.note(file, chosen, encoded)


class _Choose:
    """The draw itself: (block, stratum of each row) -> the rows that may be kept. Thread-safe."""

    def __init__(self, job: Job, layout: Layout, file: int) -> None:
        name = "" if job.options.row_id else job.source.files[file].name
        self._draw = hashing.derive_keys(job.options.seed, "draw", name)
        self._order = hashing.derive_keys(job.options.seed, "order", name)
        self._by_id = bool(job.options.row_id)
        self._layout = layout

    def __call__(self, item: tuple[Block, IntArray]) -> Chosen:
        block, strata = item
        layout = self._layout
        ids = block.identities() if self._by_id else []
        identity = identity_digest(ids) if self._by_id else block.positions
        u = hashing.hash_positions(identity, self._draw)
        extra = (u <= layout.last[strata]) & layout.draws[strata]
        copies = layout.copies[strata] + extra
        rows = np.flatnonzero(copies)
        PROGRESS.add("Draw", len(block), block.total_bytes)
        return Chosen(
            rows=block.pick(rows),
            strata=strata[rows],
            copies=copies[rows],
            extra=extra[rows],
            unsure=extra[rows] & (u[rows] >= layout.sure[strata[rows]]),
            u=u[rows],
            order=hashing.hash_positions(identity[rows], self._order),
            ids=[values.take(pa.array(rows)) for values in ids],
        )


def _in_batches(picked: Iterator[Chosen]) -> Iterator[Chosen]:
    """Joins the few rows drawn from each block, so that parsing them costs by the row."""
    waiting: list[Chosen] = []
    for chosen in picked:
        waiting.append(chosen)
        if sum(len(each.rows) for each in waiting) >= _ENCODE_ROWS:
            yield Chosen.join(waiting)
            waiting = []
    if waiting:
        yield Chosen.join(waiting)


def _with_strata(job: Job, notes: RangeNotes, layout: Layout) -> Iterator[tuple[Block, IntArray]]:
    """Each block of the range with the stratum of each row; the last index for rows left out."""
    table = np.array([layout.index[key] for key in notes.classes] + [len(layout.plan.strata)], np.int64)
    codes = notes.codes()
    done = 0
    for block in job.source.blocks(notes.part):
        if done + len(block) > notes.rows:
            break
        yield block, table[codes[done : done + len(block)]]
        done += len(block)
    else:
        if done == notes.rows:
            return
    name = job.source.files[notes.part.file].path
    raise SourceError(f"{name} changed while it was read: it held {notes.rows} rows there a moment ago. Run again.")


def _kept_rows(layout: Layout, chosen: Chosen, encoded: Encoded, file: int) -> pa.RecordBatch:
    """One row for each copy of each good row, with its place."""
    copies = chosen.copies[encoded.good]
    source = np.repeat(np.arange(len(copies)), copies)
    rows = encoded.good[source]
    copy = np.arange(len(source)) - np.repeat(np.cumsum(copies) - copies, copies)
    order = hashing.vary(chosen.order[rows], copy)
    conditional = chosen.unsure[rows] & (copy == copies[source] - 1)
    single = len(source) == len(copies)
    return pa.record_batch(
        [
            pa.array(layout.shard_of(chosen.strata[rows], order)),
            pa.array(order),
            pa.array(np.full(len(rows), file, np.int32)),
            pa.array(chosen.rows.positions[rows]),
            pa.array(chosen.u[rows], mask=~conditional),
            pa.array(encoded.weights[source]),
            encoded.payloads if single else encoded.payloads.take(pa.array(source)),
        ],
        schema=KEPT,
    )


def _by_bucket(batch: pa.RecordBatch, layout: Layout, buckets: dict[int, list[pa.RecordBatch]]) -> None:
    shards = batch.column(0).to_numpy()
    owner = layout.bucket_of_shard[shards]
    order = np.argsort(owner, kind="stable")
    found, starts = np.unique(owner[order], return_index=True)
    if not len(found):
        return
    if len(found) == 1:
        buckets.setdefault(int(found[0]), []).append(batch)
        return
    for bucket, start, stop in zip(found.tolist(), starts, [*starts[1:], len(order)], strict=True):
        buckets.setdefault(bucket, []).append(batch.take(pa.array(order[start:stop])))
