"""Pass 1 over lines of CSV: their key columns, and why lines cannot be used."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from beam_jobs.sources import csv_types
from beam_jobs.sources.block import FloatArray, IntArray, Keys, Reject
from beam_jobs.sources.columns import check_weights, spread
from beam_jobs.sources.csv_columns import not_of_type
from beam_jobs.sources.csv_compared import to_value
from beam_jobs.sources.csv_fields import short_labels, text_of
from beam_jobs.sources.csv_lines import Parsed, parse_lines
from beam_jobs.sources.csv_mask import with_text
from beam_jobs.sources.files import SourceFile
from beam_jobs.sources.text import Lines
from tfrecord_io.hashing import UInt64Array

if TYPE_CHECKING:
    from beam_jobs.sources.csv import CsvSource

_DICTIONARY = pa.dictionary(pa.int32(), pa.binary())


class KeyReader:
    """Reads the keys of n lines, once."""

    def __init__(self, source: CsvSource, file: SourceFile, lines: Lines, positions: UInt64Array) -> None:
        self._source = source
        self._columns = source.key_columns
        self._file = file
        self._lines = lines
        self._positions = positions
        self._bad = np.zeros(len(lines), bool)
        self._rejects: list[Reject] = []

    def read(self) -> Keys:
        """The keys, by the quick way where only the label is asked for and its column can be cut out."""
        keys = self._quick() if self._columns.label_alone else None
        keys = keys or self._parse()
        if self._rejects:
            keys.rejects = with_text(self._rejects, self._lines, self._source.header, self._source.selection)
        return keys

    def _quick(self) -> Keys | None:
        column = self._source.header.index(self._columns.label)
        found = short_labels(self._lines, len(self._source.header), column)
        if found is None:
            return None
        words, indices = found
        codes = self._labels(words, lambda word: text_of(word) or None, indices, np.arange(len(self._lines)))
        return Keys(codes, self._source.labels.labels)

    def _parse(self) -> Keys:
        columns, total = self._columns, len(self._lines)
        types: dict[str, pa.DataType] = dict.fromkeys(columns.names, pa.binary())
        types[columns.label] = _DICTIONARY
        parsed = parse_lines(self._lines, self._source.header, types)
        for row, why in parsed.bad.items():
            self._refuse(row, *why)
        parsed, filtered = self._passing(parsed)
        encoded = parsed.table.column(columns.label).combine_chunks()
        indices = encoded.indices.fill_null(len(encoded.dictionary)).to_numpy(zero_copy_only=False)
        texts = pa.concat_arrays([encoded.dictionary, pa.nulls(1, encoded.dictionary.type)])
        codes = self._labels(texts, _as_it_is, indices, parsed.good)
        for name in (columns.split, *columns.row_id):
            if name:
                missing = parsed.table.column(name).is_null().to_numpy()
                self._refuse_missing(name, parsed.good[missing])
        splits = self._splits(parsed)
        weights = self._weights(parsed)
        codes[self._bad] = -1
        keys = Keys(codes, self._source.labels.labels, weights, splits=splits, filtered=filtered)
        if columns.split:
            keys.split_values = spread(parsed.table.column(columns.split).combine_chunks(), parsed.good, total)
        return keys

    def _passing(self, parsed: Parsed) -> tuple[Parsed, int]:
        """The lines that `--where` lets pass, and how many it leaves out.

        A line that it cannot judge is bad: a value is not of its type, or the expression fails on it.
        """
        where = self._columns.where
        if where is None:
            return parsed, 0
        values = {name: self._values(parsed, name, "type", "") for name in where.columns}
        judged = where.judge(pa.table(values))
        hidden = any(name in self._source.selection.dropped for name in where.columns)
        for at, why in judged.wrong.items():
            shown = "" if hidden else f": {why}"
            self._refuse(int(parsed.good[at]), "where", f"--where cannot be computed for this row{shown}.")
        passes = judged.passes & ~self._bad[parsed.good]
        filtered = int(np.count_nonzero(~judged.passes & ~self._bad[parsed.good]))
        return Parsed(parsed.table.filter(pa.array(passes)), parsed.good[passes], parsed.bad), filtered

    def _splits(self, parsed: Parsed) -> IntArray | None:
        time = self._columns.time
        if time is None:
            return None
        values = self._values(parsed, time.column, "time", " of --split_time")
        found, wrong = time.splits(values)
        for at in np.flatnonzero(wrong).tolist():
            shown = self._source.selection.shown(time.column, parsed.table.column(time.column)[at].as_py())
            self._refuse(int(parsed.good[at]), "time", f"column {time.column!r} of --split_time: {shown} is no time.")
        self._refuse_missing(time.column, parsed.good[values.is_null().to_numpy(zero_copy_only=False)])
        splits = np.zeros(len(self._lines), np.int64)
        splits[parsed.good] = found
        return splits

    def _values(self, parsed: Parsed, name: str, reason: str, role: str) -> pa.Array:
        """A column in the type in which it is compared; lines whose text holds no such value are refused."""
        text = parsed.table.column(name).combine_chunks()
        if pa.types.is_dictionary(text.type):
            text = text.dictionary_decode()
        kind = self._source.types[name]
        values, wrong = to_value(text, kind)
        for at in np.flatnonzero(wrong).tolist():
            message = not_of_type(name, text[at].as_py(), kind, self._source.selection)
            self._refuse(int(parsed.good[at]), reason, message.replace(":", f"{role}:", 1))
        return values

    def _labels(
        self, distinct: pa.Array, text: Callable[[Any], bytes | None], indices: IntArray, good: IntArray
    ) -> IntArray:
        """The code of each line's label [n], -1 where there is none, and refuses lines without a good one.

        Args:
          distinct: the values in the label column.
          text: the text of such a value; None where the label is missing.
          indices: which of them each good line has [m].
          good: the good lines [m].
        """
        column = self._columns.label
        kind = self._source.types[column]
        found = self._source.labels.codes(distinct, text)[indices]
        for at in np.flatnonzero(found < 0).tolist():
            value = text(distinct[indices[at]].as_py())
            message = f"the label in column {column!r} is missing."
            if not csv_types.is_missing(value, kind):
                message = not_of_type(column, value, kind)
            self._refuse(int(good[at]), "label", message)
        codes = np.full(len(self._lines), -1, np.int64)
        codes[good] = found
        return codes

    def _weights(self, parsed: Parsed) -> FloatArray | None:
        name = self._columns.weight
        if not name:
            return None
        text = parsed.table.column(name).combine_chunks()
        numbers, wrong = csv_types.to_float(text)
        for at in np.flatnonzero(wrong).tolist():
            shown = self._source.selection.shown(name, text[at].as_py())
            self._refuse(int(parsed.good[at]), "weight", f"column {name!r} of --weight_in: {shown} is no number.")
        weights = np.zeros(len(self._lines))
        weights[parsed.good] = numbers.to_numpy(zero_copy_only=False)
        usable = parsed.good[~self._bad[parsed.good]]
        kind, selection = self._source.format, self._source.selection
        check_weights(weights[usable], self._file, self._positions[usable], name, kind, selection)
        return weights

    def _refuse_missing(self, name: str, rows: IntArray) -> None:
        for row in rows.tolist():
            self._refuse(row, "missing", f"column {name!r} is empty.")

    def _refuse(self, row: int, reason: str, message: str) -> None:
        """Notes a bad line, with the first reason found."""
        if not self._bad[row]:
            self._bad[row] = True
            self._rejects.append(Reject(row, int(self._positions[row]), reason, message, b""))


def _as_it_is(value: bytes | None) -> bytes | None:
    return value
