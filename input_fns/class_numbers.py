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


def class_numbers(values: tf.Tensor, classes: Sequence[Label]) -> tf.Tensor:
    """The place in `classes` of each label; int64 of shape [rows].

    A binary search of all rows at once. Text is searched by a 64-bit fingerprint and then compared:
    a hash table would be a resource, which an iterator's checkpoint cannot hold.

    Args:
      values: [rows], of a type that `check_labels` lets pass.
      classes: labels of one kind, in the order of `labels.sort_key`.

    Raises:
      InvalidArgumentError: when run, on a label that is no class; names it.
    """
    if kind(classes[0]) == "text":
        names = [label if isinstance(label, bytes) else labels.to_text(label).encode() for label in classes]
        known = tf.constant(names, tf.string)
        prints = tf.strings.to_hash_bucket_fast(known, _BUCKETS)
        order = tf.argsort(prints)
        found = _search(tf.gather(prints, order), tf.strings.to_hash_bucket_fast(values, _BUCKETS))
        numbers = tf.gather(order, found)
    else:
        dtype = np.float32 if kind(classes[0]) == "float" else np.int64
        known = tf.constant(np.array(classes, dtype))
        values = tf.cast(values, known.dtype)
        numbers = _search(known, values)
    strange = tf.boolean_mask(values, tf.not_equal(tf.gather(known, numbers), values))
    tf.debugging.Assert(
        tf.equal(tf.size(strange), 0),
        ["class_fn gave labels that source gives no share:", tf.unique(strange).y[:_SHOWN], _among(classes)],
        summarize=_SHOWN,
    )
    return tf.cast(numbers, tf.int64)


def _search(known: tf.Tensor, values: tf.Tensor) -> tf.Tensor:
    return tf.minimum(tf.searchsorted(known, values), tf.size(known) - 1)


def _among(classes: Sequence[Label]) -> str:
    return f"; the classes are {labels.listed(classes)}. Give them shares, or leave these rows out (Dataset.filter)."
