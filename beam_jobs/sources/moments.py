"""Dates and times as int64, in one unit whatever the file's: days for dates, microseconds for the others.

DATE and DATETIME count from 1970-01-01, TIMESTAMP from there in UTC, TIME from midnight.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

MOMENT_TYPES = {
    "DATE": pa.date32(),
    "TIME": pa.time64("us"),
    "DATETIME": pa.timestamp("us"),
    "TIMESTAMP": pa.timestamp("us", "UTC"),
}
MOMENTS = tuple(MOMENT_TYPES)
"""The declared types that are dates and times."""

_FITS = {
    "DATE": pa.types.is_date,
    "TIME": pa.types.is_time,
    "DATETIME": pa.types.is_timestamp,
    "TIMESTAMP": pa.types.is_timestamp,
}
_ZONE = r"(Z|:[0-9]{2}(\.[0-9]+)?[+-][0-9]{2}(:?[0-9]{2})?)$"

BoolArray = npt.NDArray[np.bool_]


def moments_of_text(text: pa.Array, kind: str) -> tuple[pa.Array, BoolArray]:
    """Int64s from ISO 8601 strings [n], and which of them are none.

    A TIMESTAMP without a zone is UTC; `2024-05-01 12:34:56 UTC`, as BigQuery writes it, is one too.
    Digits below a microsecond do not fit.
    """
    # Arrow reads no times without a date.
    return _counted(_completed(text, kind), pa.timestamp("us") if kind == "TIME" else MOMENT_TYPES[kind])


def moments_of_column(values: pa.Array, kind: str) -> tuple[pa.Array, BoolArray]:
    """Int64s from a column of dates, times or text [n], and which values are not whole in the unit.

    Raises:
      pa.ArrowNotImplementedError: the column is of another sort: a date is no time.
    """
    if pa.types.is_string(values.type) or pa.types.is_large_string(values.type):
        return moments_of_text(values, kind)
    if not _FITS[kind](values.type):
        raise pa.ArrowNotImplementedError(f"{values.type} is no {kind}")
    # A zone tells how to show a timestamp; what is stored counts in UTC with any.
    zoned = pa.types.is_timestamp(values.type)
    return _counted(values, pa.timestamp("us", values.type.tz) if zoned else MOMENT_TYPES[kind])


def _completed(text: pa.Array, kind: str) -> pa.Array:
    """What Arrow reads, of what people and BigQuery write."""
    if kind == "TIME":
        return pc.binary_join_element_wise(pa.scalar("1970-01-01", text.type), text, pa.scalar(" ", text.type))
    if kind != "TIMESTAMP":
        return text
    text = pc.replace_substring_regex(text, " UTC$", "Z")
    text = pc.replace_substring_regex(text, "^([0-9]{4}-[0-9]{2}-[0-9]{2})$", r"\1 00:00:00")
    in_utc = pc.binary_join_element_wise(text, pa.scalar("Z", text.type), pa.scalar("", text.type))
    return pc.if_else(pc.match_substring_regex(text, _ZONE), text, in_utc)


def _counted(values: pa.Array, target: pa.DataType) -> tuple[pa.Array, BoolArray]:
    """Casts all at once where that works, else each distinct value."""
    try:
        return _numbers(values.cast(target)), np.zeros(len(values), bool)
    except pa.ArrowInvalid:
        encoded = values.dictionary_encode()
        numbers = [_number(encoded.dictionary.slice(i, 1), target) for i in range(len(encoded.dictionary))]
        found = pa.array(numbers, pa.int64()).take(encoded.indices)
        return found, pc.and_(found.is_null(), values.is_valid()).to_numpy(zero_copy_only=False)


def _number(value: pa.Array, target: pa.DataType) -> int | None:
    try:
        return int(_numbers(value.cast(target))[0].as_py())
    except pa.ArrowInvalid:
        return None


def _numbers(values: pa.Array) -> pa.Array:
    return values.cast(pa.int32() if pa.types.is_date32(values.type) else pa.int64()).cast(pa.int64())
