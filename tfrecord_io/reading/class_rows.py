"""Class rows: the stream of one class, as places in the store and the order in which they are taken."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from tfrecord_io import labels
from tfrecord_io.hashing import Keys
from tfrecord_io.reading.chances import keys_for, permutations
from tfrecord_io.reading.passes import Passes, window_rows
from tfrecord_io.reading.plan import ReadPlan
from tfrecord_io.reading.row_store import RowStore
from tfrecord_io.reading.shard_rows import RawRows, RowReader

IntArray = npt.NDArray[np.int64]

_ORDERED = 256
"""Rows of a small class whose order is drawn at a time, at least."""
_DECODED = 2048
"""Rows of a large class that are decoded at a time, at least, but for the end of a window."""


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
            place = self._first
            for rows in RowReader(self._passes.slices).read(self._passes.total):
                self._store.put(rows, place)
                place += len(rows)
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
    """A larger class: a window at a time is in memory as it lies on disk, and some of it in the store.

    The shards of a pass are permuted, then each window.
    """

    def __init__(self, passes: Passes, store: RowStore, keys: Keys | None, shard_keys: Keys, at_once: int) -> None:
        super().__init__(passes, store, keys)
        self._shard_keys = shard_keys
        self._at_once = at_once
        self._reader = RowReader([])
        self._window: RawRows | None = None
        self._order = np.zeros(0, np.int64)
        self._start = self._stop = -1  # of the window, among the rows of the stream

    def advance(self, row: int) -> IntArray:
        if self._first < 0:
            self._first = self._store.reserve(self._at_once)
        window = self._window
        if window is None or row >= self._stop:
            self._window = window = None  # one at a time in memory
            self._window = window = self._next_window(row)
        chosen = self._order[row - self._start :][: self._at_once]
        self._store.put(window.take(chosen), self._first)
        return np.arange(self._first, self._first + len(chosen))

    def _next_window(self, row: int) -> RawRows:
        """The window that a row lies in; sets its order."""
        number, before = self._passes.place(row)
        rows = self._passes.rows_of(number)
        size = window_rows(rows)
        first = (row - before) // size * size
        if before + first != self._stop or first == 0:
            self._reader = self._pass(number, first)
        count = min(size, rows - first)
        self._start, self._stop = before + first, before + first + count
        self._order = self._orders(self._start, 1, count)[0]
        return RawRows.join(list(self._reader.read(count)))

    def _pass(self, number: int, skip: int) -> RowReader:
        slices = self._passes.slices_of(number)
        if self._keys is not None:
            order = permutations(number * len(self._passes.slices), 1, len(slices), self._shard_keys)[0]
            slices = [slices[at] for at in order.tolist()]
        return RowReader([self._passes.slices[at] for at in slices], skip)


def class_rows(plan: ReadPlan, store: RowStore) -> Iterator[ClassRows]:
    """The streams of the classes that are read; opens nothing."""
    whole = sum(plan.shares)
    for k in plan.opened:
        passes = Passes(plan.classes[k], plan.factors[k])
        name = repr(labels.to_json(plan.classes[k].label))
        keys = keys_for(plan, "rows", name) if plan.shuffle else None
        quota = plan.epochs.batch_size * plan.shares[k] // whole
        if passes.in_one_window:
            yield KeptRows(passes, store, keys, max(_ORDERED, 4 * quota))
        else:
            yield WindowedRows(passes, store, keys, keys_for(plan, "shards", name), max(_DECODED, 4 * quota))
