"""Types of CSV columns: inference, and conversion of text with the bad values found.

Only int64, float32 and bytes are inferred, each widening to the next. int64 is inferred only
where the text survives the round trip: 01234 and 18446744073709551615 are bytes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from beam_jobs.sources.declared import DeclaredField, Default, manifest_entry
from beam_jobs.sources.moments import moments_of_text
from tfrecord_io import labels
from tfrecord_io.errors import UsageError
from tfrecord_io.labels import Label

NUMERIC_NULLS = ["", "NA", "NaN", "null"]
"""What means "missing" in a numeric column; in a column of bytes only unquoted nothing does."""

_PLAIN_INT = re.compile(rb"0|-?[1-9][0-9]{0,17}")
_CANONICAL_INT = r"^(0|-?[1-9][0-9]*)$"
_ANY_INT = r"^[ \t]*[+-]?[0-9]+[ \t]*$"
_CODE = r"^[ \t]*(\+[0-9]+|-?0[0-9]+)[ \t]*$"
_TRUE, _FALSE = [b"true", b"True", b"TRUE", b"1"], [b"false", b"False", b"FALSE", b"0"]

BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class ColumnType:
    """dtype is int64, float32, bytes or bool; `moment` says of which date or time an int64 is the number.

    Declared ones come from `--schema`; `shape` and `default` are what the manifest says of them.
    """

    dtype: str
    declared: bool = False
    required: bool = False
    moment: str | None = None
    shape: tuple[int, ...] = ()
    default: Default | None = None

    @property
    def stored(self) -> str:
        """The dtype in the records: booleans are stored as int64."""
        return "int64" if self.dtype == "bool" else self.dtype

    @property
    def noun(self) -> str:
        """What its values are called in messages."""
        return self.moment or self.dtype

    def in_manifest(self) -> Mapping[str, Any]:
        """The column as the manifest lists it."""
        return manifest_entry(self.stored, list(self.shape), self.default)


def declared_type(field: DeclaredField) -> ColumnType:
    """The type of one field of `--schema`.

    Raises:
      UsageError: it declares a list, which CSV cannot hold.
    """
    if field.repeated or field.length not in (None, 1):
        raise UsageError(
            f"--schema: column {field.name!r} has {field.values_a_row}, but a CSV column holds one "
            "value a row. Declare one value, or store lists in Parquet."
        )
    return ColumnType(
        field.dtype,
        declared=True,
        required=field.required,
        moment=field.moment,
        shape=() if field.length is None else (field.length,),
        default=field.default,
    )


def infer_type(text: pa.Array) -> ColumnType:
    """The narrowest type that holds every value of a sample of a column.

    Args:
      text: binary; missing values null or one of `NUMERIC_NULLS`.
    """
    values = _without_nulls(text).unique()
    values = values.filter(pc.is_valid(values))
    if not len(values):
        return ColumnType("bytes")
    if pc.all(pc.match_substring_regex(values, _CANONICAL_INT)).as_py() and not to_int64(values, False)[1].any():
        return ColumnType("int64")
    whole = values.filter(pc.match_substring_regex(values, _ANY_INT))
    code_like = pc.any(pc.match_substring_regex(whole, _CODE)).as_py() or to_int64(whole, True)[1].any()
    if not code_like and not to_float(values)[1].any():
        return ColumnType("float32")
    return ColumnType("bytes")


def to_int64(text: pa.Array, declared: bool) -> tuple[pa.Array, BoolArray]:
    """Integers from text, and which values are none.

    Args:
      text: binary [n].
      declared: allows 007 and +7, which an inferred column refuses since their text would be lost.
    """
    try:
        quick = text.cast(pa.string())
        numbers = quick.cast(pa.int64())
        if pc.all(pc.equal(numbers.cast(pa.string()), quick)).as_py() is not False:
            return numbers, np.zeros(len(numbers), bool)
    except pa.ArrowInvalid:
        pass
    strings = _ascii(_without_nulls(text))
    if declared:
        strings = pc.replace_substring_regex(pc.ascii_trim_whitespace(strings), r"^(?:\+|(-))?0*([0-9])", r"\1\2")
    well_formed = pc.match_substring_regex(strings, r"^-?[0-9]+$" if declared else _CANONICAL_INT)
    fits = pc.less_equal(pc.binary_length(strings), 18)
    if not pc.all(pc.or_(fits, pc.invert(well_formed))).as_py():
        long = pc.and_(well_formed, pc.invert(fits)).fill_null(False)
        in_range = [v is None or not -(2**63) <= int(v) < 2**63 for v in strings.filter(long).to_pylist()]
        overflow = np.zeros(len(strings), bool)
        overflow[np.flatnonzero(long.to_numpy(zero_copy_only=False))] = in_range
        well_formed = pc.and_(well_formed, pa.array(~overflow))
    bad = pc.invert(well_formed).fill_null(False)
    numbers = pc.if_else(bad, pa.scalar(None, pa.string()), strings).cast(pa.int64())
    return numbers, bad.to_numpy(zero_copy_only=False)


def to_float(text: pa.Array) -> tuple[pa.Array, BoolArray]:
    """Float64s from text, and which values are none. Tries the distinct values one by one if it must."""
    strings = pc.ascii_trim_whitespace(_ascii(_without_nulls(text)))
    try:
        numbers = strings.cast(pa.float64())
        bad = np.zeros(len(strings), bool)
    except pa.ArrowInvalid:
        encoded = strings.dictionary_encode()
        good = [_is_float(value) for value in encoded.dictionary]
        none = pc.invert(pa.array(good, pa.bool_()).take(encoded.indices)).fill_null(False)
        numbers = pc.if_else(none, pa.scalar(None, pa.string()), strings).cast(pa.float64())
        bad = none.to_numpy(zero_copy_only=False)
    infinite = pc.is_inf(numbers)
    if pc.any(infinite).as_py():  # inf is a value; 1e999 is one that does not fit
        named = pc.match_substring_regex(strings, r"(?i)^[+-]?inf(inity)?$")
        bad |= pc.and_(infinite, pc.invert(named)).fill_null(False).to_numpy(zero_copy_only=False)
    return numbers, bad


def to_float32(numbers: pa.Array) -> tuple[pa.Array, BoolArray]:
    """Float32s, and which finite values are too large for one."""
    single = numbers.cast(pa.float32(), safe=False)
    overflown = np.isinf(np.asarray(single))
    if overflown.any():
        overflown &= np.isfinite(np.asarray(numbers))
    return single, overflown


def to_bool(text: pa.Array) -> tuple[pa.Array, BoolArray]:
    """Booleans as int64 0 and 1, and which values are neither."""
    values = _without_nulls(text)
    true = pc.is_in(values, pa.array(_TRUE, values.type))
    false = pc.is_in(values, pa.array(_FALSE, values.type))
    missing = pc.is_null(values)
    bad = pc.invert(pc.or_(pc.or_(true, false), missing)).to_numpy(zero_copy_only=False)
    return pc.if_else(missing, pa.scalar(None, pa.int64()), true.cast(pa.int64())), bad


def to_moment(text: pa.Array, kind: str) -> tuple[pa.Array, BoolArray]:
    """Int64s from the text of dates or times, and which values are none."""
    return moments_of_text(pc.ascii_trim_whitespace(_ascii(_without_nulls(text))), kind)


def is_missing(text: bytes | None, kind: ColumnType) -> bool:
    """Whether a text means that there is no value."""
    return text is None or (kind.dtype != "bytes" and text.decode("utf-8", "replace").strip() in NUMERIC_NULLS)


def to_label(text: bytes | None, kind: ColumnType) -> Label | None:
    """One label from its text; None where it is missing.

    Raises:
      ValueError: the text is no label of that type.
    """
    if text is None or is_missing(text, kind):
        return None
    if kind.dtype == "bytes":
        return labels.from_bytes(text)
    if kind.dtype == "int64" and not kind.moment and _PLAIN_INT.fullmatch(text):
        return int(text)
    array = pa.array([text], pa.binary())
    if kind.dtype == "bool":
        converted, bad = to_bool(array)
        if not bad[0]:
            return bool(converted[0].as_py())
    elif kind.dtype == "int64":
        converted, bad = to_moment(array, kind.moment) if kind.moment else to_int64(array, kind.declared)
        if not bad[0]:
            return int(converted[0].as_py())
    else:
        converted, bad = to_float(array)
        if not bad[0]:
            return labels.from_float(converted[0].as_py())
    raise ValueError(f"{text!r} is no {kind.noun}")


def _without_nulls(text: pa.Array) -> pa.Array:
    """The text with the numeric words for "missing" made null."""
    words = pc.is_in(text, pa.array([word.encode() for word in NUMERIC_NULLS], text.type))
    return pc.if_else(words, pa.scalar(None, text.type), text) if pc.any(words).as_py() else text


def _ascii(text: pa.Array) -> pa.Array:
    """Binary as strings; what is not ASCII is no number either, and becomes one question mark."""
    foreign = pc.match_substring_regex(text, r"[^\x00-\x7f]")
    if pc.any(foreign).as_py():
        text = pc.if_else(foreign, pa.scalar(b"?", text.type), text)
    return text.cast(pa.string())


def _is_float(value: pa.Scalar) -> bool:
    try:
        value.cast(pa.float64())
    except pa.ArrowInvalid:
        return False
    return True
