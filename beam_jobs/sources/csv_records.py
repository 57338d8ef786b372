"""Records that quotes carry across lines: found by counting the quotes before each newline.

A newline ends a record where that count is even (RFC 4180). So one quote too many moves the end of
every record after it: quotes must all be in their place, and the first that is not fails the file.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from beam_jobs.sources.block import IntArray
from beam_jobs.sources.files import SourceFile, open_content, read_fully
from beam_jobs.sources.text import WHOLE_FILE, Lines, lines_ending_at, split_lines, true_places
from tfrecord_io.errors import SourceError

RECORD_LIMIT = 64 << 20
"""Bytes a record may have: a quote that is never closed is found before it fills the memory."""

_STEP = 1 << 20
_END = 2
_QUOTE, _NEWLINE, _RETURN, _COMMA = b'"\n\r,'
_BOM = b"\xef\xbb\xbf"


class QuoteFaultError(ValueError):
    """What is wrong in a block, and where: offsets of the fault and of the record it is in."""

    def __init__(self, what: str, at: int, record: int) -> None:
        super().__init__(what)
        self.at, self.record = at, record


def split_records(data: bytes) -> tuple[Lines, IntArray]:
    """Finds the records of a text; empty lines between them are left out.

    Args:
      data: whole records, the last one with or without its newline.

    Returns:
      The records, and the offset in `data` at which each one starts.

    Raises:
      QuoteFaultError: a quote out of place, or a record of more than `RECORD_LIMIT` bytes.
    """
    if not data.endswith(b"\n"):
        data += b"\n"
    if b'"' in data:
        raw = np.frombuffer(data, np.uint8)
        quotes, newlines = true_places(raw == _QUOTE), true_places(raw == _NEWLINE)
        ends = newlines[np.searchsorted(quotes, newlines) % 2 == 0]
        _refuse_misplaced(raw, quotes, ends)
        lines, starts = lines_ending_at(data, ends, records=True)
    else:
        lines, starts = split_lines(data)
        lines = Lines(lines.data, lines.starts, lines.ends, records=True)
    long = np.flatnonzero(lines.ends - lines.starts > RECORD_LIMIT)
    if len(long):
        raise _too_long(int(starts[long[0]]))
    return lines, starts


def stray_returns(lines: Lines) -> IntArray:
    """The records with a carriage return outside quotes."""
    raw = np.frombuffer(lines.data, np.uint8)
    returns = true_places(raw == _RETURN)
    returns = returns[np.searchsorted(true_places(raw == _QUOTE), returns) % 2 == 0]
    owner = np.searchsorted(lines.starts, returns, side="right") - 1
    return np.unique(owner[returns < lines.ends[owner]])


def record_starts(file: SourceFile, places: Iterable[int]) -> Iterator[int]:
    """The start of the first record at or after each place; the file's end where there is none.

    Places rise; the file is read up to the last one.

    Raises:
      SourceError: a quote is out of place, or a record is too long.
    """
    with open_content(file) as stream:
        position = 0
        for place in places:
            if position < place:
                odd = _count_quotes(stream, place - 1 - position) % 2
                rest = read_record(stream, odd)
                if len(rest) > RECORD_LIMIT + _END:
                    raise first_fault(file)
                position = place - 1 + len(rest)
            yield position


def record_blocks(file: SourceFile, start: int, stop: int, block_size: int) -> Iterator[tuple[int, bytes]]:
    """The records that start in [start, stop), as (position, some MB of whole records); one starts at `start`.

    The block ends early in a record that is too long or never ends; `split_records` refuses it.
    """
    with open_content(file) as stream:
        stream.seek(start)
        position = start
        while position < stop:
            data = read_fully(stream, min(block_size, stop - position))
            odd = _quotes(data) % 2
            if odd or not data.endswith(b"\n"):
                data += read_record(stream, odd)
            if not data:
                return
            yield position, data
            position += len(data)


def read_record(stream: BinaryIO, odd: int = 0) -> bytes:
    """Reads to the end of a record, from its start or with `odd` from inside quotes.

    Of one that is too long, or that never ends, it reads a little more than a record may have.
    """
    lines, size, line = [], 0, b""
    while size <= RECORD_LIMIT + _END:
        line = stream.readline(RECORD_LIMIT)
        odd = (odd + line.count(b'"')) % 2
        lines.append(line)
        size += len(line)
        if not line or (not odd and line.endswith(b"\n")):
            break
    return b"".join(lines)


def first_fault(file: SourceFile) -> SourceError:
    """The error for a file in which some block was refused: names its first fault, so always the same one."""
    for position, data in record_blocks(file, 0, WHOLE_FILE, _STEP):
        text = data.removeprefix(_BOM) if not position else data
        try:
            split_records(b"\n" * (len(data) - len(text)) + text)
        except QuoteFaultError as fault:
            return SourceError(
                f"{file.path}, byte {position + fault.at}: {fault} With --quoted_newlines one such fault puts all "
                f"rows after it in doubt. Correct the record that starts at byte {position + fault.record}, or the "
                "one before it: a value that holds quotes, commas or newlines is put in quotes, and each quote in it "
                "is written twice."
            )
    return SourceError(f"{file.path} changed while it was read. Run again.")


def _refuse_misplaced(raw: npt.NDArray[np.uint8], quotes: IntArray, ends: IntArray) -> None:
    """A quote opens a value at its start, closes one at its end, or is one of two inside."""
    opening, closing = quotes[0::2], quotes[1::2]
    before, after = raw[opening - 1], raw[closing + 1]  # the data ends with a newline, so does what is before it
    no_start = (before != _COMMA) & (before != _NEWLINE) & (before != _QUOTE)
    no_end = (after != _COMMA) & (after != _NEWLINE) & (after != _RETURN) & (after != _QUOTE)
    wrong = [*opening[no_start][:1].tolist(), *closing[no_end][:1].tolist()]
    last = int(quotes[-1])
    at = min(wrong, default=last)
    record = int(ends[np.searchsorted(ends, at) - 1]) + 1 if len(ends) and ends[0] < at else 0
    if wrong:
        raise QuoteFaultError("the quote there neither opens nor closes a value.", at, record)
    if len(quotes) % 2:
        if len(raw) - record > RECORD_LIMIT:
            raise _too_long(record)
        raise QuoteFaultError("the quote there is never closed.", at, record)


def _too_long(record: int) -> QuoteFaultError:
    what = f"the record there has more than {RECORD_LIMIT >> 20} MB, probably for a quote too many or too few."
    return QuoteFaultError(what, record, record)


def _count_quotes(stream: BinaryIO, size: int) -> int:
    count = 0
    while size > 0:
        data = stream.read(min(size, _STEP))
        if not data:
            break
        count += _quotes(data)
        size -= len(data)
    return count


def _quotes(data: bytes) -> int:
    return int(np.count_nonzero(np.frombuffer(data, np.uint8) == _QUOTE))  # five times as fast as bytes.count
