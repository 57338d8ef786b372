"""The streams of all classes side by side, and batches cut from them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from tfrecord_io.reading.class_rows import class_rows
from tfrecord_io.reading.plan import ReadPlan
from tfrecord_io.reading.row_store import RowStore

Array = npt.NDArray[Any]
IntArray = npt.NDArray[np.int64]


class Streams:
    """The streams of the classes that are read, from some row of each on.

    Args:
      plan: of the reader.
      store: for their rows.
      before: rows of each that are left out.
    """

    def __init__(self, plan: ReadPlan, store: RowStore, before: IntArray) -> None:
        self._store = store
        self._classes = list(class_rows(plan, store))
        self._orders: list[IntArray] = [np.zeros(0, np.int64)] * len(self._classes)
        self._row = before  # of each stream, the next one
        self._at = np.zeros_like(before)  # where that stands in the order
        self._left = np.zeros_like(before)  # rows of the order from there on

    def take(self, quota: IntArray, order: IntArray) -> dict[str, Array]:
        """The next rows of each class, as many as its quota, class after class; of these, the ones at `order`."""
        parts: list[tuple[IntArray, dict[str, Array]]] = []
        need, first = quota, np.cumsum(quota) - quota
        while True:
            self._advance(np.flatnonzero((need > 0) & (self._left == 0)))
            given = np.minimum(need, self._left)
            places = self._places(given)
            if len(places) == len(order):  # all at once, as nearly always
                return self._store.take(places[order])
            which = np.repeat(first + quota - need, given) + _counts_up(given)
            parts.append((which, self._store.take(places)))
            need = need - given
            if not need.any():
                break
        order = np.argsort(np.concatenate([which for which, _ in parts]))[order]
        names = parts[0][1]
        return {name: np.concatenate([columns[name] for _, columns in parts])[order] for name in names}

    def _advance(self, streams: IntArray) -> None:
        for at in streams.tolist():
            self._orders[at] = self._classes[at].advance(int(self._row[at]))
            self._at[at], self._left[at] = 0, len(self._orders[at])
        self._store.flush()

    def _places(self, given: IntArray) -> IntArray:
        """The places of so many rows of each stream, which are then behind it."""
        some = np.flatnonzero(given)
        starts = self._at[some]
        stops = starts + given[some]
        orders = self._orders
        found = [
            orders[k][low:high] for k, low, high in zip(some.tolist(), starts.tolist(), stops.tolist(), strict=True)
        ]
        self._row += given
        self._at += given
        self._left -= given
        return np.concatenate(found)


def _counts_up(counts: IntArray) -> IntArray:
    """0, 1, ... up to each count, one after the other."""
    return np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
