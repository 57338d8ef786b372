"""Class rows: the stream of one class, as places in the store and the order in which they are taken."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from tfrecord_io import labels
from tfrecord_io.hashing import Keys
from tfrecord_io.reading.chances import keys_for, permutations
from tfrecord_io.reading.passes import Passes, window_rows
from tfrecord_io.reading.plan import ReadPlan
from tfrecord_io.reading.row_store import RowStore
from tfrecord_io.reading.shard_rows import PieceReader

IntArray = npt.NDArray[np.int64]

_FEW = 256
"""Rows of a small class whose order is drawn at a time, at least."""


class ClassRows(ABC):
    """The rows of one class in the store: `advance` puts the next ones there and says in which order they come."""

    def __init__(self, passes: Passes, store: RowStore, keys: Keys | None) -> None:
        self._passes = passes
        self._store = store
        self._keys = keys
        self._first = -1  # of its places; none before the first row is needed

    @abstractmethod
    def advance(self, row: int) -> IntArray:
        """The places of row number `row` of the stream, counted over all passes, and of some that follow it.

        They hold until the next call, and are filled by the store's next `flush`.

        Raises:
          CorruptShardError: a shard that is missing or damaged.
        """

    def _put(self, reader: PieceReader, count: int) -> None:
        place = self._first
        for piece in reader.read(count):
            self._store.put(piece, place)
            place += len(piece)

    def _orders(self, row: int, count: int, size: int) -> IntArray:
        """`count` orders of range(size), for the rows of the stream from `row` on [count, size]."""
        if self._keys is None:
            return np.broadcast_to(np.arange(size), (count, size))
        return permutations(row, count, size, self._keys)


class KeptRows(ClassRows):
    """A class of one window or less: its shards are read once, when its first row is needed, and kept."""

    def __init__(self, passes: Passes, store: RowStore, keys: Keys | None, at_least: int) -> None:
        super().__init__(passes, store, keys)
        self._at_least = at_least

    def advance(self, row: int) -> IntArray:
        if self._first < 0:
            self._first = self._store.reserve(self._passes.total)
            self._put(PieceReader(self._passes.slices), self._passes.total)
        number, before = self._passes.place(row)
        size = self._passes.rows_of(number)
        # Tiny classes: the orders of several passes at a time, as each call has its price.
        passes = 1 if self._passes.folded else -(-self._at_least // size)
        order = self._orders(before, passes, size).reshape(-1)[row - before :]
        return self._places_in(number)[order] if self._passes.folded else order + self._first

    def _places_in(self, number: int) -> IntArray:
        """The places of the rows in that pass."""
        rows = [each.shard.rows for each in self._passes.slices]
        ends = np.cumsum(rows) + self._first
        return np.concatenate([np.arange(ends[at] - rows[at], ends[at]) for at in self._passes.slices_of(number)])


class WindowedRows(ClassRows):
    """A larger class: one window at a time is in the store. The shards of a pass are permuted, then each window."""

    def __init__(self, passes: Passes, store: RowStore, keys: Keys | None, shard_keys: Keys) -> None:
        super().__init__(passes, store, keys)
        self._shard_keys = shard_keys
        self._reader = PieceReader([])
        self._next = -1  # the row that the reader stands at

    def advance(self, row: int) -> IntArray:
        if self._first < 0:
            self._first = self._store.reserve(self._passes.most_in_window)
        number, before = self._passes.place(row)
        rows = self._passes.rows_of(number)
        size = window_rows(rows)
        start = (row - before) // size * size
        if before + start != self._next or start == 0:
            self._reader = self._pass(number, start)
        count = min(size, rows - start)
        self._put(self._reader, count)
        self._next = before + start + count
        order: IntArray = self._orders(before + start, 1, count)[0, row - before - start :] + self._first
        return order

    def _pass(self, number: int, skip: int) -> PieceReader:
        slices = self._passes.slices_of(number)
        if self._keys is not None:
            order = permutations(number * len(self._passes.slices), 1, len(slices), self._shard_keys)[0]
            slices = [slices[at] for at in order.tolist()]
        return PieceReader([self._passes.slices[at] for at in slices], skip)


def class_rows(plan: ReadPlan, opened: Sequence[int], store: RowStore) -> Iterator[ClassRows]:
    """The streams of the classes that are read; opens nothing."""
    whole = sum(plan.shares)
    for k in opened:
        passes = Passes(plan.classes[k], plan.factors[k])
        name = repr(labels.to_json(plan.classes[k].label))
        keys = keys_for(plan, "rows", name) if plan.shuffle else None
        if passes.in_one_window:
            quota = plan.epochs.batch_size * plan.shares[k] // whole
            yield KeptRows(passes, store, keys, max(_FEW, 4 * quota))
        else:
            yield WindowedRows(passes, store, keys, keys_for(plan, "shards", name))
