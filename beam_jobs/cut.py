"""The exact cut: which rows of the band around it are in."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from beam_jobs.chosen import Chosen
from beam_jobs.failures import BandMissedError
from beam_jobs.sources.block import IntArray
from tfrecord_io.hashing import UInt64Array
from tfrecord_io.plan import Plan


@dataclass
class Band:
    """Rows whose extra copy the cut decides [n]: stratum, and (u, file, position), by which they rank."""

    strata: IntArray
    u: UInt64Array
    files: IntArray
    positions: UInt64Array

    @classmethod
    def of(cls, file: int, chosen: Chosen) -> Band:
        """The unsure rows among chosen ones of one file."""
        unsure = chosen.unsure
        return cls(
            chosen.strata[unsure],
            chosen.u[unsure],
            np.full(int(unsure.sum()), file, np.int64),
            chosen.rows.positions[unsure],
        )

    @classmethod
    def single(cls, stratum: int, u: int, file: int, position: int) -> Band:
        """One row."""
        return cls(np.array([stratum]), np.array([u], np.uint64), np.array([file]), np.array([position], np.uint64))

    @classmethod
    def join(cls, parts: list[Band]) -> Band:
        """All rows of several."""
        return cls(
            np.concatenate([part.strata for part in parts]),
            np.concatenate([part.u for part in parts]),
            np.concatenate([part.files for part in parts]),
            np.concatenate([part.positions for part in parts]),
        )


@dataclass
class Candidates:
    """What the draw saw of one range: sure extra copies of each stratum [k], and the band's rows."""

    sure: IntArray
    band: list[Band] = field(default_factory=list)

    def add(self, file: int, chosen: Chosen) -> None:
        """Notes the chosen rows of one file."""
        self.sure += np.bincount(chosen.strata[chosen.extra & ~chosen.unsure], minlength=len(self.sure))
        if chosen.unsure.any():
            self.band.append(Band.of(file, chosen))


@dataclass(frozen=True)
class Cuts:
    """The last row that is in, of each stratum [k]; `some` is False where none of the band is."""

    some: npt.NDArray[np.bool_]
    u: UInt64Array
    files: IntArray
    positions: UInt64Array

    def take_in(self, rows: Band) -> npt.NDArray[np.bool_]:
        """Whether each row [n] ranks no later than its stratum's cut."""
        u, files, positions = self.u[rows.strata], self.files[rows.strata], self.positions[rows.strata]
        tie = (rows.files < files) | ((rows.files == files) & (rows.positions <= positions))
        inside: npt.NDArray[np.bool_] = self.some[rows.strata] & ((rows.u < u) | ((rows.u == u) & tie))
        return inside


def find_cuts(plan: Plan, parts: Iterable[Candidates]) -> Cuts:
    """Ranks the rows of all bands. O(rows in bands).

    Raises:
      BandMissedError: a band did not hold its cut; draw again with a wider one.
    """
    nothing = Band(np.zeros(0, np.int64), np.zeros(0, np.uint64), np.zeros(0, np.int64), np.zeros(0, np.uint64))
    missing = np.array([stratum.drawn for stratum in plan.strata], np.int64)
    bands = [nothing]
    for part in parts:
        missing -= part.sure
        bands += part.band
    rows = Band.join(bands)
    waiting = np.bincount(rows.strata, minlength=len(missing))
    missed = np.flatnonzero((missing < 0) | (missing > waiting))
    if len(missed):
        stratum = plan.strata[missed[0]]
        raise BandMissedError(f"The band of class {stratum.label!r} in {stratum.split} missed its cut.")
    ranked = np.lexsort((rows.positions, rows.files, rows.u, rows.strata))
    some = missing > 0
    if not some.any():
        return Cuts(some, missing.astype(np.uint64), missing, missing.astype(np.uint64))
    last = np.zeros(len(missing), np.int64)
    last[some] = ranked[(np.cumsum(waiting) - waiting + missing - 1)[some]]
    return Cuts(some, rows.u[last], rows.files[last], rows.positions[last])
