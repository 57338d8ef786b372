"""CSV, plain or gzip: one header, one record a line, types inferred or declared."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from typing_extensions import Self

from beam_jobs.sources.block import (
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
from beam_jobs.sources.columns import EVERYTHING, Selection, encode_columns, spread, stored_weights
from beam_jobs.sources.csv_columns import convert_columns
from beam_jobs.sources.csv_header import check_header, read_header, sample_places
from beam_jobs.sources.csv_keys import KeyReader
from beam_jobs.sources.csv_lines import parse_lines
from beam_jobs.sources.csv_mask import with_text
from beam_jobs.sources.csv_types import ColumnType
from beam_jobs.sources.files import SourceFile
from beam_jobs.sources.label_table import LabelTable
from beam_jobs.sources.text import Lines, line_blocks, line_ranges, split_lines
from tfrecord_io.hashing import UInt64Array


@dataclass(frozen=True)
class CsvSource(Source):
    """CSV files with one header between them."""

    files: Sequence[SourceFile]
    header: tuple[str, ...]
    types: Mapping[str, ColumnType]
    key_columns: KeyColumns
    weight_out: str
    block_size: int
    labels: LabelTable
    selection: Selection = EVERYTHING
    format: str = "csv"

    @property
    def stored(self) -> list[str]:
        """The columns that are stored."""
        return self.selection.stored(self.header)

    @property
    def schema(self) -> Schema:
        return {name: self.types[name].in_manifest() for name in sorted(self.stored)}

    @property
    def label_dtype(self) -> str:
        return self.types[self.key_columns.label].dtype

    def ranges(self, file: int) -> Iterator[Range]:
        return line_ranges(self.files[file], file, self.block_size)

    def blocks(self, part: Range) -> Iterator[Block]:
        file = self.files[part.file]
        for position, data in line_blocks(file, part.start, part.stop, self.block_size):
            yield self._block(file, position, data)

    def sample(self) -> Iterator[Block]:
        for file, start, stop in sample_places(self.files):
            for position, data in line_blocks(file, start, stop, stop - start):
                yield self._block(file, position, data)

    def _block(self, file: SourceFile, position: int, data: bytes) -> CsvBlock:
        if position:
            return CsvBlock(self, file, position, data)
        length = (data.find(b"\n") + 1) or len(data)
        check_header(read_header(data[:length], file), self.header, file, self.files[0])
        return CsvBlock(self, file, length, data[length:])


class CsvBlock(Block):
    """Whole lines of one file."""

    def __init__(self, source: CsvSource, file: SourceFile, position: int, data: bytes) -> None:
        self._source = source
        self._file = file
        self._start = position
        self._data = data

    @functools.cached_property
    def _split(self) -> tuple[Lines, IntArray]:
        return split_lines(self._data)  # not in the constructor: on the thread that works on the block

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
        return KeyReader(self._source, self._file, self._lines, self.positions).read()

    def identities(self) -> list[pa.Array]:
        names = self._source.key_columns.row_id
        parsed = parse_lines(self._lines, self._source.header, dict.fromkeys(names, pa.binary()))
        return [spread(parsed.table.column(name).combine_chunks(), parsed.good, len(self)) for name in names]

    def pick(self, rows: IntArray) -> CsvRows:
        return CsvRows(self._source, self._file, self._lines.take(rows), self.positions[rows])


class CsvRows(Rows):
    """Drawn lines of one file."""

    def __init__(self, source: CsvSource, file: SourceFile, lines: Lines, positions: UInt64Array) -> None:
        self._source = source
        self._file = file
        self._lines = lines
        self.positions = positions

    def encode(self, factors: FloatArray) -> Encoded:
        source = self._source
        found = convert_columns(self._lines, source.header, source.types, source.key_columns.weight, source.stored)
        rejects = [
            Reject(row, int(self.positions[row]), "type", why, b"") for row, why in sorted(found.reasons.items())
        ]
        rejects = with_text(rejects, self._lines, source.header, source.selection) if rejects else rejects
        weights = stored_weights(found.weights, factors, source.key_columns.weight, source.selection)
        return encode_columns(found.columns, source.weight_out, weights, rejects)

    @classmethod
    def join(cls, parts: Sequence[Self]) -> Self:
        lines = Lines.join([part._lines for part in parts])
        return cls(parts[0]._source, parts[0]._file, lines, np.concatenate([part.positions for part in parts]))


def _as_it_is(value: bytes | None) -> bytes | None:
    return value
