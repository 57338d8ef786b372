"""Text columns of drawn rows to the types they are stored as, with the rows that do not fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from beam_jobs.sources import csv_types
from beam_jobs.sources.columns import EVERYTHING, Selection
from beam_jobs.sources.csv_lines import parse_lines
from beam_jobs.sources.csv_types import BoolArray, ColumnType
from beam_jobs.sources.text import Lines
from tfrecord_io.errors import SourceError


@dataclass
class Converted:
    """Columns [n] by name, why rows cannot be used (row -> message), and the original weights [n]."""

    columns: dict[str, pa.Array]
    reasons: dict[int, str]
    weights: npt.NDArray[np.float64] | None


def convert_columns(
    lines: Lines,
    header: Sequence[str],
    types: Mapping[str, ColumnType],
    weight: str | None,
    stored: Sequence[str] | None = None,
) -> Converted:
    """The stored columns of n lines in the type they are stored as.

    Args:
      lines: lines that passed pass 1.
      header: every column's name, in order.
      types: of the columns that are read.
      weight: the column of original weights, to be had as float64.
      stored: the columns wanted, by default all; bad values in others are not looked for.

    Raises:
      SourceError: the lines are no longer what pass 1 saw.
    """
    stored = header if stored is None else stored
    raw = _read(lines, header, {name: types[name] for name in (*stored, weight) if name})
    converted = Converted({}, {}, None)
    for name, values in raw.items():
        kind = types[name]
        if name == weight:
            converted.weights = _as_float64(values)
        if name not in stored:
            continue
        numbers, bad = _convert(values, kind)
        converted.columns[name] = numbers
        for row in np.flatnonzero(bad).tolist():
            converted.reasons.setdefault(row, not_of_type(name, values[row].as_py(), kind))
        if kind.required and numbers.null_count:
            for row in np.flatnonzero(numbers.is_null().to_numpy(zero_copy_only=False)).tolist():
                converted.reasons.setdefault(row, f"column {name!r} is REQUIRED in --schema, but empty.")
    return converted


def not_of_type(name: str, value: object, kind: ColumnType, selection: Selection = EVERYTHING) -> str:
    """The message for a value that its column's type cannot hold."""
    shown = selection.shown(name, value)
    if kind.declared:
        return f"column {name!r}: {shown} is no {kind.noun}, which --schema says it is."
    return (
        f"column {name!r}: {shown} is no {kind.dtype}, which the column was inferred to be from a sample. "
        "Declare the column in --schema."
    )


def _read(lines: Lines, header: Sequence[str], types: Mapping[str, ColumnType]) -> dict[str, pa.Array]:
    """float64 for float columns where that works, else binary; missing values are null."""
    as_text: dict[str, pa.DataType] = dict.fromkeys(types, pa.binary())
    # Without "" in it, no empty field can be a quoted one, and one read tells all apart. An infinity
    # may be a number too large: only its text tells.
    if b'""' not in lines.data:
        mixed = {n: pa.float64() if types[n].dtype == "float32" else pa.binary() for n in types}
        try:
            columns = _columns(lines, header, mixed, csv_types.NUMERIC_NULLS)
            if not any(pc.any(pc.is_inf(c)).as_py() for c in columns.values() if pa.types.is_floating(c.type)):
                return {n: c if pa.types.is_floating(c.type) else _empty_to_null(c) for n, c in columns.items()}
        except pa.ArrowInvalid:
            pass
    return _columns(lines, header, as_text)


def _columns(
    lines: Lines, header: Sequence[str], wanted: Mapping[str, pa.DataType], *null_words: Sequence[str]
) -> dict[str, pa.Array]:
    parsed = parse_lines(lines, header, wanted, *null_words)
    if parsed.bad:
        raise SourceError(f"The source changed while it was read: {next(iter(parsed.bad.values()))[1]} Run again.")
    return {name: parsed.table.column(name).combine_chunks() for name in wanted}


def _empty_to_null(text: pa.Array) -> pa.Array:
    empty = pc.equal(pc.binary_length(text), 0)
    return pc.if_else(empty, pa.scalar(None, text.type), text) if pc.any(empty).as_py() else text


def _convert(values: pa.Array, kind: ColumnType) -> tuple[pa.Array, BoolArray]:
    if kind.dtype == "bytes":
        return values, np.zeros(len(values), bool)
    if kind.moment:
        return csv_types.to_moment(values, kind.moment)
    if kind.dtype == "int64":
        return csv_types.to_int64(values, kind.declared)
    if kind.dtype == "bool":
        return csv_types.to_bool(values)
    numbers, bad = (values, False) if pa.types.is_floating(values.type) else csv_types.to_float(values)
    single, too_large = csv_types.to_float32(numbers)
    return single, bad | too_large


def _as_float64(values: pa.Array) -> npt.NDArray[np.float64]:
    numbers = values if pa.types.is_floating(values.type) else csv_types.to_float(values)[0]
    found: npt.NDArray[np.float64] = numbers.to_numpy(zero_copy_only=False)
    return found
