"""What only the stored rows themselves tell: which features are absent from some, and TFRecords' types.

Rows at the cut wait: their facts count once it is known that they are in.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from beam_jobs.chosen import Chosen
from beam_jobs.cut import Band, Cuts
from beam_jobs.sources.block import Encoded, IntArray, Schema
from beam_jobs.sources.tfrecord_features import Seen, widen

_WHERE = "The kept records"


@dataclass
class StoredFacts:
    """Facts about some stored rows; `waiting` holds those of rows that may be cut, one row each."""

    rows: int = 0
    absent: set[str] = field(default_factory=set)
    features: Seen = field(default_factory=dict)
    waiting: list[tuple[Band, StoredFacts]] = field(default_factory=list)

    def note(self, chosen: Chosen, encoded: Encoded) -> None:
        """Adds the facts of rows that were encoded."""
        certain = chosen.copies[encoded.good] > 0
        self.merge(_facts_of(encoded, np.flatnonzero(certain)))
        for row in np.flatnonzero(~certain).tolist():
            band = Band.of(chosen, encoded.good[[row]])
            self.waiting.append((band, _facts_of(encoded, np.array([row]))))

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
        for band, facts in waiting:
            if cuts.folds_of(band)[1][0]:
                self.merge(facts)

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


def _shape(fewest: int, most: int) -> list[int] | None:
    if fewest != most:
        return None
    return [] if most == 1 else [most]


def _facts_of(encoded: Encoded, rows: IntArray) -> StoredFacts:
    facts = StoredFacts(len(rows), {name for name, missing in encoded.absent.items() if missing[rows].any()})
    if encoded.features:
        for row in rows.tolist():
            for name, (dtype, count) in encoded.features[row].items():
                widen(facts.features, name, (dtype, count, count, 1), _WHERE)
    return facts
