"""Rows of a PCollection: Arrow record batches in place of files.

Some MB of rows travel as one element, packed, and play the part of a range: it holds what it
names. Both passes read the same element, so they see the same rows, however those came about. A row is known
by its `row_id` columns, never by its place, so nothing depends on which rows travel together.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from beam_jobs.sources.block import Block, IntArray, KeyColumns, Keys, Range, Reject
from beam_jobs.sources.by_id import IdBlock, IdRows, with_ids
from beam_jobs.sources.columns import EVERYTHING, check_columns, check_types
from beam_jobs.sources.declared import DeclaredField
from beam_jobs.sources.dict_rows import Misfit
from beam_jobs.sources.files import ROWS, SourceFile
from beam_jobs.sources.label_table import LabelTable
from beam_jobs.sources.parquet import ParquetSource
from beam_jobs.sources.parquet_columns import column_types, flatten, map_columns, refuse_nested
from beam_jobs.sources.parquet_files import RowGroup
from tfrecord_io.errors import SourceError, UsageError
from tfrecord_io.records import FRAME_BYTES

_PLACE = SourceFile(path="the PCollection", name="PCollection", bytes=0)
_SIZED = 8
"""One row in so many, by a digest of its id, is encoded in pass 1 to learn how large rows become."""


@dataclass(frozen=True)
class PackedRows(Range):
    """Rows of a PCollection as one element: an Arrow stream, and those that did not fit the schema."""

    data: bytes
    misfits: tuple[Misfit, ...] = ()

    @classmethod
    def pack(cls, batches: Sequence[pa.RecordBatch], misfits: Sequence[Misfit] = ()) -> PackedRows:
        """Packs batches of one schema, one after the other."""
        sink = pa.BufferOutputStream()
        options = pa.ipc.IpcWriteOptions(compression="lz4")
        with pa.ipc.new_stream(sink, batches[0].schema, options=options) as writer:
            for batch in pa.Table.from_batches(batches).combine_chunks().to_batches():
                writer.write_batch(batch)
        return cls(0, 0, sum(batch.num_rows for batch in batches), bytes(sink.getvalue()), tuple(misfits))

    def unpack(self) -> pa.RecordBatch:
        """All rows as one batch."""
        return pa.ipc.open_stream(pa.py_buffer(self.data)).read_next_batch()


@dataclass(frozen=True)
class BatchSource(ParquetSource):
    """Rows that a PCollection brings: one block an element, columns as in Parquet."""

    format: str = ROWS
    placed: bool = False

    def ranges(self, file: int) -> Iterator[Range]:
        """None: the elements of the PCollection are the ranges."""
        return iter(())

    def blocks(self, part: Range) -> Iterator[Block]:
        if isinstance(part, PackedRows):
            yield BatchBlock(self, part)

    def sample(self) -> Iterator[Block]:
        """None: nothing is there before the pipeline runs."""
        return iter(())


class BatchBlock(IdBlock):
    """The rows of one element."""

    def __init__(self, source: BatchSource, part: PackedRows) -> None:
        self._source = source
        self._file = _PLACE
        self._batch = part.unpack()
        self._group = _AtHand(self._batch)
        self._index = 0
        self._misfits = part.misfits

    def __len__(self) -> int:
        return int(self._batch.num_rows)

    @cached_property
    def row_bytes(self) -> IntArray:  # type: ignore[override]
        """Bytes of stored rows [n]: of one row in eight, eight times as many, else 0."""
        rows = np.flatnonzero(self.positions % np.uint64(_SIZED) == 0)
        keys = dataclasses.replace(self._source.key_columns, weight=None)  # which may be no number in a bad row
        source = dataclasses.replace(self._source, key_columns=keys)
        picked = self.pick(rows)
        stored = IdRows(source, self._file, picked._table, picked.positions).to_stored(np.ones(len(rows)))
        sizes = np.zeros(len(self), np.int64)
        lengths = pc.binary_length(source.serialize(stored.columns, stored.weights)).to_numpy(zero_copy_only=False)
        sizes[rows[stored.good]] = _SIZED * (FRAME_BYTES + lengths)
        return sizes

    @property
    def total_bytes(self) -> int:
        return int(self._batch.nbytes)

    def keys(self) -> Keys:
        keys = super().keys()
        bad = {misfit.row for misfit in self._misfits}
        keys.codes[list(bad)] = -1
        misfits = [
            Reject(misfit.row, int(self.positions[misfit.row]), "type", misfit.message, misfit.raw)
            for misfit in self._misfits
        ]
        keys.rejects = [reject for reject in keys.rejects if reject.row not in bad]
        keys.rejects += with_ids(misfits, self._source, self._batch)
        return keys


class _AtHand(RowGroup):
    """A batch that is in memory, read like a row group."""

    def __init__(self, batch: pa.RecordBatch) -> None:
        self._batch = batch

    def read(self, names: list[str], index: int) -> pa.RecordBatch:
        return flatten(self._batch, list(dict.fromkeys(names)))


def open_batches(
    schema: pa.Schema, keys: KeyColumns, weight_out: str, declared: Sequence[DeclaredField]
) -> BatchSource:
    """Settles how the columns of a PCollection's rows are stored.

    Raises:
      UsageError: `declared` does not fit the schema.
      SourceError: a column that is not there, or of a type without a mapping.
    """
    twice = sorted({name for name in schema.names if schema.names.count(name) > 1})
    if twice:
        raise UsageError(f"schema names {', '.join(twice)} twice. Give each column a name of its own.")
    types = column_types(schema, [field.name for field in declared])
    check_columns(keys, weight_out, list(types), _PLACE.path)
    columns = map_columns(schema, declared, _PLACE.path)
    refuse_nested({name: types[name] for name in keys.names}, _PLACE.path)
    check_types(keys, types)
    return BatchSource((_PLACE,), columns, types, keys, weight_out, EVERYTHING, LabelTable(columns[keys.label].label))


def check_batch(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """A user's batch with its columns in the schema's order.

    Raises:
      SourceError: its columns are others, or of other types.
    """
    found = batch.schema
    names = {*schema.names, *found.names}
    differs = sorted(
        name
        for name in names
        if name not in schema.names or found.names.count(name) != 1 or found.field(name).type != schema.field(name).type
    )
    if differs:
        raise SourceError(
            f"A RecordBatch of the PCollection differs from the schema in {', '.join(differs)}. It has "
            f"{_listed(found)}; the schema given to Presample is {_listed(schema)}. Make them equal."
        )
    plain = pa.schema([(field.name, field.type) for field in schema])
    return pa.RecordBatch.from_arrays([batch.column(name) for name in schema.names], schema=plain)


def _listed(schema: pa.Schema) -> str:
    return ", ".join(f"{field.name}: {field.type}" for field in schema)
