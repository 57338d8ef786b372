"""Pass 1 over records: their key columns, and why records cannot be used.

Most rows come from Arrow columns. Where a column has nothing to say of a row, protobuf parses that
record alone, which also finds the words for what is wrong with it.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import pyarrow as pa

from beam_jobs.sources.block import RAW_LIMIT, FloatArray, IntArray, Keys, Reject
from beam_jobs.sources.columns import Selection, check_weights
from beam_jobs.sources.declared_features import contradiction
from beam_jobs.sources.files import SourceFile
from beam_jobs.sources.tfrecord_features import (
    Features,
    counts_of,
    label_of,
    text_of,
    time_of,
    weight_of,
)
from beam_jobs.sources.tfrecord_values import BoolArray, Payload, compared_values, is_null, numbers_of, texts_of
from tfrecord_io.errors import SourceError
from tfrecord_io.example_drop import drop_features
from tfrecord_io.example_proto import parse_example
from tfrecord_io.hashing import UInt64Array

if TYPE_CHECKING:
    from beam_jobs.sources.tfrecord import TFRecordSource

_Found = TypeVar("_Found")


class KeyReader:
    """Reads the keys of n records, once.

    Args:
      source: whose records they are.
      file: the file they are in.
      payload: gives a record by its index.
      positions: where they lie in the file [n].
      columns: the key columns [n], null where a feature is missing or unfit.
      compared: those of `--where` likewise, and which records are unfit in them, and why.
    """

    def __init__(
        self,
        source: TFRecordSource,
        file: SourceFile,
        payload: Payload,
        positions: UInt64Array,
        columns: pa.RecordBatch,
        compared: tuple[pa.RecordBatch, Mapping[int, str]] | None,
    ) -> None:
        self._source = source
        self._columns = source.key_columns
        self._file = file
        self._payload = payload
        self._positions = positions
        self._batch = columns
        self._compared = compared
        self._open = np.ones(len(positions), bool)
        self._rejects: list[Reject] = []
        self._parsed: dict[int, Features] = {}

    def read(self) -> Keys:
        """The keys, and the records that cannot be used."""
        columns = self._columns
        filtered = self._pass()
        codes = self._labels()
        split_values = self._texts(columns.split) if columns.split else None
        for name in columns.row_id:
            self._others(name, is_null(self._batch.column(name)), "type", functools.partial(text_of, name=name))
        splits = self._splits()
        weights = self._weights()
        codes[~self._open] = -1
        keys = Keys(codes, self._source.labels.labels, weights, split_values, splits, filtered)
        if self._rejects:
            keys.rejects = self._with_text()
        return keys

    def _pass(self) -> int:
        """Closes the records that `--where` leaves out, and those it cannot judge; counts the former."""
        where = self._columns.where
        if where is None or self._compared is None:
            return 0
        columns, wrong = self._compared
        for row, why in wrong.items():
            if self._features(row) is not None:
                self._refuse(row, "type", why)
        judged = where.judge(pa.table([compared_values(c) for c in columns.columns], columns.schema.names))
        hidden = any(name in self._source.selection.dropped for name in where.columns)
        for row, why in judged.wrong.items():
            shown = "" if hidden else f": {why}"
            self._refuse(row, "where", f"--where cannot be computed for this row{shown}.")
        filtered = int(np.count_nonzero(~judged.passes & self._open))
        self._open &= judged.passes
        return filtered

    def _labels(self) -> IntArray:
        """The code of each label [n], -1 where there is none."""
        name, source = self._columns.label, self._source
        rows = np.flatnonzero(self._open)
        column = self._batch.column(name)
        encoded = (column if len(rows) == len(column) else column.take(pa.array(rows))).dictionary_encode()
        known = np.append(source.labels.codes(encoded.dictionary), -1)
        codes = np.full(len(column), -1, np.int64)
        codes[rows] = known[encoded.indices.fill_null(len(known) - 1).to_numpy(zero_copy_only=False)]
        self._others(name, codes < 0, "label", self._check_label)
        return codes

    def _check_label(self, features: Features) -> None:
        """Finds the words for what is wrong with a label."""
        name, source = self._columns.label, self._source
        declared = [field for field in source.declared if field.name == name]
        why = contradiction(declared, counts_of(features)) if name in features else None
        if why:
            raise SourceError(why)
        label_of(features, name, source.label_dtype)

    def _texts(self, name: str) -> pa.LargeBinaryArray:
        """A column as text, for splits and ids."""
        column = self._batch.column(name)
        return texts_of(column, self._others(name, is_null(column), "type", functools.partial(text_of, name=name)))

    def _splits(self) -> IntArray | None:
        time = self._columns.time
        if time is None:
            return None
        name, dtype = time.column, self._source.dtypes[time.column]
        values = self._batch.column(name)
        self._others(name, is_null(values), "time", functools.partial(time_of, name=name, dtype=dtype))
        found, wrong = time.splits(values)
        for row in np.flatnonzero(wrong & self._open).tolist():
            shown = self._source.selection.shown(name, values[row].as_py())
            self._refuse(row, "time", f"feature {name!r} of --split_time: {shown} is no time.")
        return found

    def _weights(self) -> FloatArray | None:
        name = self._columns.weight
        if not name:
            return None
        column = self._batch.column(name)
        unknown = is_null(column) | pa.types.is_large_binary(column.type)
        found = self._others(name, unknown, "weight", functools.partial(weight_of, name=name))
        weights = numbers_of(column, found)
        usable = np.flatnonzero(self._open)
        kind, selection = self._source.format, self._source.selection
        check_weights(weights[usable], self._file, self._positions[usable], name, kind, selection)
        return weights

    def _others(
        self, name: str, unknown: BoolArray, reason: str, read: Callable[[Features], _Found]
    ) -> dict[int, _Found]:
        """Reads one column of the open records of which Arrow's says nothing; refuses those where that fails."""
        found: dict[int, _Found] = {}
        for row in np.flatnonzero(unknown & self._open).tolist():
            features = self._features(row)
            if features is None:
                continue
            try:
                found[row] = read(features)
            except SourceError as error:
                missing = reason != "label" and not features.get(name, (None, []))[1]
                self._refuse(row, "missing" if missing else reason, str(error))
        return found

    def _features(self, row: int) -> Features | None:
        """A record as protobuf parses it; one that is no Example is refused."""
        if row not in self._parsed:
            try:
                self._parsed[row] = parse_example(self._payload(row))
            except SourceError as error:
                self._refuse(row, "record", str(error))
                return None
        return self._parsed[row]

    def _refuse(self, row: int, reason: str, message: str) -> None:
        """Notes a bad record, with the first reason found."""
        if self._open[row]:
            self._open[row] = False
            self._rejects.append(Reject(row, int(self._positions[row]), reason, message, b""))

    def _with_text(self) -> list[Reject]:
        """The bad records with their bytes; what is no Example has nothing that could be cut out of it."""
        selection = self._source.selection
        rows = [each.row for each in self._rejects if each.reason != "record" or not selection.dropped]
        payloads = pa.array([self._payload(row) for row in rows], pa.large_binary())
        raw = dict(zip(rows, shown_records(payloads, selection), strict=True))
        return [dataclasses.replace(each, raw=raw.get(each.row, b"")) for each in self._rejects]


def shown_records(payloads: pa.LargeBinaryArray, selection: Selection) -> list[bytes]:
    """Examples for `rejected/`, without the features that are dropped."""
    if selection.dropped and len(payloads):
        payloads = drop_features(payloads, selection.dropped)
    return [payload[:RAW_LIMIT] for payload in payloads.to_pylist()]
