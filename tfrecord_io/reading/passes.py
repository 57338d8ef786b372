"""Passes: the endless stream of a class's rows, pass after pass over its shards. Pure arithmetic."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tfrecord_io.labels import Label
from tfrecord_io.reading.strata import ReadClass, ShardSlice

MIN_WINDOW = 8192
"""Rows that are shuffled together, at least (or the whole pass, if it has fewer)."""


@dataclass(frozen=True, kw_only=True)
class PassSlice:
    """A shard's rows in a stream: in pass j if j modulo `folds` is their fold.

    They are of class `label`; `factor` is what their weights are multiplied with.
    """

    shard: ShardSlice
    label: Label
    folds: int
    factor: float
    compression: str


class Passes:
    """The passes over one class: each holds every row of one fold of its strata once, one slice after the other.

    Rows are numbered from 0 through all passes.
    """

    def __init__(self, one: ReadClass, factors: Sequence[float]) -> None:
        self.slices = [
            PassSlice(shard=shard, label=one.label, folds=stratum.folds, factor=factor, compression=stratum.compression)
            for stratum, factor in zip(one.strata, factors, strict=True)
            for shard in stratum.slices
        ]
        self._sizes: dict[int, list[int]] = {}  # of the slices with so many folds, the rows of each
        for each in self.slices:
            self._sizes.setdefault(each.folds, [0] * each.folds)[each.shard.fold] += each.shard.rows
        self.folded = any(folds > 1 for folds in self._sizes)
        self._alike = all(len(set(rows)) == 1 for rows in self._sizes.values())

    @property
    def total(self) -> int:
        """Rows of all folds."""
        return sum(map(sum, self._sizes.values()))

    @property
    def in_one_window(self) -> bool:
        """Whether all folds together are no more than a window can be."""
        return self.total < 2 * MIN_WINDOW

    def rows_before(self, number: int) -> int:
        """Rows of all passes before that one."""
        return sum(
            (number + folds - 1 - fold) // folds * rows
            for folds, sizes in self._sizes.items()
            for fold, rows in enumerate(sizes)
        )

    def rows_of(self, number: int) -> int:
        """Rows of that pass."""
        return sum(sizes[number % folds] for folds, sizes in self._sizes.items())

    def slices_of(self, number: int) -> list[int]:
        """The indices of the slices in that pass."""
        return [at for at, each in enumerate(self.slices) if number % each.folds == each.shard.fold]

    def place(self, row: int) -> tuple[int, int]:
        """The pass that a row lies in, and the rows of all passes before that one."""
        if self._alike:
            every = self.rows_of(0)
            return row // every, row // every * every
        low, high = 0, 1
        while self.rows_before(high) <= row:
            low, high = high, 2 * high
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if self.rows_before(middle) > row else (middle, high)
        return low, self.rows_before(low)


def window_rows(total: int) -> int:
    """Rows a window of a pass of `total` rows: the last one is no shorter than MIN_WINDOW either, if the pass is not.

    >>> window_rows(100), window_rows(2 * 8192), window_rows(20_000), 100_000 % window_rows(100_000) >= 8192
    (100, 8192, 10000, True)
    """
    if total < 2 * MIN_WINDOW:
        return total
    rests = ((size, total % size) for size in range(MIN_WINDOW, 2 * MIN_WINDOW))
    return next((size for size, rest in rests if rest == 0 or rest >= MIN_WINDOW), 2 * MIN_WINDOW)
