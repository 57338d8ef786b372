"""The exact cuts: which of the rows in the bands around them are in, and in which fold."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from beam_jobs.chosen import Chosen
from beam_jobs.failures import BandMissedError
from beam_jobs.layout import Layout, bisect
from beam_jobs.sources.block import IntArray
from tfrecord_io.hashing import UInt64Array
from tfrecord_io.plan import Stratum

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

    def groups(self, layout: Layout) -> Iterator[tuple[int, PackedCandidates]]:
        """The same by groups of strata, on the way to the cuts: of many classes, most have nothing in one range."""
        cells, band = np.flatnonzero(self.sure), Band.join(self.band)
        of_cell = layout.cut_group[np.searchsorted(layout.first_cut, cells, side="right") - 1]
        of_row = layout.cut_group[band.strata]
        for group in np.unique(np.concatenate([of_cell, of_row])).tolist():
            mine = cells[of_cell == group]
            yield group, PackedCandidates(mine, self.sure[mine], band.take(np.flatnonzero(of_row == group)))


@dataclass(frozen=True)
class PackedCandidates:
    """Candidates of some ranges and a group of strata: counts [c] of `cells` that are not 0, and rows of the bands."""

    cells: IntArray
    counts: IntArray
    band: Band

    @classmethod
    def join(cls, parts: Iterable[PackedCandidates]) -> PackedCandidates:
        """Those of several ranges."""
        parts = list(parts)
        none = np.zeros(0, np.int64)
        cells, owner = np.unique(np.concatenate([none, *(part.cells for part in parts)]), return_inverse=True)
        counts = np.zeros(len(cells), np.int64)
        np.add.at(counts, owner, np.concatenate([none, *(part.counts for part in parts)]))
        return cls(cells, counts, Band.join([part.band for part in parts]))


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


def find_cuts(layout: Layout, group: int, parts: Iterable[PackedCandidates]) -> PartOfCuts:
    """Ranks the rows of the bands of a group of strata. O(rows in bands).

    Raises:
      BandMissedError: a band did not hold its cut; draw again with a wider one.
    """
    found = PackedCandidates.join(parts)
    strata = np.flatnonzero(layout.cut_group[:-1] == group)
    cuts = slice(layout.first_cut[strata[0]], layout.first_cut[strata[-1] + 1])
    sure = np.zeros(cuts.stop - cuts.start, np.int64)
    sure[found.cells - cuts.start] = found.counts
    rows = found.band.take(_ranked(found.band))
    members = [layout.plan.strata[index] for index in strata.tolist()]
    owner = np.repeat(np.arange(len(members)), [len(stratum.cuts) for stratum in members])
    drawn = np.array([stratum.drawn for stratum in members], np.int64)
    first = layout.first_cut[strata] - cuts.start
    number = np.arange(len(owner)) - first[owner] + 1
    before = np.cumsum(sure) - (np.cumsum(sure) - sure)[first[owner]]
    wanted = number * drawn[owner] - before
    waiting = np.bincount(rows.strata - strata[0], minlength=len(members))
    offset = np.cumsum(waiting) - waiting
    inside = _checked(members, owner, wanted, waiting[owner])
    last = (offset[owner] + wanted - 1)[inside]
    beyond = np.zeros(len(owner), bool)
    beyond[inside] = rows.u[last] > layout.last[cuts][inside]
    follows = np.flatnonzero(wanted < waiting[owner])
    beyond[follows] |= rows.u[(offset[owner] + wanted)[follows]] < layout.sure[cuts][follows]
    if beyond.any():
        raise _missed(members[int(owner[np.argmax(beyond)])])
    places = np.zeros(len(owner), np.int64)
    places[inside] = last
    return PartOfCuts(group, cuts.start, wanted > 0, rows.take(places) if len(rows.u) else None)


@dataclass(frozen=True)
class PartOfCuts:
    """Cuts of a group, from `start` on: whether rows of a band lie in front of each, and the last; None if of none."""

    group: int
    start: int
    some: BoolArray
    rows: Band | None


def join_cuts(layout: Layout, parts: Iterable[PartOfCuts]) -> Cuts:
    """The cuts of all groups; of those without a candidate too.

    Raises:
      BandMissedError: as `find_cuts`.
    """
    parts = list(parts)
    without = np.setdiff1d(layout.cut_group[:-1], [part.group for part in parts]).tolist()
    parts += [find_cuts(layout, group, []) for group in without]
    none = np.zeros(len(layout.last), np.int64)
    some = np.zeros(len(layout.last), bool)
    rows = Band(none, none.astype(np.uint64), none.copy(), none.astype(np.uint64))
    for part in parts:
        cuts = slice(part.start, part.start + len(part.some))
        some[cuts] = part.some
        if part.rows is not None:
            rows.strata[cuts], rows.u[cuts] = part.rows.strata, part.rows.u
            rows.files[cuts], rows.positions[cuts] = part.rows.files, part.rows.positions
    return Cuts(layout.first_cut, some, rows)


def _ranked(rows: Band) -> IntArray:
    """The rows by stratum, u, file and position; equal u are all but impossible."""
    order = np.lexsort((rows.u, rows.strata))
    if ((np.diff(rows.u[order]) == 0) & (np.diff(rows.strata[order]) == 0)).any():
        order = np.lexsort((rows.positions, rows.files, rows.u, rows.strata))
    return order


def _checked(strata: list[Stratum], owner: IntArray, wanted: IntArray, waiting: IntArray) -> IntArray:
    """The cuts with rows of a band in front of them; there must be as many as are wanted."""
    missed = np.flatnonzero((wanted < 0) | (wanted > waiting))
    if len(missed):
        raise _missed(strata[int(owner[missed[0]])])
    return np.flatnonzero(wanted > 0)


def _missed(stratum: Stratum) -> BandMissedError:
    return BandMissedError(f"The band of class {stratum.label!r} in {stratum.split} missed its cut.")
