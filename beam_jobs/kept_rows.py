"""Kept rows between the draw and the writers: where each belongs, and its columns as they are stored.

They travel in columns, about a third of their size as Examples; the writers serialize them.
Columns in front say where a row belongs. They go by their place: the others may have any name.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from beam_jobs.sources.block import IntArray
from tfrecord_io.hashing import UInt64Array

_PLACE = [("order", pa.uint64()), ("file", pa.int32()), ("position", pa.uint64()), ("weight", pa.float32())]
_KEPT = pa.schema([("shard", pa.int64()), *_PLACE])
_UNSURE = pa.schema([("stratum", pa.int64()), ("u", pa.uint64()), *_PLACE])


@dataclass(frozen=True)
class Places:
    """Where rows [n] belong: v, which orders them in their shard; where they come from; their weight."""

    order: UInt64Array
    files: npt.NDArray[np.int32]
    positions: UInt64Array
    weights: npt.NDArray[np.float32]

    @classmethod
    def of(cls, rows: pa.Table, first: int) -> Places:
        """Of a table in which they begin at a column."""
        return cls(*(rows.column(first + i).to_numpy() for i in range(len(_PLACE))))

    def take(self, rows: IntArray) -> Places:
        """Of some of the rows."""
        return Places(self.order[rows], self.files[rows], self.positions[rows], self.weights[rows])

    def arrays(self) -> list[pa.Array]:
        """As columns."""
        return [pa.array(values) for values in (self.order, self.files, self.positions, self.weights)]


def kept_rows(shards: IntArray, places: Places, columns: pa.RecordBatch) -> pa.RecordBatch:
    """Rows whose shard is known."""
    return _batch(_KEPT, [pa.array(shards), *places.arrays()], columns)


def unsure_rows(strata: IntArray, u: UInt64Array, places: Places, columns: pa.RecordBatch) -> pa.RecordBatch:
    """Copies that the exact cuts decide about."""
    return _batch(_UNSURE, [pa.array(strata), pa.array(u), *places.arrays()], columns)


def shards_of(rows: pa.Table) -> tuple[IntArray, Places]:
    """Shard and place of each kept row."""
    return rows.column(0).to_numpy(), Places.of(rows, 1)


def strata_of(rows: pa.Table) -> tuple[IntArray, UInt64Array, Places]:
    """Stratum, u and place of each unsure row."""
    return rows.column(0).to_numpy(), rows.column(1).to_numpy(), Places.of(rows, 2)


def columns_of(rows: pa.Table, kept: bool = True) -> pa.RecordBatch:
    """The stored columns of kept or unsure rows, in one piece."""
    front = len(_KEPT if kept else _UNSURE)
    fields = list(rows.schema)[front:]
    pieces = [_whole(column) for column in rows.columns[front:]]
    return pa.RecordBatch.from_arrays(pieces, schema=pa.schema(fields))


def write(rows: pa.Table, file: BinaryIO | pa.NativeFile) -> None:
    """Some rows as an Arrow stream."""
    with pa.ipc.new_stream(file, rows.schema) as writer:
        writer.write_table(rows)


def read(streams: Iterable[bytes | pa.Buffer]) -> pa.Table:
    """The rows of several streams, at least one."""
    return pa.concat_tables([pa.ipc.open_stream(pa.py_buffer(stream)).read_all() for stream in streams])


def _batch(front: pa.Schema, arrays: list[pa.Array], columns: pa.RecordBatch) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([*arrays, *columns.columns], schema=pa.schema([*front, *columns.schema]))


def _whole(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks == 1 else pa.concat_arrays(column.chunks)
