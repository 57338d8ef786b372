"""Class numbers: from the labels of many rows to the places of their classes, in one vectorised step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from input_fns.rates import kind
from tfrecord_io import labels
from tfrecord_io.errors import UsageError
from tfrecord_io.labels import Label

_SHOWN = 5
_BUCKETS = 2**63 - 1


def check_labels(spec: Any, classes: Sequence[Label]) -> None:
    """Refuses what a class_fn returns if it cannot be the classes' labels.

    Args:
      spec: the tf.TypeSpec of what it returns.
      classes: labels of one kind.

    Raises:
      UsageError: not one label a row, or of another type than the classes.
    """
    if not isinstance(spec, tf.TensorSpec) or spec.shape.rank not in (1, None):
        raise UsageError(
            f"class_fn returned {spec}. It is called on many rows at once, [rows, ...], and returns one label for "
            "each: a tensor of shape [rows]."
        )
    of_kind = {
        "int": (spec.dtype.is_integer and spec.dtype != tf.uint64) or spec.dtype.is_bool,
        "bool": spec.dtype.is_integer or spec.dtype.is_bool,
        "float": spec.dtype in (tf.float16, tf.bfloat16, tf.float32, tf.float64),
        "text": spec.dtype == tf.string,
    }
    if not of_kind[kind(classes[0])]:
        raise UsageError(
            f"class_fn returned labels of type {spec.dtype.name}, but the classes of source are "
            f"{labels.listed(classes)}. Convert the labels in class_fn (tf.cast, tf.strings.as_string), or name "
            "the classes otherwise."
        )


def class_numbers(values: tf.Tensor, classes: Sequence[Label], rows: tf.Tensor) -> tf.Tensor:
    """The place in `classes` of each row's label; int64 of shape [rows].

    A binary search of all rows at once. Text is searched by a 64-bit fingerprint and then compared:
    a hash table would be a resource, which an iterator's checkpoint cannot hold.

    Args:
      values: [rows], of a type that `check_labels` lets pass.
      classes: labels of one kind, in the order of `labels.sort_key`.
      rows: how many there are, an int32 scalar.

    Raises:
      InvalidArgumentError: when run, on labels that are no class, which it names, or more or fewer
        labels than rows.
    """
    known = tf.constant(_values(classes))
    given = values if known.dtype == tf.string else tf.cast(values, known.dtype)
    if known.dtype == tf.string:
        prints = tf.strings.to_hash_bucket_fast(known, _BUCKETS)
        order = tf.argsort(prints)
        numbers = tf.gather(order, _search(tf.gather(prints, order), tf.strings.to_hash_bucket_fast(given, _BUCKETS)))
    else:
        numbers = _search(known, given)
    strange = tf.unique(tf.boolean_mask(given, tf.not_equal(tf.gather(known, numbers), given))).y[:_SHOWN]
    names = strange if known.dtype == tf.string else tf.strings.as_string(strange)
    _require(
        tf.equal(tf.size(strange), 0),
        "class_fn gave the labels ",
        tf.strings.reduce_join(names, separator=", "),
        f", which source gives no share; the classes are {labels.listed(classes)}. "
        "Give them shares, or leave these rows out (Dataset.filter).",
    )
    _require(
        tf.equal(tf.size(given), rows),
        "class_fn must return one label a row, but gave ",
        tf.strings.as_string(tf.size(given)),
        " for ",
        tf.strings.as_string(rows),
        " rows.",
    )
    return tf.ensure_shape(tf.cast(numbers, tf.int64), [None])


def _values(classes: Sequence[Label]) -> Any:
    if kind(classes[0]) == "text":
        return np.array([one if isinstance(one, bytes) else str(one).encode() for one in classes], object)
    return np.array(classes, np.float32 if kind(classes[0]) == "float" else np.int64)


def _search(known: tf.Tensor, values: tf.Tensor) -> tf.Tensor:
    return tf.minimum(tf.searchsorted(known, values), tf.size(known) - 1)


def _require(condition: tf.Tensor, *message: Any) -> None:
    tf.debugging.Assert(condition, [tf.strings.join(message)])
