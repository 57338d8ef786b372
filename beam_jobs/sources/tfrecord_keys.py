"""The key columns of a block of records: labels, weights, splits and ids.

Most rows come from Arrow columns. Where a column has nothing to say of a row, protobuf parses that
record alone, which also finds the words for what is wrong with it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from beam_jobs.sources.block import FloatArray, IntArray, KeyColumns, Keys
from beam_jobs.sources.tfrecord_features import Features, label_of, single_of, text_of, to_label, weight_of
from tfrecord_io.errors import SourceError
from tfrecord_io.example_proto import parse_example
from tfrecord_io.labels import Label

Payload = Callable[[int], bytes]
"""The bytes of a record."""


def read_keys(batch: pa.RecordBatch, payload: Payload, columns: KeyColumns, dtype: str) -> tuple[Keys, dict[int, str]]:
    """What pass 1 asks of n records, and why some of them are bad rows.

    Args:
      batch: the key columns [n], null where a feature is missing or unfit.
      payload: gives a record by its index.
      columns: their names.
      dtype: of the label.
    """
    found: dict[Label, int] = {}
    codes = _label_codes(batch, columns, found)
    parsed: dict[int, Features] = {}
    bad: dict[int, str] = {}
    for row in np.flatnonzero(codes < 0).tolist():
        try:
            features = parse_example(payload(row))
            label = label_of(features, columns.label, dtype)
            for name in (columns.split, *columns.row_id):
                if name:
                    single_of(features, name)
            if columns.weight:
                weight_of(features, columns.weight)
        except SourceError as error:
            bad[row] = str(error)
            continue
        codes[row] = found.setdefault(label, len(found))
        parsed[row] = features
    keys = Keys(codes, list(found))
    if columns.weight:
        name = columns.weight
        keys.weights = _numbers(
            batch.column(name), {row: weight_of(features, name) for row, features in parsed.items()}
        )
    if columns.split:
        name = columns.split
        keys.split_values = _texts(
            batch.column(name), {row: text_of(features, name) for row, features in parsed.items()}
        )
    return keys, bad


def read_texts(batch: pa.RecordBatch, payload: Payload, names: Sequence[str]) -> list[pa.Array]:
    """Columns [n] as text; null where a record has none of them that can be used."""
    missing = np.zeros(batch.num_rows, bool)
    for name in names:
        missing |= _is_null(batch.column(name))
    others: dict[int, list[bytes | None]] = {}
    for row in np.flatnonzero(missing).tolist():
        others[row] = [None] * len(names)
        with contextlib.suppress(SourceError):
            features = parse_example(payload(row))
            others[row] = [text_of(features, name) for name in names]
    return [
        _texts(batch.column(name), {row: texts[at] for row, texts in others.items()}) for at, name in enumerate(names)
    ]


def read_weights(column: pa.Array, payload: Payload, name: str) -> FloatArray:
    """A column [n] of the key columns as numbers, NaN where it is missing.

    Raises:
      SourceError: one of them is no number.
    """
    rows = np.flatnonzero(_is_null(column) | pa.types.is_large_binary(column.type)).tolist()
    return _numbers(column, {row: weight_of(parse_example(payload(row)), name) for row in rows})


def _label_codes(batch: pa.RecordBatch, columns: KeyColumns, found: dict[Label, int]) -> IntArray:
    """Each record's label as an index into `found` [n], which grows; -1 where not all key columns can be used."""
    codes = np.full(batch.num_rows, -1, np.int64)
    fine = np.ones(batch.num_rows, bool)
    for name in columns.names:
        fine &= ~_is_null(batch.column(name))
    if columns.weight and pa.types.is_large_binary(batch.column(columns.weight).type):
        return codes
    rows = np.flatnonzero(fine)
    encoded = batch.column(columns.label).take(pa.array(rows)).dictionary_encode()
    table = []
    for value in encoded.dictionary.to_pylist():
        try:
            table.append(found.setdefault(to_label(value), len(found)))
        except ValueError:  # noqa: PERF203 - few distinct values
            table.append(-1)
    codes[rows] = np.array(table, np.int64)[encoded.indices.to_numpy()]
    return codes


def _numbers(column: pa.Array, others: Mapping[int, float]) -> FloatArray:
    if pa.types.is_large_binary(column.type):
        numbers = np.ones(len(column))
    else:
        numbers = column.cast(pa.float64(), safe=False).fill_null(1.0).to_numpy().copy()
    numbers[list(others)] = list(others.values())
    return numbers


def _texts(column: pa.Array, others: Mapping[int, bytes | None]) -> pa.LargeBinaryArray:
    """A column [n] as text, as `text_of` writes it; `others` go to the rows that they name."""
    if pa.types.is_int64(column.type):
        column = column.cast(pa.large_string()).cast(pa.large_binary())
    elif pa.types.is_float32(column.type):
        encoded = column.view(pa.int32()).dictionary_encode()  # by their bits: -0.0 is not 0.0
        texts = [str(value).encode() for value in encoded.dictionary.to_numpy().view(np.float32)]
        column = pa.array(texts, pa.large_binary()).take(encoded.indices)
    if not others:
        return column
    places = np.arange(len(column))
    places[list(others)] = len(column) + np.arange(len(others))
    return pa.concat_arrays([column, pa.array(list(others.values()), pa.large_binary())]).take(pa.array(places))


def _is_null(column: pa.Array) -> npt.NDArray[np.bool_]:
    missing: npt.NDArray[np.bool_] = column.is_null().to_numpy(zero_copy_only=False)
    return missing
