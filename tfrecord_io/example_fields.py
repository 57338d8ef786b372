"""Fields of serialized Examples: each a tag, a length and so many bytes, laid end to end."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tfrecord_io.varints import field_at, words_of

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

FIELD_1, FIELD_2 = 0x0A, 0x12
"""The tags of fields 1 and 2, with a length."""

MOST_ITEMS = 1_024
"""How many fields in a row are told apart; a record with more is odd."""


def tile(
    words: IntArray, starts: IntArray, stops: IntArray, odd: BoolArray
) -> tuple[IntArray, IntArray, IntArray, IntArray, IntArray]:
    """The fields with a length that lie end to end in each of n ranges; marks in `odd` [n] what holds others.

    Returns:
      Of each field [m]: its range, its tag, where it starts, where its content does, and where that ends.
    """
    owner = np.flatnonzero(starts < stops)
    at, limit = starts[owner], stops[owner]
    nothing = np.zeros(0, np.int64)
    found = [(nothing,) * 5]
    for _ in range(MOST_ITEMS):
        if not len(owner):
            break
        word, content, stop = field_at(words, at)
        wrong = (word & 0x87 != 2) | (word & 0x78 == 0) | (stop > limit)
        if wrong.any():
            odd[owner[wrong]] = True
            right = np.flatnonzero(~wrong)
            owner, limit, word, at, content, stop = (a[right] for a in (owner, limit, word, at, content, stop))
        found.append((owner, word & 0xFF, at, content, stop))
        going = stop < limit
        if going.all():
            at = stop
        else:
            owner, at, limit = owner[going], stop[going], limit[going]
    odd[owner] = True
    range_, tag, start, content, stop = (np.concatenate(column) for column in zip(*found, strict=True))
    return range_, tag, start, content, stop


def fields_of(
    data: bytes | pa.Buffer, starts: IntArray, stops: IntArray
) -> tuple[IntArray, IntArray, IntArray, IntArray]:
    """The fields of records that are not odd, as they lie: record, tag, and where the content starts and stops."""
    record, tag, _, content, stop = tile(words_of(data), starts, stops, np.zeros(len(starts), bool))
    order = np.argsort(content, kind="stable")
    return record[order], tag[order], content[order], stop[order]
