"""Pass 1 over rows of Parquet: their key columns, and why rows cannot be used."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from beam_jobs.sources import arrow_types
from beam_jobs.sources.block import RAW_LIMIT, FloatArray, IntArray, Keys, Reject
from beam_jobs.sources.columns import MASK, Selection, check_weights, spread
from beam_jobs.sources.files import SourceFile
from tfrecord_io.errors import SourceError
from tfrecord_io.hashing import UInt64Array

if TYPE_CHECKING:
    from beam_jobs.sources.parquet import ParquetSource


class KeyReader:
    """Reads the keys of n rows, once.

    `_rows` are those that `--where` lets pass, and what the batch holds from then on. Positions [n]
    are asked for where a row is named: they may cost more than the keys.
    """

    def __init__(
        self, source: ParquetSource, file: SourceFile, batch: pa.RecordBatch, positions: Callable[[], UInt64Array]
    ) -> None:
        self._source = source
        self._columns = source.key_columns
        self._file = file
        self._batch = batch
        self._positions = positions
        self._count = batch.num_rows
        self._rows: IntArray = np.arange(self._count)
        self._bad = np.zeros(self._count, bool)
        self._rejects: list[Reject] = []

    def read(self) -> Keys:
        """The keys, and the rows that cannot be used."""
        columns, total = self._columns, self._count
        filtered = self._pass()
        label = self._source.columns[columns.label]
        values = self._batch.column(columns.label)
        found, wrong = label.labels(values, self._source.labels)
        for at in np.flatnonzero(found < 0).tolist():
            shown = arrow_types.shown(values[at])
            what = f"{shown} is no {label.label_dtype} label" if wrong[at] else "the label is missing"
            self._refuse(at, "label", f"column {columns.label!r}: {what}.")
        for name in (columns.split, *columns.row_id):
            if name:
                self._refuse_missing(name)
        codes = np.full(total, -1, np.int64)
        codes[self._rows] = found
        keys = Keys(codes, self._source.labels.labels, splits=self._splits(), filtered=filtered, rejects=self._rejects)
        if columns.weight:
            keys.weights = self._weights(columns.weight)
        codes[self._bad] = -1
        if columns.split:
            text = arrow_types.as_text(self._batch.column(columns.split))
            keys.split_values = spread(text, self._rows, total)
        return keys

    def _pass(self) -> int:
        """Takes out the rows that `--where` leaves out, and those it cannot judge; counts the former."""
        where = self._columns.where
        if where is None:
            return 0
        judged = where.judge(pa.Table.from_batches([self._batch]).select(list(where.columns)))
        hidden = any(name in self._source.selection.dropped for name in where.columns)
        for at, why in judged.wrong.items():
            shown = "" if hidden else f": {why}"
            self._refuse(at, "where", f"--where cannot be computed for this row{shown}.")
        filtered = int(np.count_nonzero(~judged.passes & ~self._bad))
        self._rows = np.flatnonzero(judged.passes)
        self._batch = self._batch.filter(pa.array(judged.passes))
        return filtered

    def _splits(self) -> IntArray | None:
        time = self._columns.time
        if time is None:
            return None
        values = self._batch.column(time.column)
        found, wrong = time.splits(values)
        for at in np.flatnonzero(wrong).tolist():
            shown = self._source.selection.shown(time.column, arrow_types.plain(values[at]))
            self._refuse(at, "time", f"column {time.column!r} of --split_time: {shown} is no time.")
        self._refuse_missing(time.column)
        splits = np.zeros(self._count, np.int64)
        splits[self._rows] = found
        return splits

    def _weights(self, name: str) -> FloatArray:
        weights = np.zeros(self._count)
        weights[self._rows] = float_weights(self._batch.column(name), name, self._file)
        usable = self._rows[~self._bad[self._rows]]
        kind, selection = self._source.format, self._source.selection
        check_weights(weights[usable], self._file, self._positions()[usable], name, kind, selection)
        return weights

    def _refuse_missing(self, name: str) -> None:
        missing = self._batch.column(name).is_null().to_numpy(zero_copy_only=False)
        for at in np.flatnonzero(missing).tolist():
            self._refuse(at, "missing", f"column {name!r} is missing.")

    def _refuse(self, at: int, reason: str, message: str) -> None:
        """Notes a bad row of the batch, with the first reason found."""
        row = int(self._rows[at])
        if not self._bad[row]:
            self._bad[row] = True
            raw = raw_row(self._batch, at, self._source.selection)
            self._rejects.append(Reject(row, int(self._positions()[row]), reason, message, raw))


def raw_row(rows: pa.RecordBatch | pa.Table, row: int, selection: Selection) -> bytes:
    """One row as JSON, for `rejected/`; the values of dropped columns are masked."""
    one = rows.slice(row, 1)
    shown = {
        name: MASK if name in selection.dropped else arrow_types.plain(one.column(name)[0]) for name in one.schema.names
    }
    return json.dumps(shown, default=str).encode()[:RAW_LIMIT]


def float_weights(column: pa.Array | pa.ChunkedArray, name: str, file: SourceFile) -> FloatArray:
    """Original weights [n].

    Raises:
      SourceError: the column does not hold numbers.
    """
    try:
        values: FloatArray = np.asarray(column.cast(pa.float64()))
    except pa.ArrowException as error:
        raise SourceError(f"{file.path}: column {name!r} of --weight_in is {column.type}, not a number.") from error
    return values
