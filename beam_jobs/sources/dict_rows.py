"""Dicts to Arrow record batches of a given schema: each value exactly, or its row is a bad one.

A value fits by itself or not at all, so it makes no difference which rows are converted together.
"""

from __future__ import annotations

import dataclasses
import datetime
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import pyarrow as pa

from beam_jobs.sources.block import RAW_LIMIT
from beam_jobs.sources.columns import suggest
from beam_jobs.sources.declared import DeclaredField
from tfrecord_io.errors import SourceError, UsageError

_SHOWN = 80
_CANNOT = (pa.ArrowException, ArithmeticError, TypeError, ValueError)
_ARROW_TYPES = {
    "INTEGER": pa.int64(),
    "FLOAT": pa.float64(),
    "STRING": pa.string(),
    "BYTES": pa.binary(),
    "BOOLEAN": pa.bool_(),
}


@dataclass(frozen=True)
class Misfit:
    """A row with a value that its column cannot hold: its index, why, and the row as JSON."""

    row: int
    message: str
    raw: bytes

    def moved(self, rows: int) -> Misfit:
        """The same row, so many rows further on."""
        return dataclasses.replace(self, row=self.row + rows)


def schema_of(declared: Sequence[DeclaredField]) -> pa.Schema:
    """The Arrow schema of dicts whose columns are declared like BigQuery's.

    Raises:
      UsageError: a type that has no Arrow type of its own here.
    """
    fields = []
    for field in declared:
        kind = _ARROW_TYPES.get(field.type)
        if kind is None:
            raise UsageError(
                f"schema: column {field.name!r} has type {field.type}; for dicts, the types are "
                f"{', '.join(_ARROW_TYPES)}. Give Presample a pyarrow.Schema for other ones."
            )
        fields.append((field.name, pa.list_(kind) if field.repeated or field.length else kind))
    return pa.schema(fields)


def to_batch(rows: Sequence[Mapping[str, Any]], schema: pa.Schema) -> tuple[pa.RecordBatch, list[Misfit]]:
    """Converts n rows. A key that is not there is a missing value.

    Returns:
      The batch [n], with nothing in place of values that do not fit, and the rows that have such.

    Raises:
      SourceError: a row has a key that the schema does not name.
    """
    names = schema.names
    known = frozenset(names)
    if not all(map(known.issuperset, rows)):
        extra = next(str(key) for row in rows for key in row if key not in known)
        raise SourceError(
            f"A row of the PCollection has the key {extra!r}, which the schema does not name. "
            f"{suggest(extra, names)}Name it there, or take it out of the rows."
        )
    reasons: dict[int, str] = {}
    columns = []
    for field in schema:
        column, wrong = _column([row.get(field.name) for row in rows], field.type)
        columns.append(column)
        for row in wrong:
            shown = repr(rows[row][field.name])
            shown = shown if len(shown) <= _SHOWN else shown[:_SHOWN] + "..."
            reasons.setdefault(row, f"column {field.name!r}: {shown} is no {field.type}.")
    misfits = [
        Misfit(row, why, json.dumps(rows[row], default=str).encode()[:RAW_LIMIT]) for row, why in reasons.items()
    ]
    return pa.RecordBatch.from_arrays(columns, names=names), misfits


def _column(values: list[Any], kind: pa.DataType) -> tuple[pa.Array, list[int]]:
    """The column, and the rows whose value it cannot hold exactly."""
    try:
        if _exact_types(values, kind):
            column = pa.array(values, kind)
            if not _may_overflow(kind) or not np.isinf(column.to_numpy(zero_copy_only=False)).any():
                return column, []
    except _CANNOT:
        pass
    wrong = [row for row, value in enumerate(values) if value is not None and not _fits(value, kind)]
    for row in wrong:
        values[row] = None
    return pa.array(values, kind), wrong


def _exact_types(values: list[Any], kind: pa.DataType) -> bool:
    """Whether Arrow converts values of these Python types as they are, or refuses: it cuts 1.5 to 1, say."""
    if _is_list(kind):
        if _may_overflow(kind.value_type):
            return False
        return _exact_types(list(chain.from_iterable(v for v in values if v is not None)), kind.value_type)
    if pa.types.is_integer(kind):
        return all(issubclass(each, (int, np.integer, type(None))) for each in set(map(type, values)))
    return not pa.types.is_temporal(kind) and not pa.types.is_nested(kind)


def _fits(value: Any, kind: pa.DataType) -> bool:
    try:
        return _same(value, pa.scalar(value, kind).as_py(), kind)
    except _CANNOT:
        return False


def _same(value: Any, stored: Any, kind: pa.DataType) -> bool:
    """Whether Arrow kept a value as it was, as far as the type is one where it may not."""
    if value is None or stored is None:
        return value is None and stored is None
    if _is_list(kind):
        return all(_same(v, s, kind.value_type) for v, s in zip(value, stored, strict=True))
    if pa.types.is_floating(kind):
        return not math.isinf(stored) or math.isinf(value)
    if pa.types.is_temporal(kind) and isinstance(stored, datetime.date) and type(value) is not type(stored):
        return isinstance(value, datetime.datetime) and bool(value == stored)
    exact = pa.types.is_integer(kind) or pa.types.is_temporal(kind) or pa.types.is_nested(kind)
    return bool(value == stored) or not exact


def _may_overflow(kind: pa.DataType) -> bool:
    return bool(pa.types.is_float16(kind) or pa.types.is_float32(kind))


def _is_list(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))
