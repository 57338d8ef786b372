"""Epochs: how rows fall into batches, and batches into epochs. Pure arithmetic, no data."""

from __future__ import annotations

from dataclasses import dataclass

import tensorflow as tf


@dataclass(frozen=True, kw_only=True)
class Epochs:
    """`count` epochs of `rows` rows each (None = without end), in batches of `batch_size` rows.

    An epoch is rows / batch_size batches, rounded up; the last one is short, or left out with
    `drop_remainder`. Batches never straddle epochs.

    >>> Epochs(rows=10, batch_size=4, drop_remainder=False, count=None).steps
    3
    """

    rows: int
    batch_size: int
    drop_remainder: bool
    count: int | None

    @property
    def steps(self) -> int:
        """Batches in one epoch."""
        whole, rest = divmod(self.rows, self.batch_size)
        return whole + (rest > 0 and not self.drop_remainder)

    @property
    def batches(self) -> tf.data.Dataset:
        """The numbers of all batches, int64 scalars from 0."""
        return tf.data.Dataset.range(tf.int64.max if self.count is None else self.steps * self.count)

    @property
    def cardinality(self) -> int:
        """The number of batches, or TensorFlow's mark for an infinite one."""
        return int(tf.data.INFINITE_CARDINALITY) if self.count is None else self.steps * self.count

    def rows_of(self, batch: tf.Tensor) -> tf.Tensor:
        """How many rows batch number `batch` has; int64 scalars in and out."""
        last = self.rows - (self.steps - 1) * self.batch_size
        is_last = tf.equal(batch % self.steps, self.steps - 1)
        return tf.where(is_last, tf.constant(min(last, self.batch_size), tf.int64), self.batch_size)
