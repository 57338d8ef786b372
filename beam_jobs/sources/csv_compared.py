"""CSV columns in the types in which `--where` and `--split_time` compare them."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from beam_jobs.sources.csv_types import BoolArray, ColumnType, to_bool, to_float, to_int64, to_moment
from beam_jobs.sources.moments import MOMENT_TYPES

_COMPARED = {"int64": pa.int64(), "float32": pa.float64(), "bytes": pa.string(), "bool": pa.bool_()}


def compared_type(kind: ColumnType) -> pa.DataType:
    """The Arrow type in which a column is compared: floats as exactly as they are written, times as times."""
    return MOMENT_TYPES[kind.moment] if kind.moment else _COMPARED[kind.dtype]


def to_value(text: pa.Array, kind: ColumnType) -> tuple[pa.Array, BoolArray]:
    """Values of the type in which a column is compared, and which texts hold none: not to be stored."""
    if kind.moment:
        numbers, bad = to_moment(text, kind.moment)
        return numbers.cast(pa.int32()).cast(pa.date32()) if kind.moment == "DATE" else numbers.cast(
            compared_type(kind)
        ), bad
    if kind.dtype == "int64":
        return to_int64(text, kind.declared)
    if kind.dtype == "float32":
        return to_float(text)
    if kind.dtype == "bool":
        numbers, bad = to_bool(text)
        return numbers.cast(pa.bool_()), bad
    return text.cast(options=pc.CastOptions(pa.string(), allow_invalid_utf8=True)), np.zeros(len(text), bool)
