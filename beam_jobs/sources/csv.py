"""CSV, plain or gzip: one header, one record a line, types inferred or declared."""

from __future__ import annotations

import functools
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from typing_extensions import Self

from beam_jobs.sources.block import (
    Block,
    FloatArray,
    IntArray,
    KeyColumns,
    Keys,
    Range,
    Reject,
    Rows,
    Schema,
    Source,
    Stored,
)
from beam_jobs.sources.columns import EVERYTHING, Selection, spread, stored_rows, stored_weights
from beam_jobs.sources.csv_columns import Converted, convert_columns
from beam_jobs.sources.csv_framing import BLOCKS_A_RANGE, LINES, Framing
from beam_jobs.sources.csv_header import check_header, read_header
from beam_jobs.sources.csv_keys import KeyReader
from beam_jobs.sources.csv_lines import parse_lines
from beam_jobs.sources.csv_mask import with_text
from beam_jobs.sources.csv_types import ColumnType
from beam_jobs.sources.files import SourceFile
from beam_jobs.sources.label_table import LabelTable
from beam_jobs.sources.text import Lines
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
    places: Sequence[tuple[SourceFile, int, int]]
    selection: Selection = EVERYTHING
    framing: Framing = LINES
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

    @property
    def unit_bytes(self) -> float:
        return BLOCKS_A_RANGE * self.block_size

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

    def check(self) -> list[Reject]:
        return self._convert()[1]

    def to_stored(self, factors: FloatArray) -> Stored:
        found, rejects = self._convert()
        source = self._source
        weights = stored_weights(found.weights, factors, source.key_columns.weight, source.selection)
        return stored_rows(found.columns, weights, rejects)

    def _convert(self) -> tuple[Converted, list[Reject]]:
        source = self._source
        found = convert_columns(self._lines, source.header, source.types, source.key_columns.weight, source.stored)
        rejects = [
            Reject(row, int(self.positions[row]), "type", why, b"") for row, why in sorted(found.reasons.items())
        ]
        return found, with_text(rejects, self._lines, source.header, source.selection) if rejects else rejects

    @classmethod
    def join(cls, parts: Sequence[Self]) -> Self:
        lines = Lines.join([part._lines for part in parts])
        return cls(parts[0]._source, parts[0]._file, lines, np.concatenate([part.positions for part in parts]))


def _as_it_is(value: bytes | None) -> bytes | None:
    return value
