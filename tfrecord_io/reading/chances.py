"""Chances: random orders and numbers as pure functions of (seed, purpose, positions), the same on any machine.

Hashes of positions, not a generator's stream: numpy's may change from one version to the next.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tfrecord_io.hashing import Keys, UInt64Array, derive_keys, hash_positions
from tfrecord_io.reading.plan import ReadPlan

IntArray = npt.NDArray[np.int64]


def keys_for(plan: ReadPlan, *purpose: str) -> Keys:
    """The keys of one purpose of this reader, which have nothing in common with others."""
    return derive_keys(plan.seed, "read", "/".join([*plan.worker_purpose, *purpose]))


def numbers(first: int, count: int, keys: Keys) -> UInt64Array:
    """Random numbers [count], those of the positions from `first` on."""
    return hash_positions(np.arange(first, first + count, dtype=np.uint64), keys)


def permutations(first: int, count: int, size: int, keys: Keys) -> IntArray:
    """Random orders of range(size) [count, size], those of the positions from `first` on.

    >>> permutations(0, 2, 4, (1, 2)).tolist() == permutations(0, 1, 4, (1, 2)).tolist() + permutations(
    ...     4, 1, 4, (1, 2)
    ... ).tolist()
    True
    """
    orders: IntArray = np.argsort(numbers(first, count * size, keys).reshape(count, size), axis=1, kind="stable")
    return orders
