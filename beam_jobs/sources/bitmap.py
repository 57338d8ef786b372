"""A bit for each byte, in words of 64: what is rare in a block is found and counted a word at a time."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from beam_jobs.sources.block import IntArray
from tfrecord_io.hashing import UInt64Array

WORD = 64
COUNTS_BITS = hasattr(np, "bitwise_count")
"""Whether numpy is new enough (2.0) for what is built on these words."""


def words_of(mask: npt.NDArray[np.bool_], before: int = 0, after: int = 0) -> UInt64Array:
    """The mask as bits, the first one lowest, with some words of zeros before and after."""
    packed = np.packbits(mask, bitorder="little")
    words = np.zeros(before + -(-len(mask) // WORD) + after, np.uint64)
    words.view(np.uint8)[8 * before : 8 * before + len(packed)] = packed
    return words


def lowest_bit(words: UInt64Array) -> IntArray:
    """The index of the lowest bit that is set in each word; 64 where none is."""
    return np.bitwise_count((words & (~words + np.uint64(1))) - np.uint64(1)).astype(np.int64)
