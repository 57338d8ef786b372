"""Kept: the rows of small classes, parsed once, held in memory and found by their number."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from input_fns import permutations, seeds
from input_fns.shards import Columns, Shards
from tfrecord_io.reading.strata import ReadClass

KEPT_BYTES = 2**29
"""Bytes of shards whose rows are held in memory, at most."""

KEPT_ROWS = 2**14
"""Rows of all folds of a class that is held in memory, at most; longer passes are streamed."""

_CYCLE_ROWS = 2**24


def small_classes(classes: Sequence[ReadClass]) -> frozenset[int]:
    """The numbers of the classes to hold in memory: the smallest, as long as they fit."""
    sizes = []
    for number, one in enumerate(classes):
        slices = [piece for stratum in one.strata for piece in stratum.slices]
        rows = sum(piece.rows for piece in slices)
        cycle = math.lcm(*(stratum.folds for stratum in one.strata)) * rows
        if rows < KEPT_ROWS and cycle <= _CYCLE_ROWS:
            sizes.append((sum(piece.bytes * piece.rows / piece.file_rows for piece in slices), number))
    sizes.sort()
    fits = np.cumsum([size for size, _ in sizes]) <= KEPT_BYTES
    return frozenset(number for (_, number), fit in zip(sizes, fits, strict=True) if fit)


class Kept:
    """Classes whose rows are read and parsed once, when the first batch is asked for.

    Passes are as those of `Streams`, each pass one window; a row's place in a pass is computed when
    it is drawn, so nothing is shuffled ahead. No file is open afterwards.
    """

    def __init__(self, shards: Shards, key: seeds.Key | None) -> None:
        self._shards = shards
        self._key = key
        self.count = len(shards.limits) - 1
        classes = [_passes(shards, c) for c in range(self.count)]
        passes = [rows for own in classes for rows in own]
        self._rows = np.concatenate(passes) if passes else np.zeros(0, np.int64)
        self._ends = np.cumsum([len(rows) for rows in passes], dtype=np.int64)
        self._begins = self._ends - np.array([len(rows) for rows in passes], np.int64)
        self._period = np.array([len(own) for own in classes], np.int64)
        self._first_pass = np.cumsum(self._period) - self._period
        self._cycle = np.array([sum(map(len, own)) for own in classes], np.int64)

    def columns(self) -> tf.data.Dataset:
        """One element: the columns of all rows, shard after shard."""
        every = tf.range(len(self._shards.rows), dtype=tf.int64)
        return self._shards.read(every, tf.constant(0, tf.int64)).rebatch(int(self._shards.rows.sum()))

    def draw(self, columns: Columns, starts: tf.Tensor, counts: tf.Tensor) -> Columns:
        """The next rows of each class's passes, class after class.

        Args:
          columns: of all rows, as `columns` yields them.
          starts: rows drawn before, over all passes; int64 of shape [classes].
          counts: rows to draw, the same.
        """
        which = tf.repeat(tf.range(self.count, dtype=tf.int64), counts)
        number = tf.ragged.range(starts, starts + counts).values
        cycle = tf.gather(tf.constant(self._cycle), which)
        begins, ends = tf.constant(self._begins), tf.constant(self._ends)
        first = tf.gather(tf.constant(self._first_pass), which)
        at = tf.gather(begins, first) + number % cycle
        one_pass = tf.searchsorted(ends, at, side="right", out_type=tf.int64)
        begin = tf.gather(begins, one_pass)
        place = at - begin
        if self._key is not None:
            pass_number = number // cycle * tf.gather(tf.constant(self._period), which) + one_pass - first
            keys = permutations.pass_key(self._key[0], which, pass_number)
            place = permutations.places(place, tf.gather(ends, one_pass) - begin, keys)
        rows = tf.gather(tf.constant(self._rows), begin + place)
        return {name: tf.gather(column, rows) for name, column in columns.items()}


def _passes(shards: Shards, number: int) -> list[npt.NDArray[np.int64]]:
    """The rows of each pass of a class until they repeat."""
    begins = np.cumsum(shards.rows) - shards.rows
    own = range(shards.limits[number], shards.limits[number + 1])
    period = math.lcm(*(int(shards.folds[shard]) for shard in own))
    return [
        np.concatenate(
            [np.zeros(0, np.int64)]
            + [
                np.arange(begins[shard], begins[shard] + shards.rows[shard])
                for shard in own
                if j % shards.folds[shard] == shards.fold[shard]
            ]
        )
        for j in range(period)
    ]
