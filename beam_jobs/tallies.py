"""Totals per class while the source is counted: arrays over classes, so that ten thousand cost no more than two."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from beam_jobs.sources.block import FloatArray, IntArray, Keys
from tfrecord_io import exact
from tfrecord_io.labels import Label
from tfrecord_io.plan import Tally

Class = tuple[str, Label]
"""A split and a label."""

_SUM_ROWS = 1 << 20


class ClassIndex:
    """Numbers the classes of a part in the order in which they are met."""

    def __init__(self, splits: Sequence[str]) -> None:
        self.classes: list[Class] = []
        self._splits = splits
        self._numbers: dict[Class, int] = {}
        self._seen: set[Label] = set()
        self._labels: Sequence[Label] = ()
        self._table = np.full((len(splits), 0), -1, np.int64)

    @property
    def labels(self) -> int:
        """How many labels were met."""
        return len(self._seen)

    def codes(self, keys: Keys, splits: IntArray) -> IntArray:
        """The number of each row's class [n]; -1 for bad rows.

        Args:
          keys: of n rows; blocks may share one list of labels that grows.
          splits: index of each row's split [n].
        """
        self._fit(keys.labels)
        good = np.flatnonzero(keys.codes >= 0)
        found = np.full(len(keys.codes), -1, np.int64)
        found[good] = self._table[splits[good], keys.codes[good]]
        new = good[found[good] < 0]
        if len(new):
            width = self._table.shape[1]  # the list may grow meanwhile
            pairs = np.unique(splits[new] * width + keys.codes[new])
            for split, label in zip(*(each.tolist() for each in np.divmod(pairs, width)), strict=True):
                self._table[split, label] = self._number((self._splits[split], keys.labels[label]))
            found[new] = self._table[splits[new], keys.codes[new]]
        return found

    def _fit(self, labels: Sequence[Label]) -> None:
        if labels is not self._labels:
            self._labels = labels
            self._table = np.full((len(self._splits), len(labels)), -1, np.int64)
        elif len(labels) > self._table.shape[1]:
            more = len(labels) - self._table.shape[1]
            self._table = np.pad(self._table, ((0, 0), (0, more)), constant_values=-1)

    def _number(self, key: Class) -> int:
        number = self._numbers.setdefault(key, len(self.classes))
        if number == len(self.classes):
            self.classes.append(key)
            self._seen.add(key[1])
        return number


class Counter:
    """Adds up the rows, bytes and weights of each numbered class."""

    def __init__(self) -> None:
        self._rows = np.zeros(0, np.int64)
        self._bytes = np.zeros(0, np.int64)
        self._weights: list[Fraction] | None = None
        self._waiting: list[tuple[IntArray, FloatArray]] = []

    def add(self, codes: IntArray, row_bytes: IntArray | None, weights: FloatArray | None) -> None:
        """Adds rows [n]; codes below 0 do not count."""
        good = codes >= 0
        used = codes[good]
        classes = max(len(self._rows), int(used.max(initial=-1)) + 1)
        self._rows = _grown(self._rows, classes) + np.bincount(used, minlength=classes)
        self._bytes = _grown(self._bytes, classes)
        if row_bytes is not None:
            self._bytes += np.bincount(used, row_bytes[good].astype(np.float64), classes).astype(np.int64)
        if weights is not None:
            self._waiting.append((used, weights[good]))
            if sum(len(each) for each, _ in self._waiting) > _SUM_ROWS:
                self._sum()

    def totals(self, classes: Sequence[Class]) -> Tallies:
        """What was added up, for classes numbered in that order."""
        if self._waiting:
            self._sum()
        return Tallies(
            list(classes), _grown(self._rows, len(classes)), _grown(self._bytes, len(classes)), self._weights
        )

    def _sum(self) -> None:
        codes = np.concatenate([codes for codes, _ in self._waiting])
        values = np.concatenate([values for _, values in self._waiting])
        self._waiting = []
        sums = exact.sums_by_group(values, codes, len(self._rows))
        for number, known in enumerate(self._weights or ()):
            sums[number] += known
        self._weights = sums


class Tallies:
    """Totals of the classes of a part of the source; `weights` is None where each row weighs 1."""

    def __init__(self, classes: list[Class], rows: IntArray, sizes: IntArray, weights: list[Fraction] | None) -> None:
        self.classes, self.rows, self.sizes, self.weights = classes, rows, sizes, weights
        self._numbers: dict[Class, int] = {}

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"_numbers": {}}  # made again from the classes

    @classmethod
    def nothing(cls) -> Tallies:
        """Of no rows."""
        return cls([], np.zeros(0, np.int64), np.zeros(0, np.int64), None)

    def merge(self, other: Tallies) -> None:
        """Adds the totals of another part. O(classes of it)."""
        if len(self._numbers) != len(self.classes):
            self._numbers = {key: number for number, key in enumerate(self.classes)}
        numbers = self._numbers
        places = np.array([numbers.setdefault(key, len(numbers)) for key in other.classes], np.int64)
        self.classes += itertools.islice(numbers, len(self.classes), None)
        self.rows, self.sizes = _grown(self.rows, len(self.classes)), _grown(self.sizes, len(self.classes))
        self.rows[places] += other.rows
        self.sizes[places] += other.sizes
        if other.weights is not None:
            weights = self.weights or []
            weights += [Fraction(0)] * (len(self.classes) - len(weights))
            for place, weight in zip(places.tolist(), other.weights, strict=False):
                weights[place] += weight
            self.weights = weights

    def as_dict(self) -> dict[Class, Tally]:
        """The totals of each class that has rows."""
        weights = self.weights or [Fraction(rows) for rows in self.rows.tolist()]
        weights += [Fraction(0)] * (len(self.classes) - len(weights))
        columns = zip(self.classes, self.rows.tolist(), weights, self.sizes.tolist(), strict=True)
        return {key: Tally(rows, weight, size) for key, rows, weight, size in columns if rows}


def _grown(values: IntArray, size: int) -> IntArray:
    return np.pad(values, (0, size - len(values))) if size > len(values) else values
