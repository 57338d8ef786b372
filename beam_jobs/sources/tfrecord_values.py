"""Columns of records as what the job makes of them: text for ids and splits, numbers, values to compare.

Where a column has nothing to say of a row, others are given for it, or protobuf parses that record.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from beam_jobs.sources.block import FloatArray
from beam_jobs.sources.tfrecord_features import text_of, weight_of
from tfrecord_io.errors import SourceError
from tfrecord_io.example_proto import parse_example

Payload = Callable[[int], bytes]
"""The bytes of a record."""

BoolArray = npt.NDArray[np.bool_]


def compared_values(column: pa.Array) -> pa.Array:
    """A feature as `--where` compares it: text, and floats in double precision."""
    if pa.types.is_large_binary(column.type):
        return column.cast(options=pc.CastOptions(pa.string(), allow_invalid_utf8=True))
    return column.cast(pa.float64()) if pa.types.is_float32(column.type) else column


def read_texts(batch: pa.RecordBatch, payload: Payload, names: Sequence[str]) -> list[pa.Array]:
    """Columns [n] as text; null where a record has none of them that can be used."""
    missing = np.zeros(batch.num_rows, bool)
    for name in names:
        missing |= is_null(batch.column(name))
    others: dict[int, list[bytes | None]] = {}
    for row in np.flatnonzero(missing).tolist():
        others[row] = [None] * len(names)
        with contextlib.suppress(SourceError):
            features = parse_example(payload(row))
            others[row] = [text_of(features, name) for name in names]
    return [
        texts_of(batch.column(name), {row: texts[at] for row, texts in others.items()}) for at, name in enumerate(names)
    ]


def read_weights(column: pa.Array, payload: Payload, name: str) -> FloatArray:
    """A column [n] of the key columns as numbers, NaN where it is missing.

    Raises:
      SourceError: one of them is no number.
    """
    rows = np.flatnonzero(is_null(column) | pa.types.is_large_binary(column.type)).tolist()
    return numbers_of(column, {row: weight_of(parse_example(payload(row)), name) for row in rows})


def numbers_of(column: pa.Array, others: Mapping[int, float]) -> FloatArray:
    """A column [n] as numbers; `others` go to the rows that they name."""
    if pa.types.is_large_binary(column.type):
        numbers = np.ones(len(column))
    else:
        numbers = column.cast(pa.float64(), safe=False).fill_null(1.0).to_numpy().copy()
    numbers[list(others)] = list(others.values())
    return numbers


def texts_of(column: pa.Array, others: Mapping[int, bytes | None]) -> pa.LargeBinaryArray:
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


def is_null(column: pa.Array) -> BoolArray:
    """Which rows of a column [n] are null."""
    missing: BoolArray = column.is_null().to_numpy(zero_copy_only=False)
    return missing
