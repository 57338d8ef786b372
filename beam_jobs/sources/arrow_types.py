"""Arrow types of Parquet columns to the three that Examples hold.

    integers                     int64 (uint64 above 2**63 - 1: the row is rejected)
    bool                         int64, 0 or 1
    float16, float32, float64    float32
    string, binary, dictionary   bytes
    lists of these               the same, any number of values; fixed-size lists keep their size

Decimals, dates, times and everything nested need a declared type in `--schema`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from beam_jobs.sources.block import IntArray
from beam_jobs.sources.csv_types import BoolArray, to_float32
from beam_jobs.sources.declared import DeclaredField, manifest_entry
from beam_jobs.sources.label_table import LabelTable
from beam_jobs.sources.moments import moments_of_column
from tfrecord_io import labels
from tfrecord_io.labels import Label

_SHOWN = 100


@dataclass(frozen=True)
class ArrowColumn:
    """How one column is stored. `dtype` and `shape` as in the manifest."""

    type: pa.DataType
    dtype: str
    shape: list[int] | None
    declared: DeclaredField | None = None

    @property
    def label_dtype(self) -> str:
        """The dtype of labels in this column; booleans are labels of their own dtype."""
        is_bool = pa.types.is_boolean(self.type) or (self.declared is not None and self.declared.dtype == "bool")
        return "bool" if is_bool and self.dtype == "int64" else self.dtype

    def in_manifest(self) -> Mapping[str, Any]:
        """The column as the manifest lists it."""
        return manifest_entry(self.dtype, self.shape, self.declared.default if self.declared else None)

    def convert(self, column: pa.Array) -> tuple[pa.Array, dict[int, str]]:
        """The column as it is stored, and the rows it cannot be stored for: row -> why.

        Raises:
          pa.ArrowNotImplementedError: values of this type can never be stored so.
        """
        if not is_list(self.type):
            stored, wrong = self._values(column)
            bad = {row: f"{shown(column[row])} is no {self._noun}" for row in np.flatnonzero(wrong).tolist()}
        else:
            stored, bad = self._lists(column)
        if self.declared and self.declared.required and column.null_count:
            missing = np.flatnonzero(column.is_null().to_numpy(zero_copy_only=False))
            bad |= dict.fromkeys(missing.tolist(), "the value is missing, which --schema says is REQUIRED")
        return stored, bad

    def _lists(self, column: pa.Array) -> tuple[pa.Array, dict[int, str]]:
        lists = column.cast(pa.large_list(value_type(self.type)))
        flat, wrong = self._values(lists.flatten())
        missing = flat.is_null().to_numpy(zero_copy_only=False)
        lengths = pc.list_value_length(lists).fill_null(0).to_numpy(zero_copy_only=False)
        rows = np.repeat(np.arange(len(column)), lengths)
        bad = {row: f"a value in {shown(column[row])} is no {self._noun}" for row in set(rows[wrong].tolist())}
        for row in set(rows[missing & ~wrong].tolist()):
            bad.setdefault(row, f"a value in {shown(column[row])} is missing")
        if self.shape:
            other = (lengths != self.shape[0]) & column.is_valid().to_numpy(zero_copy_only=False)
            for row in np.flatnonzero(other).tolist():
                bad[row] = f"a list of {lengths[row]} values, where --schema says {self.shape[0]}"
        offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
        flat = pc.fill_null(flat, b"" if self.dtype == "bytes" else 0)
        mask = column.is_null() if column.null_count else None
        return pa.LargeListArray.from_arrays(pa.array(offsets), flat, mask=mask), bad

    def _values(self, values: pa.Array) -> tuple[pa.Array, BoolArray]:
        if pa.types.is_dictionary(values.type):
            values = values.dictionary_decode()
        if self.declared and self.declared.moment:
            return moments_of_column(values, self.declared.moment)
        if self.declared and self.declared.dtype == "bool" and not pa.types.is_boolean(values.type):
            return _truths(values)
        return _convert_values(values, self.dtype)

    @property
    def _noun(self) -> str:
        if self.declared is None:
            return f"{self.dtype} that can be stored: it is too large. Declare the column in --schema"
        return f"{self.declared.moment or self.declared.dtype}, which --schema says it is"

    def labels(self, column: pa.Array, table: LabelTable) -> tuple[IntArray, BoolArray]:
        """Codes in a table of `label` [n] (-1: none), and which rows hold a value that is no label."""
        if pa.types.is_null(column.type):
            return np.full(len(column), -1, np.int64), np.zeros(len(column), bool)
        decoded = column.dictionary_decode() if pa.types.is_dictionary(column.type) else column
        if pa.types.is_float16(decoded.type):  # dictionary_encode has no kernel for them
            decoded = decoded.cast(pa.float32())
        encoded = decoded.dictionary_encode()
        values, wrong = self._values(encoded.dictionary)
        known = np.append(np.where(wrong, -1, table.codes(values)), -1)
        indices = encoded.indices.fill_null(len(known) - 1).to_numpy(zero_copy_only=False)
        codes = known[indices]
        return codes, (codes < 0) & (indices < len(known) - 1)

    def label(self, value: Any) -> Label | None:
        """The label for a stored value; None for none, `ValueError` where it is no label."""
        if value is None:
            return None
        if self.label_dtype == "bool":
            return bool(value)
        if self.dtype == "bytes":
            return labels.from_bytes(value)
        return int(value) if self.dtype == "int64" else labels.from_float(value)


def is_list(kind: pa.DataType) -> bool:
    """Whether a column of this type holds lists."""
    checks = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
    return any(check(kind) for check in checks)


def value_type(kind: pa.DataType) -> pa.DataType:
    """The type of the values in a column's lists, or of the column."""
    return kind.value_type if is_list(kind) else kind


