"""What only the stored rows themselves tell: which features are absent from some, and TFRecords' types.

Rows at the cut wait: their facts count once it is known that they are in.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import apache_beam as beam
import numpy as np
import numpy.typing as npt

from beam_jobs.chosen import Chosen
from beam_jobs.cut import Band, Cuts
from beam_jobs.failures import reported
from beam_jobs.packed import Packed
from beam_jobs.rejects import RejectedRow, RejectLog
from beam_jobs.sources.block import Schema, Stored
from beam_jobs.sources.feature_table import FeatureTable
from beam_jobs.sources.tfrecord_features import Seen, widen

BoolArray = npt.NDArray[np.bool_]

Cell = tuple[int, int]
"""A stratum and one of its folds."""

_WHERE = "The kept records"


@dataclass(frozen=True)
class Waiting:
    """Stored rows that the cut may leave out [w]: where they rank, and their `absent` and `features` as in Stored."""

    band: Band
    absent: Mapping[str, BoolArray]
    features: FeatureTable | None

    def facts(self, rows: BoolArray) -> StoredFacts:
        """The facts of the rows that are marked [w]."""
        absent = {name for name, missing in self.absent.items() if missing[rows].any()}
        seen = self.features.take(rows).seen(_WHERE) if self.features else {}
        return StoredFacts(int(np.count_nonzero(rows)), absent, seen)


@dataclass
class StoredFacts:
    """Facts about some stored rows; `waiting` are rows whose facts may not count."""

    rows: int = 0
    absent: set[str] = field(default_factory=set)
    features: Seen = field(default_factory=dict)
    waiting: list[Waiting] = field(default_factory=list)

    def note(self, chosen: Chosen, stored: Stored) -> None:
        """Adds the facts of rows that were stored."""
        good = stored.good
        unsure = chosen.copies[good] == 0
        at = good[unsure]
        band = Band.of(chosen, at)
        rows = Waiting(band, stored.absent, stored.features)
        self.merge(rows.facts(~unsure))
        if len(at):
            absent = {name: missing[unsure] for name, missing in stored.absent.items()}
            features = stored.features.take(unsure) if stored.features else None
            self.waiting.append(Waiting(band, absent, features))

    def merge(self, other: StoredFacts) -> None:
        """Adds facts of other rows.

        Raises:
          SourceError: a feature is of two types.
        """
        self.rows += other.rows
        self.absent |= other.absent
        for name, known in other.features.items():
            widen(self.features, name, known, _WHERE)
        self.waiting += other.waiting

    def settle(self, cuts: Cuts) -> None:
        """Adds the facts of the waiting rows that are in, and drops the others."""
        waiting, self.waiting = self.waiting, []
        for rows in waiting:
            self.merge(rows.facts(cuts.folds_of(rows.band)[1]))

    def schema(self, known: Schema) -> dict[str, dict[str, Any]]:
        """The features as the manifest lists them.

        Args:
          known: dtypes and shapes where the source has them; empty where only its records tell.
        """
        if self.features:
            return {
                name: {"dtype": dtype, "shape": _shape(fewest, most), "optional": rows < self.rows}
                for name, (dtype, fewest, most, rows) in sorted(self.features.items())
            }
        return {name: {**spec, "optional": name in self.absent} for name, spec in known.items()}


@dataclass(frozen=True)
class UnsureLoss:
    """A drawn row that did not parse, and that a cut decides about; `counted` says that other copies of it are lost."""

    band: Band
    row: RejectedRow
    counted: bool


@dataclass
class Facts:
    """What the draw learnt: rows lost of each fold of each stratum, copies counted, and facts about the others."""

    lost: Counter[Cell] = field(default_factory=Counter)
    log: RejectLog = field(default_factory=RejectLog)
    unsure: list[UnsureLoss] = field(default_factory=list)
    stored: StoredFacts = field(default_factory=StoredFacts)

    def lose(self, cell: Cell, copies: int, row: RejectedRow, band: Band | None) -> None:
        """Notes a row that did not parse: its sure copies, and the one that a cut decides about."""
        if copies:
            self.lost[cell] += copies
            self.log.add([row])
        if band is not None:
            self.unsure.append(UnsureLoss(band, row, counted=copies > 0))

    def merge(self, other: Facts) -> None:
        """Adds facts of other rows.

        Raises:
          SourceError: a feature is of two types.
        """
        self.lost.update(other.lost)
        self.log.merge(other.log)
        self.unsure += other.unsure
        self.stored.merge(other.stored)

    def settled(self, cuts: Cuts) -> Facts:
        """The same with the unsure rows that are in; those that are out are no loss."""
        total = Facts()
        total.merge(self)
        for loss in total.unsure:
            folds, inside = cuts.folds_of(loss.band)
            if inside[0]:
                total.lost[int(loss.band.strata[0]), int(folds[0])] += 1
                if not loss.counted:
                    total.log.add([loss.row])
        total.unsure = []
        total.stored.settle(cuts)
        return total


class MergeFacts(beam.CombineFn):
    """Adds up Facts. Memory: the rows in bands, and the bounded log."""

    def create_accumulator(self) -> Facts:
        """Nothing yet."""
        return Facts()

    def add_input(self, accumulator: Facts, element: Facts) -> Facts:
        """Adds one."""
        with reported():
            accumulator.merge(element)
        return accumulator

    def merge_accumulators(self, accumulators: Iterable[Facts]) -> Facts:
        """Adds several."""
        total = Facts()
        for accumulator in accumulators:
            self.add_input(total, accumulator)
        return total

    def extract_output(self, accumulator: Facts) -> Packed[Facts]:
        """The sum itself."""
        return Packed(accumulator)


def _shape(fewest: int, most: int) -> list[int] | None:
    if fewest != most:
        return None
    return [] if most == 1 else [most]
