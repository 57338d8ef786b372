"""Seeds: every random choice is a pure function of (seed, purpose, index).

No stateful random op is ever used: a stateful op repeats nothing and cannot be checkpointed.
"""

from __future__ import annotations

import hashlib
from typing import TypeAlias

import tensorflow as tf

Key: TypeAlias = tuple[int, int]


def key(seed: int, *purpose: str) -> Key:
    """Two int64 that stand for (seed, purpose): a seed for TensorFlow's stateless ops.

    Hashed, so that neighbouring seeds and purposes have nothing in common.

    >>> key(1, "batch") == key(1, "batch"), key(1, "batch") == key(2, "batch")
    (True, False)
    """
    digest = hashlib.blake2b("\0".join([str(seed), *purpose]).encode(), digest_size=16).digest()
    return (int.from_bytes(digest[:8], "big", signed=True), int.from_bytes(digest[8:], "big", signed=True))


def fold(seed: Key | tf.Tensor, *indices: tf.Tensor) -> tf.Tensor:
    """The seed, int64 of shape [2], of the draw numbered by `indices` (int64 scalars) under `seed`."""
    folded = tf.convert_to_tensor(seed, tf.int64)
    for index in indices:
        folded = tf.random.experimental.stateless_fold_in(folded, index)
    return folded


def permutation(size: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """A random order of range(size), int64 of shape [size]."""
    return tf.random.experimental.stateless_shuffle(tf.range(tf.cast(size, tf.int64)), seed)
