"""The label column of plain CSV lines, cut out by their commas alone.

Most blocks hold no quote. Then a comma is a comma, and a bitmap of them answers two questions by
counting bits: has each line the right number of fields, and where does the label stand? An eighth
of the time that parsing the lines takes, and it is the larger part of pass 1.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from beam_jobs.sources.bitmap import COUNTS_BITS, WORD, lowest_bit, words_of
from beam_jobs.sources.block import IntArray
from beam_jobs.sources.text import Lines
from tfrecord_io.hashing import UInt64Array

_COMMA = 44
_LONGEST = 7
_ONE = np.uint64(1)


def short_labels(lines: Lines, fields: int, column: int) -> tuple[pa.UInt64Array, IntArray] | None:
    """The distinct texts of one column and each line's index into them.

    Args:
      lines: n lines.
      fields: how many fields each line must have.
      column: which of them is wanted.

    Returns:
      The texts, each as a number (see `text_of`), and codes [n]; None where only a parser can tell:
      a quote or a carriage return, a line with another number of fields, a text of more than 7
      bytes, or one that is neither in the first nor the last 64 bytes of its line.
    """
    data = lines.data
    if not COUNTS_BITS or not len(lines) or b'"' in data or b"\r" in data:
        return None
    raw = np.frombuffer(data, np.uint8)
    commas = _Bitmap(raw == _COMMA)
    before = commas.count_before(np.append(lines.starts, len(data)))
    if (np.diff(before) != fields - 1).any():
        return None
    bounds = _last_field(commas, lines) if column == fields - 1 else _field(commas, lines, column)
    if bounds is None:
        return None
    starts, ends = bounds
    lengths = ends - starts
    return _distinct(raw, starts, lengths) if lengths.max() <= _LONGEST else None


class _Bitmap:
    """A bit for each byte, in words of 64, a word of zeros in front and two behind."""

    def __init__(self, mask: npt.NDArray[np.bool_]) -> None:
        self._words = words_of(mask, before=1, after=2)
        counts = np.cumsum(np.bitwise_count(self._words), dtype=np.int64)
        self._before = np.concatenate([np.zeros(1, np.int64), counts])

    def count_before(self, places: IntArray) -> IntArray:
        """How many bits are set in front of each place."""
        word, bit = self._locate(places)
        lower = self._words[word] & ((_ONE << bit) - _ONE)
        found: IntArray = self._before[word] + np.bitwise_count(lower)
        return found

    def window(self, places: IntArray) -> UInt64Array:
        """The 64 bits from each place on; places may be negative, down to -64."""
        word, bit = self._locate(places)
        # In two steps: a shift by 64 is not defined.
        found: UInt64Array = (self._words[word] >> bit) | (self._words[word + 1] << (np.uint64(63) - bit) << _ONE)
        return found

    def _locate(self, places: IntArray) -> tuple[IntArray, UInt64Array]:
        shifted = places + WORD
        return shifted >> 6, (shifted & (WORD - 1)).astype(np.uint64)


def _field(commas: _Bitmap, lines: Lines, column: int) -> tuple[IntArray, IntArray] | None:
    """Start and end of a field that lies, with the comma behind it, in the first 64 bytes."""
    window = commas.window(lines.starts)
    starts = lines.starts
    for _ in range(column):
        starts = lines.starts + lowest_bit(window) + 1
        window &= window - _ONE
    return None if (window == 0).any() else (starts, lines.starts + lowest_bit(window))


def _last_field(commas: _Bitmap, lines: Lines) -> tuple[IntArray, IntArray] | None:
    """Start and end of the last field, if the comma in front of it is among the last 64 bytes."""
    window = commas.window(lines.ends - WORD)
    for step in (1, 2, 4, 8, 16, 32):  # sets every bit below the highest one
        window |= window >> np.uint64(step)
    starts = lines.ends - WORD + np.bitwise_count(window)
    return None if (window == 0).any() or (starts < lines.starts).any() else (starts, lines.ends)


def text_of(word: int) -> bytes:
    """The text that a number of `short_labels` stands for."""
    return word.to_bytes(8, "little")[: word >> (8 * _LONGEST)]


def _distinct(raw: npt.NDArray[np.uint8], starts: IntArray, lengths: IntArray) -> tuple[pa.UInt64Array, IntArray]:
    """Texts with their length as one integer each: so they are told apart without an object each."""
    words = lengths.astype(np.uint64) << np.uint64(8 * _LONGEST)
    for byte in range(int(lengths.max())):
        here = raw[np.minimum(starts + byte, len(raw) - 1)].astype(np.uint64)
        words |= np.where(byte < lengths, here, np.uint64(0)) << np.uint64(8 * byte)
    encoded = pa.array(words).dictionary_encode()
    return encoded.dictionary, encoded.indices.to_numpy().astype(np.int64)
