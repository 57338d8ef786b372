"""Rows of Parquet columns that are known by their `row_id` columns alone, never by a place.

So nothing depends on which rows lie together, or in which order: the rows of a PCollection, of a
table's export.
"""

from __future__ import annotations

import dataclasses
from functools import cached_property, reduce

import pyarrow as pa
import pyarrow.compute as pc

from beam_jobs.sources.arrow_types import as_text
from beam_jobs.sources.block import FloatArray, IntArray, Keys, Reject, Stored
from beam_jobs.sources.columns import MASK
from beam_jobs.sources.parquet import ParquetBlock, ParquetSource
from beam_jobs.sources.parquet_rows import ParquetRows
from tfrecord_io import hashing
from tfrecord_io.errors import SourceError
from tfrecord_io.hashing import UInt64Array

_MARK, _NOTHING = (pa.scalar(text, pa.large_binary()) for text in (b"#", b""))


class IdBlock(ParquetBlock):
    """Some rows; their positions are digests of their ids."""

    @cached_property
    def positions(self) -> UInt64Array:
        """A digest of the ids [n]."""
        return _digest(self.identities())

    def keys(self) -> Keys:
        try:
            keys = super().keys()
        except SourceError as error:
            raise self._with_id(error) from error
        keys.rejects = with_ids(keys.rejects, self._source, self._key_batch())
        return keys

    def pick(self, rows: IntArray) -> IdRows:
        picked = super().pick(rows)
        return IdRows(self._source, self._file, picked._table, picked.positions)

    def _places(self, rows: IntArray) -> UInt64Array:
        return _digest([ids.take(pa.array(rows)) for ids in self.identities()])

    def _with_id(self, error: SourceError) -> SourceError:
        """An error that names a row by its digest, with the row's id."""
        named = [row for row, place in enumerate(self.positions.tolist()) if str(place) in str(error)]
        return SourceError(str(error) + _ids(self._source, self._key_batch(), named[0])) if named else error


class IdRows(ParquetRows):
    """Drawn rows."""

    def to_stored(self, factors: FloatArray) -> Stored:
        stored = super().to_stored(factors)
        stored.rejects = with_ids(stored.rejects, self._source, self._table)
        return stored

    def check(self) -> list[Reject]:
        return with_ids(super().check(), self._source, self._table)


def _digest(ids: list[pa.Array]) -> UInt64Array:
    """A digest of the ids of each row, another one than the draw's: it orders rows of equal hashes."""
    marked = [pc.binary_join_element_wise(_MARK, values.fill_null(b""), _NOTHING) for values in ids]
    return reduce(hashing.combine, map(hashing.digest_values, marked))


def with_ids(rejects: list[Reject], source: ParquetSource, rows: pa.RecordBatch | pa.Table) -> list[Reject]:
    """The rejects, their messages with the ids of their rows: a digest says little to people."""
    return [dataclasses.replace(each, message=each.message + _ids(source, rows, each.row)) for each in rejects]


def _ids(source: ParquetSource, rows: pa.RecordBatch | pa.Table, row: int) -> str:
    names = [name for name in source.key_columns.row_id if name in rows.schema.names]
    hidden = source.selection.dropped
    ids = [f"{name}={MASK if name in hidden else _shown(rows.column(name)[row])}" for name in names]
    return f" Its id: {', '.join(ids)}." if ids else ""


def _shown(value: pa.Scalar) -> str:
    if not value.is_valid:
        return "missing"
    return str(as_text(pa.array([value.as_py()], value.type))[0].as_py().decode("utf-8", "backslashreplace"))