def as_text(column: pa.Array) -> pa.Array:
    """Values as bytes: text and binary as they are, others as Arrow writes them."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    kind = column.type
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind):
        return column.cast(pa.large_binary())
    return column.cast(pa.large_string()).cast(pa.large_binary())


def natural_dtype(kind: pa.DataType) -> str | None:
    """The dtype of a type that needs no declaration; None for others."""
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


def _truths(values: pa.Array) -> tuple[pa.Array, BoolArray]:
    """Integers as the 0 and 1 of booleans, and which are neither."""
    if not pa.types.is_integer(values.type):
        raise pa.ArrowNotImplementedError(f"{values.type} is no boolean")
    numbers, bad = _cast(values, pa.int64())
    other = pc.invert(pc.is_in(numbers, pa.array([0, 1]))).to_numpy(zero_copy_only=False)
    return numbers, bad | (other & numbers.is_valid().to_numpy(zero_copy_only=False))


def plain(value: pa.Scalar) -> Any:
    """The value in Python; as text where Python has none like it: nanoseconds, the year 20000."""
    try:
        return value.as_py()
    except (ValueError, OverflowError):
        if is_list(value.type):
            return [plain(each) for each in value.values]
        if pa.types.is_temporal(value.type):
            return value.cast(pa.string()).as_py()
        return str(value.cast(pa.binary()).as_py())  # text that is no UTF-8


def shown(value: pa.Scalar) -> str:
    """A value for a message, shortened."""
    text = str(plain(value))
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "..."


def _convert_values(values: pa.Array, dtype: str) -> tuple[pa.Array, BoolArray]:
    if dtype == "bytes":
        return as_text(values), np.zeros(len(values), bool)
    if dtype == "float32":
        numbers, bad = _cast(values, pa.float64())
        single, too_large = to_float32(numbers)
        return single, bad | too_large
    return _cast(values, pa.int64())


def _cast(values: pa.Array, kind: pa.DataType) -> tuple[pa.Array, BoolArray]:
    """Casts all at once where that works, else each distinct value."""
    try:
        return _cast_exactly(values, kind), np.zeros(len(values), bool)
    except pa.ArrowInvalid:
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
    except pa.ArrowInvalid:
        return None
