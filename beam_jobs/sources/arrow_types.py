"""Arrow types of Parquet columns to the three that Examples hold.

    integers                     int64 (uint64 above 2**63 - 1: the row is rejected)
    bool                         int64, 0 or 1
    float16, float32, float64    float32
    string, binary, dictionary   bytes
    lists of these               the same, any number of values; fixed-size lists keep their size

Decimals, dates, times and everything nested need a declared type in `--schema`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from beam_jobs.sources.block import IntArray
from beam_jobs.sources.columns import suggest
from beam_jobs.sources.csv_types import BIGQUERY_TYPES, to_float32
from tfrecord_io import labels
from tfrecord_io.errors import SourceError, UsageError
from tfrecord_io.labels import Label


@dataclass(frozen=True)
class ArrowColumn:
    """How one column is stored. `dtype` and `shape` as in the manifest."""

    type: pa.DataType
    dtype: str
    shape: list[int] | None
    required: bool = False

    @property
    def label_dtype(self) -> str:
        """The dtype of labels in this column; booleans are labels of their own dtype."""
        return "bool" if pa.types.is_boolean(self.type) and self.dtype == "int64" else self.dtype

    @property
    def why_not(self) -> str:
        """What a value is that `convert` refuses."""
        return f"missing, too large, or no {self.dtype}"

    def convert(self, column: pa.Array) -> tuple[pa.Array, npt.NDArray[np.bool_]]:
        """The column as it is stored, and which rows it cannot be stored for."""
        required = column.is_null().to_numpy(zero_copy_only=False) & self.required
        if not _is_list(self.type):
            values, bad = _convert_values(column, self.dtype)
            return values, bad | required
        lists = column.cast(pa.large_list(_value_type(self.type)))
        flat, bad_values = _convert_values(lists.flatten(), self.dtype)
        bad_values = bad_values | flat.is_null().to_numpy(zero_copy_only=False)
        lengths = pc.list_value_length(lists).fill_null(0).to_numpy(zero_copy_only=False)
        rows = np.repeat(np.arange(len(column)), lengths)  # as flatten does, without what null lists may hide
        bad = np.bincount(rows[bad_values], minlength=len(column)).astype(bool)
        offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
        flat = pc.fill_null(flat, b"" if self.dtype == "bytes" else 0)
        mask = column.is_null() if column.null_count else None
        return pa.LargeListArray.from_arrays(pa.array(offsets), flat, mask=mask), bad | required

    def labels(self, column: pa.Array) -> tuple[IntArray, list[Label], npt.NDArray[np.bool_]]:
        """Codes [n] (-1: none), the labels they index, and which rows hold a value that is no label."""
        if pa.types.is_null(column.type):
            return np.full(len(column), -1, np.int64), [], np.zeros(len(column), bool)
        decoded = column.dictionary_decode() if pa.types.is_dictionary(column.type) else column
        if pa.types.is_float16(decoded.type):  # dictionary_encode has no kernel for them
            decoded = decoded.cast(pa.float32())
        encoded = decoded.dictionary_encode()
        found: dict[Label, int] = {}
        mapping = [self._code(value, found) for value in encoded.dictionary] + [-1]
        indices = encoded.indices.fill_null(len(mapping) - 1).to_numpy(zero_copy_only=False)
        codes = np.array(mapping, np.int64)[indices]
        return codes, list(found), (codes < 0) & (indices < len(mapping) - 1)

    def _code(self, value: pa.Scalar, found: dict[Label, int]) -> int:
        try:
            label = self._label(value)
        except (ValueError, OverflowError, pa.ArrowException):
            return -1
        return found.setdefault(label, len(found))

    def _label(self, value: pa.Scalar) -> Label:
        if self.label_dtype == "bool":
            return bool(value.as_py())
        if self.dtype == "int64":
            return int(_cast_exactly(pa.array([value.as_py()], value.type), pa.int64())[0].as_py())
        if self.dtype == "float32":
            return labels.from_float(_cast_exactly(pa.array([value.as_py()], value.type), pa.float64())[0].as_py())
        return labels.from_bytes(as_text(pa.array([value.as_py()], value.type))[0].as_py())


def map_columns(schema: pa.Schema, declared: Sequence[Mapping[str, Any]], path: str) -> dict[str, ArrowColumn]:
    """How each column of a Parquet schema is stored.

    Raises:
      UsageError: `--schema` names a column that is not there or a type that is not known.
      SourceError: a column has a type without a mapping.
    """
    fields = {str(field["name"]): field for field in declared}
    if len(fields) < len(declared):
        raise UsageError("--schema names a column twice. Give each one type.")
    for name in fields:
        if name not in schema.names:
            raise UsageError(
                f"--schema: {path} has no column {name!r}. {suggest(name, schema.names)}"
                f"Its columns are {', '.join(schema.names)}."
            )
    columns = {field.name: _map_column(field, fields.get(field.name)) for field in schema}
    unknown = [f"{n} ({schema.field(n).type})" for n, column in columns.items() if column is None]
    if unknown:
        raise SourceError(
            f"{path}: no mapping for {', '.join(unknown)}. Declare what to store of dates, times and decimals in "
            "--schema: INTEGER, FLOAT or STRING. Take nested columns apart, or out of the files."
        )
    return {name: column for name, column in columns.items() if column is not None}


def refuse_lists(columns: Mapping[str, ArrowColumn], path: str) -> None:
    """Refuses key columns that hold more than one value a row.

    Raises:
      SourceError: names the first.
    """
    for name, column in columns.items():
        if _is_list(column.type):
            raise SourceError(
                f"{path}: column {name!r} holds lists ({column.type}). A label, weight, split or id column holds one "
                "value a row. Name another column."
            )


def as_text(column: pa.Array) -> pa.Array:
    """Values as bytes: text and binary as they are, others as Arrow writes them."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    kind = column.type
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind):
        return column.cast(pa.large_binary())
    return column.cast(pa.large_string()).cast(pa.large_binary())


