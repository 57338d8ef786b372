"""Streams: the endless, reshuffled passes over each class's records, and batches cut from them.

Only raw serialized records move here, in blocks: no record is touched one by one in Python and
none is parsed, which is what makes mixing cheap.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import tensorflow as tf

from input_fns import seeds

MIN_WINDOW = 8192
"""Rows that are shuffled together, at least (or the whole pass, if it has fewer)."""

_RUNS = (256, 2048, *[8192] * 14)

Block: TypeAlias = "tf.Tensor | tuple[tf.Tensor, tf.Tensor]"
"""Records, tf.string of shape [rows]; or these and their factors, float32 of shape [rows]."""


@dataclass(frozen=True, kw_only=True)
class StreamShard:
    """One file of a stream: in pass j if j modulo `folds` is `fold`. `factor` is its rows' weight factor."""

    path: str
    rows: int
    fold: int = 0
    folds: int = 1
    factor: float = 1.0


@dataclass(frozen=True, kw_only=True)
class ClassStream:
    """Endless passes over the rows of one class.

    A pass holds every row of its shards once: the shards permuted, their records one after the
    other cut into windows, each window shuffled; each permutation is a function of (key, pass,
    window). With key None, every pass is in stored order. Where shards differ in their factor,
    each record comes with its own. Memory: one window, two while the next one is read.
    """

    label: str
    shards: tuple[StreamShard, ...]
    compression: str
    key: seeds.Key | None

    def blocks_from(self, start: tf.Tensor) -> tf.data.Dataset:
        """The stream from row number `start` (int64 scalar, counted over all passes) on.

        Opens only the shards that the rows lie in, when they are reached; reads at most one shard
        (by its record headers) and one window that come before `start`. Yields a `Block` at a time,
        of no particular size.
        """
        first, gone = self._place(start)

        def rows_gone(number: tf.Tensor) -> tf.Tensor:
            return tf.where(tf.equal(number, first), gone, 0)

        passes = tf.data.Dataset.range(first, tf.int64.max)
        if self._total < 2 * MIN_WINDOW:
            return self._kept_in_memory(passes, rows_gone)
        return passes.flat_map(lambda number: self._pass(number, rows_gone(number))).prefetch(1)

    @property
    def _total(self) -> int:
        return sum(shard.rows for shard in self.shards)

    @property
    def _rows(self) -> tf.Tensor:
        return tf.constant([shard.rows for shard in self.shards], tf.int64)

    @property
    def _paths(self) -> list[str]:
        return [shard.path for shard in self.shards]

    @property
    def _fold(self) -> tf.Tensor:
        return tf.constant([shard.fold for shard in self.shards], tf.int64)

    @property
    def _folds(self) -> tf.Tensor:
        return tf.constant([shard.folds for shard in self.shards], tf.int64)

    @property
    def _folded(self) -> bool:
        return any(shard.folds > 1 for shard in self.shards)

    @property
    def _pass_rows(self) -> int | None:
        """Rows of every pass; None where passes differ."""
        sizes = Counter[tuple[int, int]]()
        for shard in self.shards:
            sizes[shard.folds, shard.fold] += shard.rows
        each = {folds: {sizes[folds, fold] for fold in range(folds)} for folds, _ in sizes}
        return None if any(len(found) > 1 for found in each.values()) else sum(sum(found) for found in each.values())

    def _place(self, start: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """The pass that row `start` lies in, and how many rows of that pass come before it."""
        every = self._pass_rows
        if every is not None:
            return start // every, start % every

        def rows_before(number: tf.Tensor) -> tf.Tensor:
            times = (number + self._folds - 1 - self._fold) // self._folds
            return tf.reduce_sum(times * self._rows)

        def halved(low: tf.Tensor, high: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            middle = low + (high - low) // 2
            over = rows_before(middle) > start
            return tf.where(over, low, middle), tf.where(over, middle, high)

        # One shard alone has given more than `start` rows after so many passes.
        most = max(self.shards, key=lambda shard: shard.rows / shard.folds)
        bounds = (tf.constant(0, tf.int64), most.folds * (start // most.rows + 1))
        number, _ = tf.while_loop(lambda low, high: high - low > 1, halved, bounds)
        return number, start - rows_before(number)

    def _shards_of(self, number: tf.Tensor) -> tf.Tensor:
        """The indices of the shards that are in pass `number`."""
        if not self._folded:
            return tf.range(len(self.shards))
        return tf.where(tf.equal(number % self._folds, self._fold))[:, 0]

    def _places_of(self, number: tf.Tensor) -> tf.Tensor:
        """Where the rows of pass `number` stand among those of all shards; int64."""
        if not self._folded:
            return tf.range(self._total, dtype=tf.int64)
        shards = self._shards_of(number)
        limits = tf.gather(tf.cumsum(self._rows), shards)
        return tf.ragged.range(limits - tf.gather(self._rows, shards), limits).values

    def _kept_in_memory(self, passes: tf.data.Dataset, rows_gone: Callable[[tf.Tensor], tf.Tensor]) -> tf.data.Dataset:
        """The passes of a class of one window: its files are read once, not once a pass."""
        whole = tf.data.TFRecordDataset(self._paths, compression_type=self.compression)
        window = tf.constant(0, tf.int64)

        def of_pass(number: tf.Tensor, records: tf.Tensor) -> Block:
            places = self._places_of(number)
            places = tf.gather(places, self._order(tf.size(places), number, window, rows_gone(number)))
            return self._block(tf.gather(records, places), tf.range(len(self.shards)), places)

        def blocks(records: tf.Tensor) -> tf.data.Dataset:
            self._check(records, tf.constant(self._total, tf.int64))
            return passes.map(lambda number: of_pass(number, records))

        return whole.batch(self._total + 1).flat_map(blocks)

    def _pass(self, number: tf.Tensor, start: tf.Tensor) -> tf.data.Dataset:
        shards = self._shards_of(number)
        if self.key is not None:
            order = seeds.permutation(tf.size(shards), seeds.fold(self.key, number, tf.constant(0, tf.int64)))
            shards = tf.gather(shards, order)
        paths, rows = tf.gather(tf.constant(self._paths), shards), tf.gather(self._rows, shards)
        total = tf.reduce_sum(rows)
        size = window_rows(total)
        first_window = start // size
        first_row = first_window * size
        shard = tf.searchsorted(tf.cumsum(rows), first_row[tf.newaxis], side="right")[0]
        records = tf.data.TFRecordDataset(paths[shard:], compression_type=self.compression)
        windows = records.skip(first_row - tf.reduce_sum(rows[:shard])).batch(size)

        def shuffled(window: tf.Tensor, records: tf.Tensor) -> Block:
            self._check(records, tf.minimum(size, total - window * size))
            gone = tf.where(tf.equal(window, first_window), start - first_row, 0)
            order = self._order(tf.size(records), number, window, gone)
            return self._block(tf.gather(records, order), shards, window * size + order)

        return windows.enumerate(first_window).map(shuffled)

    def _order(self, size: tf.Tensor, number: tf.Tensor, window: tf.Tensor, gone: tf.Tensor) -> tf.Tensor:
        """The order of a window of pass `number`, without its first `gone` rows."""
        if self.key is None:
            return tf.range(gone, tf.cast(size, tf.int64))
        return seeds.permutation(size, seeds.fold(self.key, number, window + 1))[gone:]

    def _block(self, records: tf.Tensor, shards: tf.Tensor, places: tf.Tensor) -> Block:
        """Records that stand at those places of these shards, one shard after the other."""
        factors = np.array([shard.factor for shard in self.shards], np.float32)
        if (factors == factors[0]).all():
            return records
        ends = tf.cumsum(tf.gather(self._rows, shards))
        shard = tf.gather(shards, tf.searchsorted(ends, places, side="right"))
        return records, tf.gather(tf.constant(factors), shard)

    def _check(self, records: tf.Tensor, expected: tf.Tensor) -> None:
        """Fails where the shards hold other than the manifest's number of rows; never fewer in silence."""
        tf.debugging.assert_equal(
            tf.size(records, tf.int64),
            expected,
            f"The shards of class {self.label} hold other than the {self._total} rows that the manifest "
            "says. The dataset is damaged: write it again.",
        )


def window_rows(total: tf.Tensor) -> tf.Tensor:
    """Rows a window of a pass of `total` rows (int64 scalars): the last one is no shorter than
    MIN_WINDOW either, if the pass is not.
    """
    sizes = tf.range(MIN_WINDOW, 2 * MIN_WINDOW, dtype=tf.int64)
    rest = total % sizes
    fits = tf.equal(rest, 0) | (rest >= MIN_WINDOW)
    first = tf.gather(sizes, tf.argmax(tf.cast(fits, tf.int8)))
    return tf.where(tf.reduce_any(fits), first, tf.minimum(total, 2 * MIN_WINDOW))


def mixed(streams: Sequence[ClassStream], quotas: tf.data.Dataset) -> tf.data.Dataset:
    """Batches of raw records, cut from the streams as the quotas say.

    Batches are cut in C++ by `rebatch` with a vector of sizes. As that vector has to be known when
    the cutting starts, batches come in runs; every run starts the streams anew where the one before
    ended, so what is yielded does not depend on the runs' lengths. The first run is short, so that
    the first batch comes soon.

    Args:
      streams: one a class.
      quotas: yields int64 of shape [classes].

    Yields:
      A tuple of blocks of as many rows as the class's quota, one a class.
    """

    def run_start(before: tf.Tensor, quota: tf.Tensor) -> tuple[tf.Tensor, tuple[tf.Tensor, tf.Tensor]]:
        return before + tf.reduce_sum(quota, axis=0), (before, quota)

    def run(before: tf.Tensor, quota: tf.Tensor) -> tf.data.Dataset:
        blocks = [stream.blocks_from(before[k]).rebatch(quota[:, k]) for k, stream in enumerate(streams)]
        return tf.data.Dataset.zip(tuple(blocks)).take(tf.shape(quota, tf.int64)[0])

    runs = quotas.batch(min(_RUNS)).rebatch(tf.constant(_RUNS, tf.int64))
    return runs.scan(tf.zeros([len(streams)], tf.int64), run_start).flat_map(run)
