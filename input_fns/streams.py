"""Streams: the endless, reshuffled passes over each class's records, and batches cut from them.

Only raw serialized records move here, in blocks: no record is touched one by one in Python and
none is parsed, which is what makes mixing cheap.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import tensorflow as tf

from input_fns import seeds

MIN_WINDOW = 8192
"""Rows that are shuffled together, at least (or the whole class, if it has fewer)."""

_RUNS = (256, 2048, *[8192] * 14)


@dataclass(frozen=True, kw_only=True)
class ClassStream:
    """Endless passes over the rows of one class.

    A pass holds every row once: the shards permuted, their records one after the other cut into
    windows, each window shuffled; each permutation is a function of (key, pass, window). With
    key None, every pass is in stored order. Memory: one window, two while the next one is read.
    """

    label: str
    paths: tuple[str, ...]
    rows: tuple[int, ...]
    compression: str
    key: seeds.Key | None

    @property
    def window(self) -> int:
        """Rows a window: such that the last one of a pass is no shorter than MIN_WINDOW either."""
        total = sum(self.rows)
        sizes = range(MIN_WINDOW, 2 * MIN_WINDOW)
        return next(
            (size for size in sizes if total % size == 0 or total % size >= MIN_WINDOW),
            min(total, 2 * MIN_WINDOW),
        )

    def blocks_from(self, start: tf.Tensor) -> tf.data.Dataset:
        """The stream from row number `start` (int64 scalar, counted over all passes) on.

        Opens only the shards that the rows lie in, when they are reached; reads at most one shard
        (by its record headers) and one window that come before `start`. Blocks are tf.string of
        shape [rows], of no particular size.
        """
        total = sum(self.rows)
        first = start // total

        def rows_gone(number: tf.Tensor) -> tf.Tensor:
            return tf.where(tf.equal(number, first), start % total, 0)

        passes = tf.data.Dataset.range(first, tf.int64.max)
        if total <= self.window:
            return self._kept_in_memory(passes, rows_gone)
        return passes.flat_map(lambda number: self._pass(number, rows_gone(number))).prefetch(1)

    def _kept_in_memory(self, passes: tf.data.Dataset, rows_gone: Callable[[tf.Tensor], tf.Tensor]) -> tf.data.Dataset:
        """The passes of a class of one window: its files are read once, not once a pass."""
        window = tf.constant(0, tf.int64)
        whole = tf.data.TFRecordDataset(list(self.paths), compression_type=self.compression)

        def blocks(records: tf.Tensor) -> tf.data.Dataset:
            self._check(window, records)
            return passes.map(lambda number: self._shuffled(records, number, window, rows_gone(number)))

        return whole.batch(sum(self.rows) + 1).flat_map(blocks)

    def _pass(self, number: tf.Tensor, start: tf.Tensor) -> tf.data.Dataset:
        paths, rows = tf.constant(self.paths), tf.constant(self.rows, tf.int64)
        if self.key is not None:
            order = seeds.permutation(tf.size(paths), seeds.fold(self.key, number, tf.constant(0, tf.int64)))
            paths, rows = tf.gather(paths, order), tf.gather(rows, order)
        first_window = start // self.window
        first_row = first_window * self.window
        ends = tf.cumsum(rows)
        shard = tf.searchsorted(ends, first_row[tf.newaxis], side="right")[0]
        records = tf.data.TFRecordDataset(paths[shard:], compression_type=self.compression)
        windows = records.skip(first_row - (ends[shard] - rows[shard])).batch(self.window)

        def shuffled(window: tf.Tensor, records: tf.Tensor) -> tf.Tensor:
            self._check(window, records)
            gone = tf.where(tf.equal(window, first_window), start - first_row, 0)
            return self._shuffled(records, number, window, gone)

        return windows.enumerate(first_window).map(shuffled)

    def _shuffled(self, records: tf.Tensor, number: tf.Tensor, window: tf.Tensor, gone: tf.Tensor) -> tf.Tensor:
        """A window of pass `number` in its order, without the first `gone` rows."""
        if self.key is None:
            return records[gone:]
        order = seeds.permutation(tf.size(records), seeds.fold(self.key, number, window + 1))
        return tf.gather(records, order[gone:])

    def _check(self, window: tf.Tensor, records: tf.Tensor) -> None:
        """Fails where the shards hold other than the manifest's number of rows; never fewer in silence."""
        expected = tf.minimum(tf.constant(self.window, tf.int64), sum(self.rows) - window * self.window)
        tf.debugging.assert_equal(
            tf.size(records, tf.int64),
            expected,
            f"The shards of class {self.label} hold other than the {sum(self.rows)} rows that the manifest "
            "says. The dataset is damaged: write it again.",
        )


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
      A tuple of tf.string tensors of shape [quota of the class], one a class.
    """

    def run_start(before: tf.Tensor, quota: tf.Tensor) -> tuple[tf.Tensor, tuple[tf.Tensor, tf.Tensor]]:
        return before + tf.reduce_sum(quota, axis=0), (before, quota)

    def run(before: tf.Tensor, quota: tf.Tensor) -> tf.data.Dataset:
        blocks = [stream.blocks_from(before[k]).rebatch(quota[:, k]) for k, stream in enumerate(streams)]
        return tf.data.Dataset.zip(tuple(blocks)).take(tf.shape(quota, tf.int64)[0])

    runs = quotas.batch(min(_RUNS)).rebatch(tf.constant(_RUNS, tf.int64))
    return runs.scan(tf.zeros([len(streams)], tf.int64), run_start).flat_map(run)
