"""The exact cut: which rows of the band around it are in."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from beam_jobs.chosen import Chosen
from beam_jobs.failures import BandMissedError
from tfrecord_io.hashing import UInt64Array
from tfrecord_io.plan import Plan

Candidate = tuple[int, int, int]
"""(u, file, position): ties in u are broken by file and position."""


@dataclass
class Candidates:
    """What the draw saw of one range, or of all: by stratum, sure rows counted, band rows listed."""

    sure: dict[int, int] = field(default_factory=dict)
    band: dict[int, list[tuple[int, UInt64Array, UInt64Array]]] = field(default_factory=dict)

    def add(self, file: int, chosen: Chosen) -> None:
        """Notes the chosen rows of one file."""
        drawn = chosen.strata[chosen.extra]
        unsure = chosen.unsure[chosen.extra]
        for stratum, count in zip(*np.unique(drawn[~unsure], return_counts=True), strict=True):
            self.sure[int(stratum)] = self.sure.get(int(stratum), 0) + int(count)
        for stratum in np.unique(drawn[unsure]).tolist():
            here = chosen.unsure & (chosen.strata == stratum)
            self.band.setdefault(stratum, []).append((file, chosen.u[here], chosen.rows.positions[here]))

    def merge(self, other: Candidates) -> None:
        """Adds another range."""
        for stratum, count in other.sure.items():
            self.sure[stratum] = self.sure.get(stratum, 0) + count
        for stratum, rows in other.band.items():
            self.band.setdefault(stratum, []).extend(rows)


def find_cuts(plan: Plan, parts: Iterable[Candidates]) -> dict[int, Candidate]:
    """The last row that is in, of each stratum that has any in its band. O(rows in bands).

    Raises:
      BandMissedError: a band did not hold its cut; draw again with a wider one.
    """
    total = Candidates()
    for part in parts:
        total.merge(part)
    cuts = {}
    for index, stratum in enumerate(plan.strata):
        missing = stratum.drawn - total.sure.get(index, 0)
        rows = total.band.get(index, [])
        if missing < 0 or missing > sum(len(u) for _, u, _ in rows):
            raise BandMissedError(f"The band of class {stratum.label!r} in {stratum.split} missed its cut.")
        if missing:
            files = np.concatenate([np.full(len(u), file) for file, u, _ in rows])
            u = np.concatenate([u for _, u, _ in rows])
            positions = np.concatenate([positions for _, _, positions in rows])
            last = np.lexsort((positions, files, u))[missing - 1]
            cuts[index] = (int(u[last]), int(files[last]), int(positions[last]))
    return cuts