def _map_column(field: pa.Field, declared: Mapping[str, Any] | None) -> ArrowColumn | None:
    kind = _value_type(field.type)
    shape: list[int] | None = [] if not _is_list(field.type) else None
    if pa.types.is_fixed_size_list(field.type):
        shape = [field.type.list_size]
    if pa.types.is_nested(kind):
        return None
    if declared is None:
        dtype = _natural_dtype(kind)
        return ArrowColumn(field.type, dtype, shape) if dtype else None
    name = str(declared["type"]).upper()
    if name not in BIGQUERY_TYPES:
        raise UsageError(f"--schema: column {field.name!r} has type {name}; the types are {', '.join(BIGQUERY_TYPES)}.")
    mode = str(declared.get("mode", "NULLABLE")).upper()
    if mode not in ("NULLABLE", "REQUIRED", "REPEATED"):
        raise UsageError(f"--schema: column {field.name!r} has mode {mode}; it must be NULLABLE, REQUIRED or REPEATED.")
    if (mode == "REPEATED") != _is_list(field.type):
        raise UsageError(f"--schema: column {field.name!r} has mode {mode}, but is {field.type} in the file.")
    if BIGQUERY_TYPES[name] == "bool" and not pa.types.is_boolean(kind):
        raise UsageError(f"--schema: column {field.name!r} is BOOLEAN, but {kind} in the file. Declare it INTEGER.")
    dtype = {"bool": "int64"}.get(BIGQUERY_TYPES[name], BIGQUERY_TYPES[name])
    return ArrowColumn(field.type, dtype, shape, required=mode == "REQUIRED")


def _natural_dtype(kind: pa.DataType) -> str | None:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if pa.types.is_integer(kind) or pa.types.is_boolean(kind):
        return "int64"
    if pa.types.is_floating(kind):
        return "float32"
    textual = (pa.types.is_string, pa.types.is_large_string, pa.types.is_binary, pa.types.is_large_binary)
    if any(check(kind) for check in (*textual, pa.types.is_fixed_size_binary, pa.types.is_null)):
        return "bytes"
    return None


def _convert_values(values: pa.Array, dtype: str) -> tuple[pa.Array, npt.NDArray[np.bool_]]:
    if dtype == "bytes":
        return as_text(values), np.zeros(len(values), bool)
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    if dtype == "float32":
        numbers, bad = _cast(values, pa.float64())
        single, too_large = to_float32(numbers)
        return single, bad | too_large
    return _cast(values, pa.int64())


def _cast(values: pa.Array, kind: pa.DataType) -> tuple[pa.Array, npt.NDArray[np.bool_]]:
    """Casts all at once where that works, else each distinct value."""
    try:
        return _cast_exactly(values, kind), np.zeros(len(values), bool)
    except pa.ArrowException:
        encoded = values.dictionary_encode()
        cast = [_cast_or_none(value, kind) for value in encoded.dictionary]
        result = pa.array(cast, kind).take(encoded.indices)
        bad = pc.and_(result.is_null(), values.is_valid())
        return result, bad.to_numpy(zero_copy_only=False)


def _cast_exactly(values: pa.Array, kind: pa.DataType) -> pa.Array:
    if pa.types.is_temporal(values.type):
        values = values.cast(pa.int32() if values.type.bit_width == 32 else pa.int64())
    return values.cast(kind)


def _cast_or_none(value: pa.Scalar, kind: pa.DataType) -> Any:
    try:
        return value.cast(kind).as_py()
    except pa.ArrowException:
        return None


def _is_list(kind: pa.DataType) -> bool:
    checks = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
    return any(check(kind) for check in checks)


def _value_type(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if _is_list(kind) else kind
