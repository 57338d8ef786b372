"""Shards: from files to parsed blocks of rows, every record accounted for.

TensorFlow ends a file that is cut short without a word, and names no file when it finds a record
damaged. So each shard's records are counted here against the manifest: a record that is missing,
wherever it is missing from, is an error that names the shard and the record.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import tensorflow as tf

from input_fns.parsing import Parser
from tfrecord_io.reading.strata import ReadClass, ShardSlice, Stratum

BLOCK_ROWS = 2048
"""Rows that are parsed together, at most."""

Columns: TypeAlias = "dict[str, tf.Tensor]"

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

    def read(self, shards: tf.Tensor, skip: tf.Tensor) -> tf.data.Dataset:
        """The rows of some shards, one after the other, parsed.

        Args:
          shards: their numbers, int64 of shape [n].
          skip: rows to leave out of the first one, an int64 scalar; they are stepped over by their
            lengths, at a small part of the cost of reading.

        Yields:
          The parser's columns, of up to BLOCK_ROWS rows.

        Raises, while iterating:
          InvalidArgumentError: a record is missing or damaged, or there are too many; names the
            shard and the record.
        """
        skips = tf.concat([skip[tf.newaxis], tf.zeros_like(shards)], axis=0)[: tf.size(shards)]
        blocks = tf.data.Dataset.from_tensor_slices((shards, skips)).flat_map(self._blocks)
        return blocks.map(self._columns, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)

    def _blocks(self, shard: tf.Tensor, skip: tf.Tensor) -> tf.data.Dataset:
        """Numbered blocks of records, and an empty one after the last."""
        at = functools.partial(tf.gather, indices=shard)
        first, rows = at(tf.constant(self._first)) + skip, at(tf.constant(self.rows)) - skip
        path = at(tf.constant(self._paths))
        records = tf.data.TFRecordDataset(path, at(tf.constant(self._compressions)))
        records = _opened(path).concatenate(records.skip(first).ignore_errors(log_warning=True))
        records = records if self._whole else records.take(rows)
        ended = tf.data.Dataset.from_tensors(tf.constant([], tf.string))
        place = tf.data.Dataset.from_tensors((shard, first, rows)).repeat()
        return tf.data.Dataset.zip((place, records.batch(BLOCK_ROWS).concatenate(ended).enumerate()))

    def _columns(
        self, place: tuple[tf.Tensor, tf.Tensor, tf.Tensor], block: tuple[tf.Tensor, tf.Tensor]
    ) -> Mapping[str, Any]:
        (shard, first, rows), (number, records) = place, block
        before, size = number * BLOCK_ROWS, tf.size(records, tf.int64)
        expected = tf.clip_by_value(rows - before, 0, BLOCK_ROWS)
        path = tf.gather(tf.constant(self._paths), shard)
        what = tf.where(size < expected, " is missing, cut short or damaged", " is more than the manifest says")
        record = tf.as_string(first + before + tf.minimum(size, expected))
        why = tf.strings.join([path, ": record ", record, what, ". Restore the shard, or write the dataset again."])
        intact = tf.debugging.Assert(tf.equal(size, expected), [why], name="shard_is_whole")
        with tf.control_dependencies([intact]):
            factor = tf.gather(tf.constant(self._factors), shard)
            return self._parser.columns(records, factor, tf.gather(tf.constant(self._numbers), shard))


def _opened(path: tf.Tensor) -> tf.data.Dataset:
    """Nothing, or the error that the file cannot be opened, which names it; `ignore_errors` would try
    to open it again for ever.
    """
    return tf.data.FixedLengthRecordDataset(path, record_bytes=1, buffer_size=1).take(1).skip(1)


def _of_class(one: ReadClass, number: int, factors: Sequence[float]) -> list[tuple[ShardSlice, Stratum, float, int]]:
    return [
        (piece, stratum, factor, number)
        for stratum, factor in zip(one.strata, factors, strict=True)
        for piece in stratum.slices
    ]
