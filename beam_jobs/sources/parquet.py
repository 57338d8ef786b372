"""Parquet: pass 1 reads the key columns only, pass 2 only row groups with drawn rows in them."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from beam_jobs.ordered import ordered_map
from beam_jobs.sources import arrow_types, parquet_columns
from beam_jobs.sources.arrow_types import ArrowColumn
from beam_jobs.sources.block import (
    Block,
    IntArray,
    KeyColumns,
    Keys,
    Range,
    Schema,
    Source,
)
from beam_jobs.sources.columns import (
    EVERYTHING,
    Selection,
    check_columns,
    check_types,
)
from beam_jobs.sources.declared import DeclaredField
from beam_jobs.sources.files import SourceFile
from beam_jobs.sources.label_table import LabelTable
from beam_jobs.sources.parquet_files import Layout, LoadedRows, RowGroup, open_file
from beam_jobs.sources.parquet_keys import KeyReader
from beam_jobs.sources.parquet_rows import ParquetRows
from tfrecord_io.errors import SourceError
from tfrecord_io.hashing import UInt64Array

BATCH_ROWS = 32_768
_SAMPLE_GROUPS = 16
_SAMPLE_THREADS, _REMOTE_THREADS = 2, 8
"""On a disk more of them only take memory; where each read is a request, they wait together."""
_SAMPLE_ROWS = 4_096


@dataclass(frozen=True)
class ParquetSource(Source):
    """Parquet files with one schema between them. A range is one row group.

    `columns` are those that are stored, `types` those that are read.
    """

    files: Sequence[SourceFile]
    columns: Mapping[str, ArrowColumn]
    types: Mapping[str, pa.DataType]
    key_columns: KeyColumns
    weight_out: str
    selection: Selection
    labels: LabelTable
    format: str = "parquet"
    threaded: bool = False
    layout: Layout = field(default_factory=Layout)
    computed: ClassVar[tuple[str, ...]] = ()
    """Columns of the files that are none of the rows'."""

    def block(self, file: SourceFile, group: RowGroup, index: int, first: int, rows: int) -> Block:
        """Some rows of a row group, from number `first` of the file."""
        return ParquetBlock(self, file, group, index, first, rows)

    @property
    def schema(self) -> Schema:
        return {name: column.in_manifest() for name, column in sorted(self.columns.items())}

    @property
    def label_dtype(self) -> str:
        return self.columns[self.key_columns.label].label_dtype

    @property
    def unit_bytes(self) -> float:
        return max(1.0, self.layout.group_bytes)

    @property
    def key_share(self) -> float:
        return self.layout.share

    def ranges(self, file: int) -> Iterator[Range]:
        with open_file(self.files[file]) as parquet:
            self.check_schema(parquet, self.files[file])
            for group in range(parquet.num_row_groups):
                yield Range(file, group, group + 1)

    def check_schema(self, parquet: pq.ParquetFile, file: SourceFile) -> None:
        """Compares a file with the first one.

        Raises:
          SourceError: a column differs.
        """
        columns = None if self.selection == EVERYTHING else self.types
        found = _columns_of(parquet, self.computed)
        differs = parquet_columns.differing(found, self.types, columns)
        if differs:
            raise SourceError(
                f"{file.path}: its schema differs from that of {self.files[0].path} in {', '.join(sorted(differs))}. "
                "All Parquet files of one run need the same columns of the same types."
            )

    def blocks(self, part: Range) -> Iterator[Block]:
        file = self.files[part.file]
        with open_file(file) as parquet:
            for group in range(part.start, part.stop):
                first = sum(parquet.metadata.row_group(i).num_rows for i in range(group))
                yield from _blocks(self, file, parquet, group, first, BATCH_ROWS)

    def sample(self) -> Iterator[Block]:
        step = max(1, len(self.files) // _SAMPLE_GROUPS)
        files = self.files[::step][:_SAMPLE_GROUPS]
        load = functools.partial(_sample_of, self, max(1, _SAMPLE_GROUPS // len(files)))
        for blocks in ordered_map(load, files, _REMOTE_THREADS if files[0].is_remote else _SAMPLE_THREADS):
            yield from blocks


class ParquetBlock(Block):
    """Some rows of one row group; its columns are read when they are asked for."""

    row_bytes = None

    def __init__(
        self,
        source: ParquetSource,
        file: SourceFile,
        group: RowGroup | LoadedRows,
        index: int,
        first: int,
        rows: int,
    ) -> None:
        self._source = source
        self._file = file
        self._group = group
        self._index = index
        self._first, self._count = first, rows

    def __len__(self) -> int:
        return self._count

    @cached_property
    def positions(self) -> UInt64Array:
        """The rows' numbers in their file [n]."""
        return np.arange(self._first, self._first + self._count, dtype=np.uint64)

    def keys(self) -> Keys:
        return KeyReader(self._source, self._file, self._key_batch(), lambda: self.positions).read()

    def _key_batch(self) -> pa.RecordBatch:
        return self._group.read(self._source.key_columns.names, self._index)

    def identities(self) -> list[pa.Array]:
        names = list(self._source.key_columns.row_id)
        batch = self._group.read(names, self._index)
        return [arrow_types.as_text(batch.column(name)) for name in names]

    def pick(self, rows: IntArray) -> ParquetRows:
        source = self._source
        weight = source.key_columns.weight
        names = dict.fromkeys([*source.columns, *([weight] if weight else [])])
        schema = pa.schema([(name, source.types[name]) for name in names])
        if not len(rows):
            return ParquetRows(source, self._file, schema.empty_table(), self._places(rows))
        batch = self._group.read(schema.names, self._index)
        batch = batch if len(rows) == batch.num_rows else batch.take(pa.array(rows))
        # Of the plain schema, so that parts join whatever their files say of nulls and metadata.
        table = pa.Table.from_arrays([batch.column(name) for name in schema.names], schema=schema)
        return ParquetRows(source, self._file, table, self._places(rows))

    def _places(self, rows: IntArray) -> UInt64Array:
        """The positions of some rows."""
        return self.positions[rows]


def open_parquet(
    files: Sequence[SourceFile],
    keys: KeyColumns,
    weight_out: str,
    declared: Sequence[DeclaredField],
    selection: Selection,
    kind: type[ParquetSource] = ParquetSource,
) -> ParquetSource:
    """Reads the first file's footer and settles how its columns are stored.

    Raises:
      SourceError: not a whole Parquet file, a column that is not there, or of a type without a mapping.
    """
    with open_file(files[0]) as parquet:
        layout = Layout.of(parquet.metadata, [*keys.names, *kind.computed])
        schema = _columns_of(parquet, kind.computed)
    twice = sorted({name for name in schema.names if schema.names.count(name) > 1})
    if twice:
        raise SourceError(f"{files[0].path} names {', '.join(twice)} twice. Give each column a name of its own.")
    found = parquet_columns.column_types(schema, [field.name for field in declared])
    check_columns(keys, weight_out, list(found), files[0].path, selection)
    columns = parquet_columns.map_columns(schema, declared, files[0].path, selection.stored(list(found)))
    types = {name: found[name] for name in dict.fromkeys([*columns, *keys.names])}
    parquet_columns.refuse_nested({name: types[name] for name in keys.names}, files[0].path)
    check_types(keys, types)
    labels = LabelTable(columns[keys.label].label)
    return kind(files, columns, types, keys, weight_out, selection, labels, layout=layout)


def _columns_of(parquet: pq.ParquetFile, computed: Sequence[str]) -> pa.Schema:
    """The columns of the rows, without those that were computed for them."""
    return pa.schema([column for column in parquet.schema_arrow if column.name not in computed])


def _blocks(
    source: ParquetSource, file: SourceFile, parquet: pq.ParquetFile, group: int, first: int, batch_rows: int
) -> Iterator[Block]:
    rows = parquet.metadata.row_group(group).num_rows
    reader = RowGroup(parquet, group, batch_rows, file)
    for index, start in enumerate(range(0, rows, batch_rows)):
        yield source.block(file, reader, index, first + start, min(batch_rows, rows - start))


def _sample_of(source: ParquetSource, each: int, file: SourceFile) -> list[ParquetBlock]:
    """The first rows of up to `each` row groups of a file, spread over it; the fewer groups, the more of each."""
    sample = []
    with open_file(file, sample=True) as parquet:
        source.check_schema(parquet, file)
        count = parquet.num_row_groups
        groups = sorted({i * count // each for i in range(each)}) if count else []
        for group in groups:
            rows = parquet.metadata.row_group(group).num_rows
            batches = min(each // len(groups), -(-rows // _SAMPLE_ROWS))
            reader = RowGroup(parquet, group, _SAMPLE_ROWS, file)
            loaded = LoadedRows(reader, list(source.types), batches)
            for index, start in enumerate(range(0, min(rows, batches * _SAMPLE_ROWS), _SAMPLE_ROWS)):
                sample.append(ParquetBlock(source, file, loaded, index, start, min(_SAMPLE_ROWS, rows - start)))
    return sample
