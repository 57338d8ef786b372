"""Streams: the endless, reshuffled passes over the rows of classes too large to keep in memory."""

from __future__ import annotations

from dataclasses import dataclass

import tensorflow as tf

from input_fns import seeds
from input_fns.shards import Shards

MIN_WINDOW = 8192
"""Rows that are shuffled together, at least (or the whole pass, if it has fewer)."""

MAX_OPEN = 64
"""With more streams than these, a file is closed after each window, and windows are smaller."""

_WINDOW_ROWS_OF_MANY = 2**19
_LEAST_WINDOW_OF_MANY = 512


@dataclass(frozen=True, kw_only=True)
class Streams:
    """One endless stream a class; numbered from 0, as the classes of `shards`.

    A pass holds every row of its shards once: the shards permuted, their rows one after the other
    cut into windows, each window shuffled; each permutation is a function of (key, stream, pass,
    window). With key None, every pass is in stored order.

    Memory: two windows a stream. Up to MAX_OPEN streams keep one file open each. More streams open
    a file for each window and step over the rows before it; their windows have 2^19 rows together,
    512 each at least.
    """

    shards: Shards
    key: seeds.Key | None

    @property
    def count(self) -> int:
        """How many streams there are."""
        return len(self.shards.limits) - 1

    def rows_from(self, stream: tf.Tensor, start: tf.Tensor) -> tf.data.Dataset:
        """A stream from row number `start` on (counted over all passes); int64 scalars.

        Opens only the shards that the rows lie in, when they are reached; steps over the rows of one
        shard and reads one window at most that come before `start`. Yields columns of no particular
        number of rows.
        """
        first, gone = self._place(stream, start)

        def one_pass(number: tf.Tensor) -> tf.data.Dataset:
            return self._pass(stream, number, tf.where(tf.equal(number, first), gone, 0))

        passes = tf.data.Dataset.range(first, tf.int64.max).flat_map(one_pass)
        return passes if self._many else passes.prefetch(1)

    @property
    def _many(self) -> bool:
        return self.count > MAX_OPEN

    @property
    def _min_window(self) -> int:
        return max(_LEAST_WINDOW_OF_MANY, _WINDOW_ROWS_OF_MANY // self.count) if self._many else MIN_WINDOW

    def _own(self, stream: tf.Tensor) -> tf.Tensor:
        limits = tf.constant(self.shards.limits)
        return tf.range(limits[stream], limits[stream + 1])

    def _place(self, stream: tf.Tensor, start: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """The pass that row `start` lies in, and how many rows of that pass come before it.

        Found by halving, as passes may differ in length.
        """
        own = self._own(stream)
        rows, fold, folds = (tf.gather(tf.constant(one), own) for one in self._arrays)

        def rows_before(number: tf.Tensor) -> tf.Tensor:
            return tf.reduce_sum((number + folds - 1 - fold) // folds * rows)

        def halved(low: tf.Tensor, high: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            middle = low + (high - low) // 2
            over = rows_before(middle) > start
            return tf.where(over, low, middle), tf.where(over, middle, high)

        # One shard alone has given more than `start` rows after so many passes.
        most = tf.argmax(rows / folds)
        bounds = (tf.constant(0, tf.int64), folds[most] * (start // rows[most] + 1))
        number, _ = tf.while_loop(lambda low, high: high - low > 1, halved, bounds)
        return number, start - rows_before(number)

    @property
    def _arrays(self) -> tuple[object, object, object]:
        return self.shards.rows, self.shards.fold, self.shards.folds

    def _pass(self, stream: tf.Tensor, number: tf.Tensor, start: tf.Tensor) -> tf.data.Dataset:
        """Pass `number` from its row `start` on, a window at a time."""
        own = self._own(stream)
        all_rows, fold, folds = (tf.constant(one) for one in self._arrays)
        shards = tf.boolean_mask(own, tf.equal(number % tf.gather(folds, own), tf.gather(fold, own)))
        key = None if self.key is None else seeds.fold(self.key, stream, number)
        if key is not None:
            shards = tf.gather(shards, seeds.permutation(tf.size(shards), seeds.fold(key, tf.constant(0, tf.int64))))
        rows = tf.gather(all_rows, shards)
        total, ends = tf.reduce_sum(rows), tf.cumsum(rows)
        size = window_rows(total, self._min_window)
        first = start // size

        def read(row: tf.Tensor) -> tf.data.Dataset:
            shard = tf.searchsorted(ends, row[tf.newaxis], side="right")[0]
            return self.shards.read(shards[shard:], row - tf.reduce_sum(rows[:shard])).rebatch(size)

        def shuffled(window: tf.Tensor, columns: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
            gone = tf.where(tf.equal(window, first), start - first * size, 0)
            if key is None:
                return {name: column[gone:] for name, column in columns.items()}
            length = tf.minimum(size, total - window * size)
            order = seeds.permutation(length, seeds.fold(key, window + 1))[gone:]
            return {name: tf.gather(column, order) for name, column in columns.items()}

        def closed(window: tf.Tensor) -> tf.data.Dataset:
            # A batch with room for a second window comes when there is none: then the shard is closed.
            # (`get_single_element` would do, but an iterator with it cannot be saved.)
            alone = read(window * size).take(1).batch(2)
            return alone.map(lambda columns: shuffled(window, {name: one[0] for name, one in columns.items()}))

        if self._many:
            return tf.data.Dataset.range(first, -(-total // size)).flat_map(closed)
        return read(first * size).enumerate(first).map(shuffled)


def window_rows(total: tf.Tensor, least: int) -> tf.Tensor:
    """Rows a window of a pass of `total` rows (int64 scalars): `least` to twice that, so that the
    last one is no shorter than `least` either, if the pass is not.
    """
    sizes = tf.range(least, 2 * least, dtype=tf.int64)
    rest = total % sizes
    fits = tf.equal(rest, 0) | (rest >= least)
    first = tf.gather(sizes, tf.argmax(tf.cast(fits, tf.int8)))
    return tf.where(tf.reduce_any(fits), first, tf.minimum(total, 2 * least))
