"""Rows drawn from Parquet files, and their conversion to what is stored."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from typing_extensions import Self

from beam_jobs.sources.block import FloatArray, Reject, Rows, Stored
from beam_jobs.sources.columns import stored_rows, stored_weights
from beam_jobs.sources.files import SourceFile
from beam_jobs.sources.parquet_keys import float_weights, raw_row
from tfrecord_io.hashing import UInt64Array

if TYPE_CHECKING:
    from beam_jobs.sources.parquet import ParquetSource


class ParquetRows(Rows):
    """Drawn rows of one file."""

    def __init__(self, source: ParquetSource, file: SourceFile, table: pa.Table, positions: UInt64Array) -> None:
        self._source = source
        self._file = file
        self._table = table
        self.positions = positions

    def check(self) -> list[Reject]:
        return self._convert(self._table.combine_chunks())[1]

    def to_stored(self, factors: FloatArray) -> Stored:
        source, weight = self._source, self._source.key_columns.weight
        table = self._table.combine_chunks()
        original = float_weights(table.column(weight), weight, self._file) if weight else None
        columns, rejects = self._convert(table)
        weights = stored_weights(original, factors, weight, source.selection)
        return stored_rows(columns, weights, rejects)

    def _convert(self, table: pa.Table) -> tuple[dict[str, pa.Array], list[Reject]]:
        columns: dict[str, pa.Array] = {}
        reasons: dict[int, str] = {}
        for name, column in self._source.columns.items():
            values = _one_chunk(table.column(name))
            columns[name], bad = column.convert(values)
            for row, why in bad.items():
                reasons.setdefault(row, f"column {name!r}: {why}.")
        rejects = [
            Reject(row, int(self.positions[row]), "type", why, raw_row(table, row, self._source.selection))
            for row, why in sorted(reasons.items())
        ]
        return columns, rejects

    @classmethod
    def join(cls, parts: Sequence[Self]) -> Self:
        table = pa.concat_tables([part._table for part in parts])
        return cls(parts[0]._source, parts[0]._file, table, np.concatenate([part.positions for part in parts]))


def _one_chunk(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks == 1 else pa.concat_arrays(column.chunks or [pa.array([], column.type)])
