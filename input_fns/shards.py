"""Shards: from files to parsed blocks of rows, every record accounted for.

TensorFlow ends a file that is cut short without a word, and names no file when it finds a record
damaged. So each shard's records are counted here against the manifest: a record that is missing,
wherever it is missing from, is an error that names the shard and the record.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
import tensorflow as tf

from input_fns.parsing import Parser
from tfrecord_io.reading.strata import ReadClass, ShardSlice, Stratum

BLOCK_ROWS = 2048
"""Rows that are parsed together, at most."""

Columns: TypeAlias = "dict[str, tf.Tensor]"

_PARALLEL_SHARDS = 16
_COMPRESSIONS = {"none": "", "gzip": "GZIP"}


class Shards:
    """The shards of some classes, in the order of the classes; numbered from 0.

    Attributes:
      rows: int64 of shape [shards].
      folds, fold: the same; in pass j a shard is read if j modulo `folds` is `fold`.
      limits: int64 of shape [classes + 1]; the shards of class c are limits[c] to limits[c + 1].
    """

    def __init__(
        self, classes: Sequence[ReadClass], numbers: Sequence[int], factors: Sequence[Sequence[float]], parser: Parser
    ) -> None:
        """Args:
        classes: to read.
        numbers: which class of all each is, for `label_ids`.
        factors: for each class and each of its strata, what stored weights are multiplied with.
        parser: of blocks of records.
        """
        of_class = [_of_class(one, number, own) for one, number, own in zip(classes, numbers, factors, strict=True)]
        found = [shard for shards in of_class for shard in shards]
        self._parser = parser
        self._paths = [one.path for one, *_ in found]
        self._compressions = [_COMPRESSIONS[stratum.compression] for _, stratum, *_ in found]
        self._whole = all(one.rows == one.file_rows for one, *_ in found)
        self._first = np.array([one.first for one, *_ in found], np.int64)
        self._factors = np.array([factor for *_, factor, _ in found], np.float32)
        self._numbers = np.array([number for *_, number in found], np.int64)
        self.rows = np.array([one.rows for one, *_ in found], np.int64)
        self.fold = np.array([one.fold for one, *_ in found], np.int64)
        self.folds = np.array([stratum.folds for _, stratum, *_ in found], np.int64)
        self.limits = np.cumsum([0, *map(len, of_class)], dtype=np.int64)

    def read(self, shards: tf.Tensor, skips: tf.Tensor, counts: tf.Tensor, *, close: bool) -> tf.data.Dataset:
        """Rows of some shards, one after the other, parsed.

        Args:
          shards: their numbers; int64 of shape [n], as the others.
          skips: rows to leave out of each; they are stepped over by their lengths, at a small part of
            the cost of reading.
          counts: rows to read of each.
          close: read all rows of a shard at once, and have no file open after its last one. Otherwise
            read blocks, and to the end of each shard.

        Yields:
          The parser's columns, of up to BLOCK_ROWS rows (with `close`, `counts`).

        Raises, while iterating:
          InvalidArgumentError: a record is missing or damaged, or there are too many; names the
            shard and the record.
        """

        def blocks(shard: tf.Tensor, skip: tf.Tensor, count: tf.Tensor) -> tf.data.Dataset:
            size = count + 1 if close else tf.constant(BLOCK_ROWS, tf.int64)
            found = self._blocks(shard, skip, count, size, limited=close or not self._whole)
            place = tf.data.Dataset.from_tensors((shard, skip, count, size)).repeat()
            return tf.data.Dataset.zip((place, found.enumerate()))

        numbered = tf.data.Dataset.from_tensor_slices((shards, skips, counts)).flat_map(blocks)
        return in_order(numbered, self._columns_of_block)

    def read_all(self) -> tf.data.Dataset:
        """The rows of all shards, parsed; made for thousands of small shards, each of which is held
        in memory as a whole for a moment. To turn to the next one takes 0.3 ms, in `read` 2 ms.
        """

        def records(shard: tf.Tensor) -> tf.data.Dataset:
            count = tf.gather(tf.constant(self.rows), shard)
            skip = tf.constant(0, tf.int64)
            return self._blocks(shard, skip, count, count + 1, limited=not self._whole).take(1)

        def checked(shard: tf.Tensor, found: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            count = tf.gather(tf.constant(self.rows), shard)
            with tf.control_dependencies([self._intact(shard, found, tf.constant(0, tf.int64), count)]):
                return tf.identity(found), tf.fill(tf.shape(found), shard)

        # Each yields one element, so taking them in turns keeps their order.
        one_each = tf.data.Dataset.range(len(self.rows)).interleave(
            records,
            cycle_length=_PARALLEL_SHARDS,
            block_length=1,
            num_parallel_calls=tf.data.AUTOTUNE,
            deterministic=True,
        )
        return in_order(in_order(one_each.enumerate(), checked).rebatch(BLOCK_ROWS), self._columns)

    def _blocks(
        self, shard: tf.Tensor, skip: tf.Tensor, count: tf.Tensor, size: tf.Tensor, *, limited: bool
    ) -> tf.data.Dataset:
        """Blocks of `size` records of a shard, and an empty one; they end where a record is damaged."""
        at = functools.partial(tf.gather, indices=shard)
        path = at(tf.constant(self._paths))
        records = tf.data.TFRecordDataset(path, at(tf.constant(self._compressions)))
        records = records.skip(at(tf.constant(self._first)) + skip).ignore_errors(log_warning=True)
        records = records.take(count) if limited else records
        return _opened(path).concatenate(records.batch(size)).concatenate(_nothing())

    def _columns_of_block(
        self, place: tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor], block: tuple[tf.Tensor, tf.Tensor]
    ) -> Columns:
        (shard, skip, count, size), (number, records) = place, block
        before = number * size
        expected = tf.clip_by_value(count - before, 0, size)
        with tf.control_dependencies([self._intact(shard, records, skip + before, expected)]):
            return self._columns(records, tf.fill(tf.shape(records), shard))

    def _intact(self, shard: tf.Tensor, records: tf.Tensor, before: tf.Tensor, expected: tf.Tensor) -> tf.Operation:
        """Fails unless these records, with so many rows before them, are as many as expected."""
        size = tf.size(records, tf.int64)
        path = tf.gather(tf.constant(self._paths), shard)
        first = tf.gather(tf.constant(self._first), shard) + before
        what = tf.where(size < expected, " is missing, cut short or damaged", " is more than the manifest says")
        record = tf.as_string(first + tf.minimum(size, expected))
        why = tf.strings.join([path, ": record ", record, what, ". Restore the shard, or write the dataset again."])
        return tf.debugging.Assert(tf.equal(size, expected), [why], name="shard_is_whole")

    def _columns(self, records: tf.Tensor, shards: tf.Tensor) -> Columns:
        factors, numbers = (tf.gather(tf.constant(one), shards) for one in (self._factors, self._numbers))
        columns: Columns = self._parser.columns(records, factors, numbers)
        return columns


def in_order(dataset: tf.data.Dataset, function: Callable[..., Any]) -> tf.data.Dataset:
    """The results of a function on several elements at a time, in the order of the elements, whatever
    the options that the Dataset is given later: rows are told apart by their places.
    """
    return dataset.map(function, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)


def _nothing() -> tf.data.Dataset:
    return tf.data.Dataset.from_tensors(tf.constant([], tf.string))


def _opened(path: tf.Tensor) -> tf.data.Dataset:
    """Nothing, or the error that the file cannot be opened, which names it; `ignore_errors` would try
    to open it again for ever.
    """
    return tf.data.FixedLengthRecordDataset(path, record_bytes=1, buffer_size=1).take(1).skip(1).batch(1)


def _of_class(one: ReadClass, number: int, factors: Sequence[float]) -> list[tuple[ShardSlice, Stratum, float, int]]:
    return [
        (piece, stratum, factor, number)
        for stratum, factor in zip(one.strata, factors, strict=True)
        for piece in stratum.slices
    ]
