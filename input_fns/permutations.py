"""Permutations, evaluated point by point: where row i of a shuffled class stands, without shuffling it.

The swap-or-not shuffle: V. T. Hoang, B. Morris, P. Rogaway, "An Enciphering Scheme Based on a Card
Shuffle", CRYPTO 2012. In each round, i is paired with (k - i) mod n, k the round's number below n,
and a hash of (round, the larger of the two) says whether the two change places. Each round is a
permutation of any n, so thousands of classes of any sizes are shuffled in one vectorised pass, and
only the rows that a batch needs.
"""

from __future__ import annotations

import tensorflow as tf

ROUNDS = 24

_ROUND_STEP = -7046029254386353131  # 2^64 / golden ratio, made odd: Steele, Lea, Flood, "SplittableRandom", 2014
_CLASS_STEP = -4417276706812531889
_PASS_STEP = -8838140374391029333


def places(index: tf.Tensor, size: tf.Tensor, key: tf.Tensor) -> tf.Tensor:
    """Where each index goes in the permutation of its key.

    Args:
      index: int64 of shape [rows], from 0.
      size: int64 of shape [rows]: how many numbers the permutation is of; above the index.
      key: int64 of shape [rows]: rows of one key and size are of one permutation.

    Returns:
      int64 of shape [rows], below size. Costs about 0.5 microseconds a row.
    """

    def swapped_or_not(number: tf.Tensor, at: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        round_key = key + number * _ROUND_STEP
        other = (tf.bitwise.bitwise_and(hashed(round_key), tf.int64.max) - at) % size
        swap = hashed(round_key + 1 + tf.maximum(at, other)) < 0
        return number + 1, tf.where(swap, other, at)

    rounds = tf.constant(ROUNDS, tf.int64)
    start = (tf.constant(0, tf.int64), index)
    return tf.while_loop(lambda number, _: number < rounds, swapped_or_not, start, parallel_iterations=1)[1]


def pass_key(seed: int, stream: tf.Tensor, number: tf.Tensor) -> tf.Tensor:
    """The key of pass `number` of stream `stream`; int64 of one shape."""
    return hashed(hashed(seed + stream * _CLASS_STEP) + number * _PASS_STEP)


def hashed(value: tf.Tensor) -> tf.Tensor:
    """SplitMix64's mixing function, on int64."""
    bits = tf.bitcast(value, tf.uint64)
    bits = (bits ^ tf.bitwise.right_shift(bits, tf.constant(30, tf.uint64))) * tf.constant(
        0xBF58476D1CE4E5B9, tf.uint64
    )
    bits = (bits ^ tf.bitwise.right_shift(bits, tf.constant(27, tf.uint64))) * tf.constant(
        0x94D049BB133111EB, tf.uint64
    )
    return tf.bitcast(bits ^ tf.bitwise.right_shift(bits, tf.constant(31, tf.uint64)), tf.int64)
