"""Rows that BigQuery exported as Parquet.

Each export has other files with other rows in another order. So a row is known by its `row_id`
columns, and tells its own size, which BigQuery counts.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np

from beam_jobs.sources.block import Block, IntArray, KeyColumns
from beam_jobs.sources.by_id import IdBlock
from beam_jobs.sources.columns import Selection
from beam_jobs.sources.declared import DeclaredField
from beam_jobs.sources.files import SourceFile, match_files
from beam_jobs.sources.parquet import ParquetSource, open_parquet
from beam_jobs.sources.parquet_files import RowGroup
from beam_jobs.table_options import without_time
from tfrecord_io.errors import SourceError

ROW_BYTES = "presample_row_bytes"
"""A column that the export adds: how long the row is as JSON, which is about what it takes as an Example."""


@dataclass(frozen=True)
class Export:
    """Files that BigQuery wrote into a folder of their own, in another folder, the `parent`.

    `name` is what they were read from, `dropped` the columns in them that are not to be stored or shown.
    """

    parent: str
    folder: str
    name: str
    dropped: tuple[str, ...] = ()

    @property
    def pattern(self) -> str:
        """What the files match."""
        return f"{self.parent}/{self.folder}/*.parquet"


@dataclass(frozen=True)
class TableSource(ParquetSource):
    """An export. One row group is one range."""

    format: str = "bigquery"
    placed: bool = False
    computed: ClassVar[tuple[str, ...]] = (ROW_BYTES,)

    def block(self, file: SourceFile, group: RowGroup, index: int, first: int, rows: int) -> Block:
        return TableBlock(self, file, group, index, first, rows)


class TableBlock(IdBlock):
    """Some rows of one row group."""

    @cached_property
    def row_bytes(self) -> IntArray:  # type: ignore[override]
        """Bytes of stored rows [n], about."""
        sizes: IntArray = self._group.read([ROW_BYTES], self._index).column(ROW_BYTES).to_numpy()
        return sizes.astype(np.int64)

    @property
    def total_bytes(self) -> int:
        return 0


def open_export(
    export: Export,
    keys: KeyColumns,
    weight_out: str,
    declared: Sequence[DeclaredField],
    selection: Selection,
) -> ParquetSource:
    """Reads the first file's footer and settles how its columns are stored.

    Raises:
      SourceError: no row was exported, or a column cannot be used.
    """
    try:
        found = match_files((export.pattern,))
    except SourceError as error:
        raise SourceError(
            f"{export.name} has no rows: BigQuery exported none. Check the table, or the query."
        ) from error
    # Bad rows of the same data are named alike, whenever it is read.
    files = [dataclasses.replace(file, name=without_time(export.name)) for file in found]
    return open_parquet(files, keys, weight_out, declared, Selection(selection.columns, export.dropped), TableSource)
