"""Which features records have, of what type and how many values: what a TFRecord's schema is made of."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from beam_jobs.sources.tfrecord_features import Features, Seen, counts_of, widen
from tfrecord_io.example_entries import KINDS, Entries

IntArray = npt.NDArray[np.int64]

_DTYPES = np.array([dtype or "" for dtype in KINDS])


@dataclass(frozen=True)
class FeatureTable:
    """Features of some rows, one line each [m]: `names[name]` in `row`, of `KINDS[kind]` with `count` values."""

    names: list[str]
    row: IntArray
    name: IntArray
    kind: IntArray
    count: IntArray

    @classmethod
    def of(cls, entries: Entries, others: Mapping[int, Features]) -> FeatureTable:
        """The features of walked records, and of the odd ones as protobuf parsed them."""
        index = {name: code for code, name in enumerate(entries.names)}
        more = [
            (row, index.setdefault(name, len(index)), KINDS.index(dtype), count)
            for row, features in others.items()
            for name, (dtype, count) in counts_of(features).items()
        ]
        columns = [entries.record, entries.name, entries.kind, entries.count]
        if more:
            columns = [np.concatenate(pair) for pair in zip(columns, np.array(more).T, strict=True)]
        return cls(list(index), *columns)

    def take(self, rows: npt.NDArray[np.bool_]) -> FeatureTable:
        """The lines of the rows that are marked [n], renumbered in their order."""
        if rows.all():
            return self
        lines = np.flatnonzero(rows[self.row])
        renumbered = (np.cumsum(rows) - 1)[self.row[lines]]
        return FeatureTable(self.names, renumbered, self.name[lines], self.kind[lines], self.count[lines])

    def only(self, names: Collection[str]) -> FeatureTable:
        """The lines of these features."""
        lines = np.flatnonzero(np.array([name in names for name in self.names], bool)[self.name])
        return FeatureTable(self.names, self.row[lines], self.name[lines], self.kind[lines], self.count[lines])

    def of_name(self, name: str) -> tuple[npt.NDArray[np.str_], IntArray, IntArray]:
        """One feature where it has a kind: dtype, row and number of values [k]."""
        code = self.names.index(name) if name in self.names else -1
        lines = np.flatnonzero((self.name == code) & (self.kind > 0))
        return _DTYPES[self.kind[lines]], self.row[lines], self.count[lines]

    def of_rows(self, rows: npt.NDArray[np.bool_]) -> dict[int, dict[str, tuple[str, int]]]:
        """The features of the rows that are marked [n], as `counts_of` gives them."""
        found: dict[int, dict[str, tuple[str, int]]] = {row: {} for row in np.flatnonzero(rows).tolist()}
        lines = np.flatnonzero(rows[self.row] & (self.kind > 0))
        columns = (column[lines].tolist() for column in (self.row, self.name, self.kind, self.count))
        for row, name, kind, count in zip(*columns, strict=True):
            found[row][self.names[name]] = str(_DTYPES[kind]), count
        return found

    def seen(self, where: str) -> Seen:
        """What the rows have in common; `where` names them in errors.

        Raises:
          TwoTypesError: a feature is of two types.
        """
        code = self.name * len(KINDS) + self.kind
        order = np.argsort(code, kind="stable")
        heads = np.flatnonzero(np.diff(code[order], prepend=-1))
        counts = self.count[order]
        found: Seen = {}
        if not len(heads):
            return found
        fewest, most = np.minimum.reduceat(counts, heads), np.maximum.reduceat(counts, heads)
        rows = np.diff(heads, append=len(code))
        facts = (each.tolist() for each in (code[order[heads]], fewest, most, rows))
        for which, *numbers in zip(*facts, strict=True):
            name, kind = divmod(which, len(KINDS))
            dtype = KINDS[kind]
            if dtype is not None:
                widen(found, self.names[name], (dtype, *numbers), where)
        return found
