"""Reading protobuf's varints, many at a time: 7 bits a byte, lowest first, the high bit set in all but the last."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

TOO_LONG = 1 << 40
"""What `lengths_at` says of a length of more than 4 bytes: more than any record holds."""

_MOST_BYTES = 10
_HIGH_BITS = np.int64(-0x7F7F7F7F7F7F7F80)  # 0x8080808080808080
_ONES = np.int64(0x0101010101010101)
_LOW_BYTES = np.array([(1 << 8 * count) - 1 for count in range(8)] + [-1], np.int64)
"""The lowest bytes of a word, by their number."""


def words_of(data: bytes | pa.Buffer) -> IntArray:
    """The little-endian 8-byte word at each byte of a buffer, but for the last 7; a view."""
    return np.ndarray((max(len(data) - 7, 0),), "<i8", data, strides=(1,))


def low_bytes(words: IntArray, counts: IntArray) -> IntArray:
    """The lowest `counts` (up to 8) bytes of each word [n], zeros above."""
    masked: IntArray = words & _LOW_BYTES[counts]
    return masked


def lengths_at(words: IntArray) -> tuple[IntArray, IntArray]:
    """Lengths and their widths in bytes [n], from words that start with them; longer than 4 bytes is `TOO_LONG`."""
    length = words & 127
    width = np.ones(len(words), np.int64)
    more = np.flatnonzero(words & 128)
    for byte in range(1, 4):
        if not len(more):
            return length, width
        septet = words[more] >> 8 * byte
        length[more] |= (septet & 127) << 7 * byte
        width[more] += 1
        more = more[septet & 128 != 0]
    length[more] = TOO_LONG
    return length, width


def field_at(words: IntArray, at: IntArray) -> tuple[IntArray, IntArray, IntArray]:
    """Of fields [n] at these places: the word there (tag and length), where the content starts, and where it stops."""
    word = words[at]
    length, width = lengths_at(word >> 8)
    content = at + 1 + width
    return word, content, content + length


def count_varints(words: IntArray, starts: IntArray, stops: IntArray) -> tuple[IntArray, BoolArray]:
    """How many varints each of n filled ranges holds, and whether it holds them whole and nothing else.

    A varint of 10 bytes that does not fit into 64 bits does not count as whole.
    """
    widths = stops - starts
    if (widths == 1).all():
        return np.ones(len(widths), np.int64), words[starts] & 128 == 0
    counts = np.empty(len(widths), np.int64)
    whole = np.empty(len(widths), bool)
    short = widths <= 8
    few = np.flatnonzero(short)
    ends = ~words[starts[few]] & _HIGH_BITS & _LOW_BYTES[widths[few]]
    counts[few] = (ends >> 7 & _ONES) * _ONES >> 56
    whole[few] = ends >> (8 * widths[few] - 1) & 1
    many = np.flatnonzero(~short)
    if len(many):
        owner, last, width = varint_places(words, starts[many], stops[many])
        counts[many] = np.bincount(owner, minlength=len(many))
        fits = (width < _MOST_BYTES) | ((width == _MOST_BYTES) & (words[last] & 0xFF <= 1))
        whole[many] = words[stops[many] - 1] & 128 == 0
        whole[many[owner[~fits]]] = False
    return counts, whole


def varint_places(words: IntArray, starts: IntArray, stops: IntArray) -> tuple[IntArray, IntArray, IntArray]:
    """Of each varint in n ranges [m]: its range, the place of its last byte, and its width."""
    widths = stops - starts
    ends = np.cumsum(widths)
    owner = np.repeat(np.arange(len(widths)), widths)
    place = np.arange(len(owner)) + np.repeat(starts - (ends - widths), widths)
    last = np.flatnonzero(words[place] & 128 == 0)
    owner, place = owner[last], place[last]
    before = np.empty(len(place), np.int64)
    before[:1] = -1
    before[1:] = place[:-1]
    first = np.ones(len(owner), bool)
    first[1:] = owner[1:] != owner[:-1]
    before[first] = starts[owner[first]] - 1
    return owner, place, place - before


def decode_varints(words: IntArray, starts: IntArray, widths: IntArray) -> IntArray:
    """The values [n] of whole varints of 1 to 10 bytes."""
    low = words[starts]
    if (widths == 1).all():
        return low & 127
    low &= _LOW_BYTES[np.minimum(widths, 8)]
    value = _squeeze(low)
    long = np.flatnonzero(widths > 8)
    if len(long):
        high = words[starts[long] + 8] & _LOW_BYTES[widths[long] - 8]
        value[long] |= _squeeze(high) << 56
    return value


def _squeeze(words: IntArray) -> IntArray:
    """The 56 bits in the low 7 bits of the 8 bytes of each word."""
    words = (words & 0x007F007F007F007F) | (words & 0x7F007F007F007F00) >> 1
    words = (words & 0x00003FFF00003FFF) | (words & 0x3FFF00003FFF0000) >> 2
    return (words & 0x000000000FFFFFFF) | (words & 0x0FFFFFFF00000000) >> 4
