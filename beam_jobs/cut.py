"""The exact cuts: which of the rows in the bands around them are in, and in which fold."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import apache_beam as beam
import numpy as np
import numpy.typing as npt

from beam_jobs.chosen import Chosen
from beam_jobs.failures import BandMissedError
from beam_jobs.layout import Layout, bisect
from beam_jobs.sources.block import IntArray
from tfrecord_io.hashing import UInt64Array

BoolArray = npt.NDArray[np.bool_]


@dataclass
class Band:
    """Rows that a cut decides about [n]: stratum, and (u, file, position), by which they rank."""

    strata: IntArray
    u: UInt64Array
    files: IntArray
    positions: UInt64Array

    @classmethod
    def of(cls, chosen: Chosen, rows: IntArray) -> Band:
        """Some of the chosen rows."""
        files = chosen.files[rows].astype(np.int64)
        return cls(chosen.strata[rows], chosen.u[rows], files, chosen.rows.positions[rows])

    @classmethod
    def join(cls, parts: list[Band]) -> Band:
        """All rows of several."""
        none = np.zeros(0, np.int64)
        parts = [cls(none, none.astype(np.uint64), none, none.astype(np.uint64)), *parts]
        return cls(
            np.concatenate([part.strata for part in parts]),
            np.concatenate([part.u for part in parts]),
            np.concatenate([part.files for part in parts]),
            np.concatenate([part.positions for part in parts]),
        )

    def take(self, rows: IntArray) -> Band:
        """Some of the rows."""
        return Band(self.strata[rows], self.u[rows], self.files[rows], self.positions[rows])

    def after(self, other: Band) -> BoolArray:
        """Whether each row [n] ranks after the other's row [n]."""
        place = (self.files > other.files) | ((self.files == other.files) & (self.positions > other.positions))
        later: BoolArray = (self.u > other.u) | ((self.u == other.u) & place)
        return later


@dataclass
class Candidates:
    """What the draw saw of one range: rows surely drawn before each cut and after the last [cuts], and the others."""

    sure: IntArray
    band: list[Band] = field(default_factory=list)

    def add(self, layout: Layout, chosen: Chosen) -> None:
        """Notes chosen rows."""
        drawn = chosen.copies > layout.copies[chosen.strata]
        cells = (layout.first_cut[chosen.strata] + chosen.folds)[drawn]
        self.sure += np.bincount(cells, minlength=len(self.sure))
        if chosen.unsure.any():
            self.band.append(Band.of(chosen, np.flatnonzero(chosen.unsure)))

    def packed(self) -> PackedCandidates:
        """The same for the way to the cut: of many classes, most have nothing in one range."""
        cells = np.flatnonzero(self.sure)
        return PackedCandidates(len(self.sure), cells, self.sure[cells], Band.join(self.band))


@dataclass(frozen=True)
class PackedCandidates:
    """Candidates of some ranges: the counts [c] of those of `cuts` cells that are not 0, and the rows of the bands."""

    cuts: int
    cells: IntArray
    counts: IntArray
    band: Band


class MergeCandidates(beam.CombineFn):
    """PackedCandidates -> those of all ranges. Memory: O(cuts + rows in bands)."""

    def create_accumulator(self) -> Candidates:
        """Nothing yet."""
        return Candidates(np.zeros(0, np.int64))

    def add_input(self, accumulator: Candidates, element: PackedCandidates) -> Candidates:
        """Adds those of one range."""
        if not len(accumulator.sure):
            accumulator.sure = np.zeros(element.cuts, np.int64)
        accumulator.sure[element.cells] += element.counts
        if len(element.band.u):
            accumulator.band.append(element.band)
        return accumulator

    def merge_accumulators(self, accumulators: Iterable[Candidates]) -> Candidates:
        """Adds those of several ranges."""
        total = self.create_accumulator()
        for accumulator in accumulators:
            self.add_input(total, accumulator.packed())
        return total

    def extract_output(self, accumulator: Candidates) -> PackedCandidates:
        """The sum."""
        return accumulator.packed()


@dataclass(frozen=True)
class Cuts:
    """The last row in front of each cut [cuts]; `some` is False where there is none in a band."""

    first_cut: IntArray
    some: BoolArray
    rows: Band

    def folds_of(self, rows: Band) -> tuple[IntArray, BoolArray]:
        """The fold of each row [n] of the bands, and whether it is in any."""
        starts, stops = self.first_cut[rows.strata], self.first_cut[rows.strata + 1]

        def passed(at: IntArray, cuts: IntArray) -> BoolArray:
            return ~self.some[cuts] | rows.take(at).after(self.rows.take(cuts))

        found = bisect(starts, stops, passed)
        return found - starts, found < stops


def find_cuts(layout: Layout, found: PackedCandidates) -> Cuts:
    """Ranks the rows of all bands. O(rows in bands).

    Raises:
      BandMissedError: a band did not hold its cut; draw again with a wider one.
    """
    strata = layout.plan.strata
    sure = np.zeros(len(layout.last), np.int64)
    sure[found.cells] = found.counts
    rows = found.band.take(_ranked(found.band))
    owner = np.repeat(np.arange(len(strata)), [len(stratum.cuts) for stratum in strata])
    drawn = np.array([stratum.drawn for stratum in strata], np.int64)
    number = np.arange(len(owner)) - layout.first_cut[owner] + 1
    before = np.cumsum(sure) - (np.cumsum(sure) - sure)[layout.first_cut[owner]]
    wanted = number * drawn[owner] - before
    waiting = np.bincount(rows.strata, minlength=len(strata) + 1)
    offset = np.cumsum(waiting) - waiting
    cuts = _checked(layout, owner, wanted, waiting[owner])
    last = (offset[owner] + wanted - 1)[cuts]
    beyond = np.zeros(len(owner), bool)
    beyond[cuts] = rows.u[last] > layout.last[cuts]
    follows = np.flatnonzero(wanted < waiting[owner])
    beyond[follows] |= rows.u[(offset[owner] + wanted)[follows]] < layout.sure[follows]
    if beyond.any():
        raise _missed(layout, int(owner[np.argmax(beyond)]))
    places = np.zeros(len(owner), np.int64)
    places[cuts] = last
    return Cuts(layout.first_cut, wanted > 0, rows.take(places) if len(rows.u) else rows)


def _ranked(rows: Band) -> IntArray:
    """The rows by stratum, u, file and position; equal u are all but impossible."""
    order = np.lexsort((rows.u, rows.strata))
    if ((np.diff(rows.u[order]) == 0) & (np.diff(rows.strata[order]) == 0)).any():
        order = np.lexsort((rows.positions, rows.files, rows.u, rows.strata))
    return order


def _checked(layout: Layout, owner: IntArray, wanted: IntArray, waiting: IntArray) -> IntArray:
    """The cuts with rows of a band in front of them; there must be as many as are wanted."""
    missed = np.flatnonzero((wanted < 0) | (wanted > waiting))
    if len(missed):
        raise _missed(layout, int(owner[missed[0]]))
    return np.flatnonzero(wanted > 0)


def _missed(layout: Layout, index: int) -> BandMissedError:
    stratum = layout.plan.strata[index]
    return BandMissedError(f"The band of class {stratum.label!r} in {stratum.split} missed its cut.")
