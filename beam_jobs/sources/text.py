"""Blocks of whole lines in ranges of a text file, and the lines in them.

A range owns the lines that start in it. So ranges can be read in any order, on any worker, and
each line is read once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from beam_jobs.sources.bitmap import COUNTS_BITS, WORD, lowest_bit, words_of
from beam_jobs.sources.block import IntArray
from beam_jobs.sources.files import SEEK_BYTES, SourceFile, open_content, read_fully

WHOLE_FILE = 1 << 62
_NEWLINE = 10


@dataclass(frozen=True)
class Lines:
    """Lines in a buffer: line i is data[starts[i]:ends[i]], its terminator not included.

    The buffer holds these lines and nothing else. `records` says that quotes are all in their
    place, and newlines between two of them belong to the line.
    """

    data: bytes
    starts: IntArray
    ends: IntArray
    records: bool = False

    def __len__(self) -> int:
        return len(self.starts)

    def line(self, index: int) -> bytes:
        """The text of one line."""
        return self.data[self.starts[index] : self.ends[index]]

    def take(self, rows: IntArray) -> Lines:
        """Some of the lines, in order; the buffer is copied unless they are all."""
        if len(rows) == len(self):
            return self
        return _gather(self.data, self.starts[rows], self.ends[rows], self.records)

    @classmethod
    def join(cls, parts: Sequence[Lines]) -> Lines:
        """The lines of several buffers in one."""
        if len(parts) == 1:
            return parts[0]
        shifts = np.cumsum([0, *(len(part.data) for part in parts)]).tolist()
        starts = [part.starts + shift for part, shift in zip(parts, shifts, strict=False)]
        ends = [part.ends + shift for part, shift in zip(parts, shifts, strict=False)]
        data = b"".join(part.data for part in parts)
        return cls(data, np.concatenate(starts), np.concatenate(ends), parts[0].records)


def split_lines(data: bytes) -> tuple[Lines, IntArray]:
    """Finds the lines of a text; empty ones are left out.

    Returns:
      The lines, and the offset in `data` at which each one starts. A line ends with LF or CRLF;
      the last one may lack it.
    """
    if not data.endswith(b"\n"):
        data += b"\n"
    return lines_ending_at(data, true_places(np.frombuffer(data, np.uint8) == _NEWLINE))


def lines_ending_at(data: bytes, ends: IntArray, records: bool = False) -> tuple[Lines, IntArray]:
    """The lines that these newlines end, as `split_lines` returns them; the last newline ends the data."""
    starts = np.empty_like(ends)
    starts[0] = 0
    starts[1:] = ends[:-1] + 1
    if b"\r" in data:
        ends = ends - ((ends > starts) & (np.frombuffer(data, np.uint8)[ends - 1] == 13))
    filled = starts < ends
    if filled.all():
        return Lines(data, starts, ends, records), starts
    return _gather(data, starts[filled], ends[filled], records), starts[filled]


def true_places(mask: npt.NDArray[np.bool_]) -> IntArray:
    """Where a mask is True; fast where that is rare, as `np.flatnonzero` is where it is not."""
    if not COUNTS_BITS:
        return np.flatnonzero(mask)
    words = words_of(mask)
    filled = np.flatnonzero(words)
    found = words[filled]
    if (found & (found - np.uint64(1))).any():  # more than one in a word
        return np.flatnonzero(mask)
    places: IntArray = filled * WORD + lowest_bit(found)
    return places


def line_blocks(file: SourceFile, start: int, stop: int, block_size: int) -> Iterator[tuple[int, bytes]]:
    """The lines that start in [start, stop) of a file, as (position, some MB of whole lines)."""
    with open_content(file, seeks=stop - start < SEEK_BYTES) as stream:
        position = start
        if start:
            stream.seek(start - 1)
            position += len(stream.readline()) - 1
        while position < stop:
            data = read_fully(stream, min(block_size, stop - position))
            if not data.endswith(b"\n"):
                data += stream.readline()
            if not data:
                return
            yield position, data
            position += len(data)


def _gather(data: bytes, starts: IntArray, ends: IntArray, records: bool) -> Lines:
    view = memoryview(data)
    bounds = zip(starts.tolist(), ends.tolist(), strict=True)
    joined = b"".join([piece for start, end in bounds for piece in (view[start:end], b"\n")])
    new_ends = np.cumsum(ends - starts + 1) - 1
    return Lines(joined, new_ends - (ends - starts), new_ends, records)
