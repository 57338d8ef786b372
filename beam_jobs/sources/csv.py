"""CSV, plain or gzip: one header, one record a line, types inferred or declared."""

from __future__ import annotations

import functools
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from typing_extensions import Self

from beam_jobs.sources import csv_types
from beam_jobs.sources.block import (
    RAW_LIMIT,
    Block,
    Encoded,
    FloatArray,
    IntArray,
    KeyColumns,
    Keys,
    Range,
    Reject,
    Rows,
    Schema,
    Source,
)
from beam_jobs.sources.columns import check_weights, encode_columns, stored_weights
from beam_jobs.sources.csv_columns import Converted, convert_columns, not_of_type
from beam_jobs.sources.csv_fields import short_labels
from beam_jobs.sources.csv_framing import LINES, Framing
from beam_jobs.sources.csv_header import check_header, read_header
from beam_jobs.sources.csv_lines import Parsed, parse_lines
from beam_jobs.sources.csv_types import ColumnType
from beam_jobs.sources.files import SourceFile
from beam_jobs.sources.text import Lines
from tfrecord_io.hashing import UInt64Array
from tfrecord_io.labels import Label

_DICTIONARY = pa.dictionary(pa.int32(), pa.binary())


@dataclass(frozen=True)
class CsvSource(Source):
    """CSV files with one header between them."""

    files: Sequence[SourceFile]
    header: tuple[str, ...]
    types: Mapping[str, ColumnType]
    key_columns: KeyColumns
    weight_out: str
    block_size: int
    places: Sequence[tuple[SourceFile, int, int]]
    framing: Framing = LINES
    format: str = "csv"

    @property
    def schema(self) -> Schema:
        return {name: {"dtype": self.types[name].stored, "shape": []} for name in sorted(self.header)}

    @property
    def label_dtype(self) -> str:
        return self.types[self.key_columns.label].dtype

    def ranges(self, file: int) -> Iterator[Range]:
        return self.framing.ranges(self.files[file], file, self.block_size)

    def blocks(self, part: Range) -> Iterator[Block]:
        return self._blocks(self.files[part.file], part.start, part.stop, self.block_size)

    def sample(self) -> Iterator[Block]:
        for file, start, stop in self.places:
            yield from self._blocks(file, start, stop, stop - start)

    def _blocks(self, file: SourceFile, start: int, stop: int, block_size: int) -> Iterator[Block]:
        for position, data in self.framing.blocks(file, start, stop, block_size):
            header = b"" if position else self.framing.header(io.BytesIO(data))
            if header:
                check_header(read_header(header, file), self.header, file, self.files[0])
            yield CsvBlock(self, file, position + len(header), data[len(header) :])


