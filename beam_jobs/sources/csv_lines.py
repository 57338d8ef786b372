"""Lines of CSV to Arrow columns: every line by itself, and a bad one found without its neighbours.

pyarrow parses a whole block at once, quotes across lines included. Here a record is one line:
where the parsed rows do not match the lines one to one, the lines at fault are singled out. With
`--quoted_newlines` the quotes are known to be in their place, and there is nothing to search for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv

from beam_jobs.sources.block import IntArray
from beam_jobs.sources.csv_records import stray_returns
from beam_jobs.sources.text import Lines
from tfrecord_io.errors import SourceError

FIELDS = "fields"
QUOTE = "quote"
UNQUOTED_NOTHING = ("",)
_NEWLINES_HINT = "; values that go on in the next line need --quoted_newlines"
_RETURN = "a carriage return outside quotes"
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Parsed:
    """Columns of the good lines, and what is wrong with the others: line -> (reason, message)."""

    table: pa.Table
    good: IntArray
    bad: Mapping[int, tuple[str, str]]


def parse_lines(
    lines: Lines,
    header: Sequence[str],
    types: Mapping[str, pa.DataType],
    null_words: Sequence[str] = UNQUOTED_NOTHING,
) -> Parsed:
    """Parses some columns of all lines.

    Args:
      lines: n lines.
      header: every column's name, in order.
      types: the columns wanted; others are checked for their number only.
      null_words: what is missing. By default an unquoted empty field, in every column; any other
        list counts for numeric columns only, quoted or not.

    Raises:
      pa.ArrowInvalid: a value is not of its column's type.
    """
    reader = _Reader(list(header), dict(types), tuple(null_words))
    if lines.records:
        return _parse_records(reader, lines)
    whole = reader.read(lines)
    if whole is not None:
        table, wrong_fields = whole
        good = np.delete(np.arange(len(lines)), [row for row, _ in wrong_fields])
        return Parsed(table, good, {row: _fields(count, len(header)) for row, count in wrong_fields})
    bad: dict[int, tuple[str, str]] = {}
    _single_out(reader, lines, np.arange(len(lines)), bad)
    good = np.delete(np.arange(len(lines)), sorted(bad))
    return Parsed(reader.read_good(lines.take(good)), good, bad)


def _parse_records(reader: _Reader, lines: Lines) -> Parsed:
    bad = {int(row): (QUOTE, f"the record holds {_RETURN}. Correct it.") for row in stray_returns(lines)}
    sound = np.delete(np.arange(len(lines)), list(bad))
    table, wrong = reader.read_sound(lines.take(sound))
    bad |= {int(sound[row]): _fields(count, len(reader.header), "record") for row, count in wrong}
    return Parsed(table, np.delete(np.arange(len(lines)), sorted(bad)), bad)


def _single_out(reader: _Reader, lines: Lines, rows: IntArray, bad: dict[int, tuple[str, str]]) -> None:
    """Finds the bad lines among `rows` by halving, the suspicious ones apart from the rest."""
    suspicious = np.array([_suspicious(lines.line(row)) for row in rows.tolist()], bool)
    for group in (rows[~suspicious], *np.array_split(rows[suspicious], max(1, suspicious.sum()))):
        _halve(reader, lines, group, bad)


def _halve(reader: _Reader, lines: Lines, rows: IntArray, bad: dict[int, tuple[str, str]]) -> None:
    if not len(rows):
        return
    result = reader.read(lines.take(rows))
    if result is not None:
        for row, count in result[1]:
            bad[int(rows[row])] = _fields(count, len(reader.header))
    elif len(rows) == 1:
        what = _RETURN if b"\r" in lines.line(rows[0]) else "a quote that is never closed"
        hint = "" if what == _RETURN else _NEWLINES_HINT
        bad[int(rows[0])] = (QUOTE, f"the line holds {what}. Correct it{hint}.")
    else:
        middle = len(rows) // 2
        _halve(reader, lines, rows[:middle], bad)
        _halve(reader, lines, rows[middle:], bad)


def _suspicious(line: bytes) -> bool:
    return line.count(b'"') % 2 == 1 or b"\r" in line


def _fields(count: int, expected: int, what: str = "line") -> tuple[str, str]:
    return FIELDS, f"the {what} has {count} fields, the header {expected}."


class _Reader:
    def __init__(self, header: list[str], types: dict[str, pa.DataType], null_words: Sequence[str]) -> None:
        self.header = header
        self._convert = pa_csv.ConvertOptions(
            column_types=types,
            include_columns=list(types),
            null_values=list(null_words),
            strings_can_be_null=null_words == UNQUOTED_NOTHING,
            quoted_strings_can_be_null=null_words != UNQUOTED_NOTHING,
            check_utf8=False,
        )
        self._schema = pa.schema(list(types.items()))
        # Swallowed by a quote left open before it.
        self._sentinel = b",".join([b"0"] * len(header)) + b"\n"

    def _empty(self) -> pa.Table:
        return self._schema.empty_table()

    def read(self, lines: Lines) -> tuple[pa.Table, list[tuple[int, int]]] | None:
        """The table and (line, number of fields) of the lines left out; None if rows are not lines."""
        if not len(lines):
            return self._empty(), []
        # At the end of the buffer pyarrow closes an open quote by itself.
        last = lines.line(len(lines) - 1)
        if b'"' in last and self._parse(last + b"\n" + self._sentinel, 2) is None:
            return None
        # pyarrow ends a row at a carriage return, and might so make up for one that a quote swallowed.
        if b"\r" in lines.data and lines.data.count(b"\r") != lines.data.count(b"\r\n"):
            alone = last + b"\n"
            stray = b'"' not in alone and alone.count(b"\r") != alone.count(b"\r\n")
            return None if len(lines) > 1 or stray else self._parse(alone, 1)
        return self._parse(lines.data, len(lines))

    def read_good(self, lines: Lines) -> pa.Table:
        """The table of lines that are each known to be one row of the right number of fields."""
        return self.read_sound(lines)[0]

    def read_sound(self, lines: Lines) -> tuple[pa.Table, list[tuple[int, int]]]:
        """As `read`, of lines that are each known to be one row.

        Raises:
          SourceError: they are not.
        """
        parsed = self._parse(lines.data, len(lines)) if len(lines) else (self._empty(), [])
        if parsed is None:
            raise SourceError(f"{len(lines)} CSV records were parsed as another number of rows. Please report this.")
        return parsed

    def _parse(self, data: bytes, lines: int) -> tuple[pa.Table, list[tuple[int, int]]] | None:
        wrong: list[tuple[int, int]] = []

        def leave_out(row: pa_csv.InvalidRow) -> str:
            wrong.append((row.number - 1, row.actual_columns))
            return "skip"

        read = pa_csv.ReadOptions(use_threads=False, block_size=len(data) + 4, column_names=self.header)
        parse = pa_csv.ParseOptions(invalid_row_handler=leave_out)
        # pyarrow drops one BOM at the start of what it reads; here it is part of a value.
        data = _BOM + data if data.startswith(_BOM) else data
        table = pa_csv.read_csv(pa.py_buffer(data), read, parse, self._convert)
        return (table, wrong) if table.num_rows + len(wrong) == lines else None