class CsvBlock(Block):
    """Whole lines of one file."""

    def __init__(self, source: CsvSource, file: SourceFile, position: int, data: bytes) -> None:
        self._source = source
        self._file = file
        self._start = position
        self._data = data

    @functools.cached_property  # not in the constructor: on the thread that works on the block
    def _split(self) -> tuple[Lines, IntArray]:
        return self._source.framing.split(self._file, self._data)

    @property
    def _lines(self) -> Lines:
        return self._split[0]

    @functools.cached_property
    def positions(self) -> UInt64Array:
        return (self._split[1] + self._start).astype(np.uint64)

    @property
    def row_bytes(self) -> IntArray:
        return self._lines.ends - self._lines.starts + 1

    def keys(self) -> Keys:
        columns = self._source.key_columns
        quick = self._quick_keys() if columns.names == [columns.label] and not columns.split else None
        if quick:
            return quick
        types: dict[str, pa.DataType] = dict.fromkeys(columns.names, pa.binary())
        types[columns.label] = _DICTIONARY
        parsed = parse_lines(self._lines, self._source.header, types)
        rejects = [self._reject(row, *why) for row, why in parsed.bad.items()]
        bad = np.zeros(len(self), bool)
        bad[list(parsed.bad)] = True
        encoded = parsed.table.column(columns.label).combine_chunks()
        indices = encoded.indices.fill_null(len(encoded.dictionary)).to_numpy(zero_copy_only=False)
        labels, codes = self._labels([*encoded.dictionary.to_pylist(), None], indices, parsed.good, rejects)
        bad[codes < 0] = True
        for name in columns.names[1:]:
            if name in (columns.split, *columns.row_id):
                self._refuse_missing(name, parsed, bad, rejects)
        weights = self._weights(parsed, bad, rejects)
        codes[bad] = -1
        keys = Keys(codes, labels, weights, rejects=rejects)
        if columns.split:
            keys.split_values = self._spread(parsed.table.column(columns.split).combine_chunks(), parsed.good)
        return keys

    def identities(self) -> list[pa.Array]:
        names = self._source.key_columns.row_id
        parsed = parse_lines(self._lines, self._source.header, dict.fromkeys(names, pa.binary()))
        return [self._spread(parsed.table.column(name).combine_chunks(), parsed.good) for name in names]

    def pick(self, rows: IntArray) -> CsvRows:
        return CsvRows(self._source, self._file, self._lines.take(rows), self.positions[rows])

    def _quick_keys(self) -> Keys | None:
        """The keys where only the label is asked for and its column can be cut out; else None."""
        source = self._source
        column = source.header.index(source.key_columns.label)
        found = short_labels(self._lines, len(source.header), column)
        if found is None:
            return None
        texts, indices = found
        rejects: list[Reject] = []
        everything = np.arange(len(self))
        labels, codes = self._labels([text or None for text in texts], indices, everything, rejects)
        return Keys(codes, labels, rejects=rejects)

    def _labels(
        self, texts: Sequence[bytes | None], indices: IntArray, good: IntArray, rejects: list[Reject]
    ) -> tuple[list[Label], IntArray]:
        """Normalises the distinct texts of the label column, and refuses rows without a good one.

        Args:
          texts: distinct texts; None where the label is missing.
          indices: which of them each good line has [m].
          good: the good lines [m].
          rejects: the refused rows are added here.

        Returns:
          The labels, and the code of each line of the block [n]; -1 where there is none.
        """
        column = self._source.key_columns.label
        kind = self._source.types[column]
        labels: dict[Label, int] = {}
        mapping, messages = [], []
        for text in texts:
            code, message = -1, f"the label in column {column!r} is missing."
            try:
                label = csv_types.to_label(text, kind)
                code = -1 if label is None else labels.setdefault(label, len(labels))
            except ValueError:
                message = not_of_type(column, text, kind)
            mapping.append(code)
            messages.append(message)
        found = np.array(mapping, np.int64)[indices]
        for at in np.flatnonzero(found < 0).tolist():
            rejects.append(self._reject(int(good[at]), "label", messages[indices[at]]))
        codes = np.full(len(self), -1, np.int64)
        codes[good] = found
        return list(labels), codes

    def _weights(self, parsed: Parsed, bad: npt.NDArray[np.bool_], rejects: list[Reject]) -> FloatArray | None:
        name = self._source.key_columns.weight
        if not name:
            return None
        text = parsed.table.column(name).combine_chunks()
        numbers, wrong = csv_types.to_float(text)
        for at in np.flatnonzero(wrong).tolist():
            if not bad[parsed.good[at]]:
                value = text[at].as_py().decode("utf-8", "backslashreplace")
                why = f"column {name!r} of --weight_in: {value!r} is no number."
                rejects.append(self._reject(int(parsed.good[at]), "weight", why))
        bad[parsed.good[wrong]] = True
        weights = np.zeros(len(self))
        weights[parsed.good] = numbers.to_numpy(zero_copy_only=False)
        usable = np.flatnonzero(~bad)
        check_weights(weights[usable], self._file, self.positions[usable], name, self._source.format)
        return weights

    def _refuse_missing(self, name: str, parsed: Parsed, bad: npt.NDArray[np.bool_], rejects: list[Reject]) -> None:
        missing = parsed.good[parsed.table.column(name).is_null().to_numpy()]
        for row in missing.tolist():
            if not bad[row]:
                rejects.append(self._reject(row, "missing", f"column {name!r} is empty."))
        bad[missing] = True

    def _spread(self, values: pa.Array, good: IntArray) -> pa.Array:
        """Values of the good lines at the place of their line; null elsewhere."""
        if len(good) == len(self):
            return values
        places = np.full(len(self), -1, np.int64)
        places[good] = np.arange(len(good))
        return values.take(pa.array(places, mask=places < 0))

    def _reject(self, row: int, reason: str, message: str) -> Reject:
        line = self._lines.line(row)[:RAW_LIMIT]
        return Reject(row, int(self.positions[row]), reason, message, line)


class CsvRows(Rows):
    """Drawn lines of one file."""

    def __init__(self, source: CsvSource, file: SourceFile, lines: Lines, positions: UInt64Array) -> None:
        self._source = source
        self._file = file
        self._lines = lines
        self.positions = positions

    def check(self) -> list[Reject]:
        return self._convert()[1]

    def encode(self, factors: FloatArray) -> Encoded:
        found, rejects = self._convert()
        weights = stored_weights(found.weights, factors)
        return encode_columns(found.columns, self._source.weight_out, weights, rejects)

    def _convert(self) -> tuple[Converted, list[Reject]]:
        source = self._source
        found = convert_columns(self._lines, source.header, source.types, source.key_columns.weight)
        rejects = [
            Reject(row, int(self.positions[row]), "type", why, self._lines.line(row)[:RAW_LIMIT])
            for row, why in sorted(found.reasons.items())
        ]
        return found, rejects

    @classmethod
    def join(cls, parts: Sequence[Self]) -> Self:
        lines = Lines.join([part._lines for part in parts])
        return cls(parts[0]._source, parts[0]._file, lines, np.concatenate([part.positions for part in parts]))
