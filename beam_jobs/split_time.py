"""`--split_time COLUMN=T1[,T2]`: rows before T1 are train, before T2 eval, the others test."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from beam_jobs.iso_times import BoolArray, IntArray, parse_times
from tfrecord_io.errors import UsageError

_WHOLE = re.compile(r"[+-]?[0-9]{1,19}")
_FORM = "Write it like created=2024-01-01,2024-07-01, or with timestamps or whole numbers."
_SECOND = 10**9
_DAY = 86_400 * _SECOND
_UNITS = {"s": _SECOND, "ms": 10**6, "us": 10**3, "ns": 1}
_MOST = (1 << 63) - 1


@dataclass(frozen=True)
class SplitTime:
    """A column, and the values at which the next split begins: whole numbers, or nanoseconds since 1970 in UTC."""

    column: str
    bounds: tuple[int, ...]
    temporal: bool

    @property
    def names(self) -> tuple[str, ...]:
        """The splits, in the order of time."""
        return ("train", "test") if len(self.bounds) == 1 else ("train", "eval", "test")

    def check(self, kind: pa.DataType) -> None:
        """Refuses a column whose values cannot be compared with the times given.

        Raises:
          UsageError: numbers for a column of times, or the other way round, or a column of neither.
        """
        number, time = _is_number(kind), _is_time(kind)
        if number and self.temporal:
            raise UsageError(
                f"--split_time: column {self.column!r} holds numbers ({kind}), not dates. Give whole numbers in its "
                "unit, like 1704067200 for seconds since 1970."
            )
        if time and not self.temporal:
            raise UsageError(
                f"--split_time: column {self.column!r} holds dates or text ({kind}), not numbers. Give dates like "
                "2024-01-01, or timestamps like 2024-01-01T12:00:00Z. Declare a column of numbers INTEGER in --schema."
            )
        if not number and not time:
            raise UsageError(
                f"--split_time: column {self.column!r} is {kind}, which has no order in time. Name a column of whole "
                "numbers, dates, timestamps or text."
            )

    def splits(self, values: pa.Array) -> tuple[IntArray, BoolArray]:
        """Which split each row is in [n], and the rows whose value is no time [n].

        Whole numbers and times are compared as integers, so to the nanosecond; floats are rounded
        down first.

        Args:
          values: of a type that was checked; nulls count as the earliest.
        """
        if pa.types.is_dictionary(values.type):
            values = values.dictionary_decode()
        if _is_text(values.type):
            found = parse_times(values)
            missing = values.is_null().to_numpy(zero_copy_only=False)
            reached = [
                (found.seconds > seconds) | ((found.seconds == seconds) & (found.nanoseconds >= nanoseconds))
                for seconds, nanoseconds in (divmod(bound, _SECOND) for bound in self.bounds)
            ]
            return np.sum(reached, axis=0, dtype=np.int64), found.bad & ~missing
        numbers, bad = _whole_numbers(values)
        bounds = [-(-bound // _unit(values.type)) for bound in self.bounds]  # rounded up: v * unit >= bound
        return np.sum([_reached(numbers, bound) for bound in bounds], axis=0, dtype=np.int64), bad


def parse_split_time(text: str) -> SplitTime:
    """The option's text.

    Raises:
      UsageError: malformed, not a time, or times that do not rise.
    """
    column, equals, listed = text.rpartition("=")
    times = [part.strip() for part in listed.split(",")]
    if not equals or not column or len(times) > 2:
        raise UsageError(f"--split_time {text!r} must be COLUMN=T1 or COLUMN=T1,T2. {_FORM}")
    whole = [_WHOLE.fullmatch(part) is not None for part in times]
    if any(whole) and not all(whole):
        raise UsageError(f"--split_time {text!r} mixes a whole number and a date. Give both times in one form.")
    bounds = tuple((_number if whole[0] else _nanoseconds)(part, text) for part in times)
    if len(bounds) == 2 and bounds[0] >= bounds[1]:
        raise UsageError(
            f"--split_time {text!r}: {times[0]} is not before {times[1]}. Rows before the first are train, before the "
            "second eval; give the earlier time first."
        )
    return SplitTime(column, bounds, not whole[0])


def _number(part: str, text: str) -> int:
    if abs(int(part)) > _MOST:
        raise UsageError(f"--split_time {text!r}: {part} is more than an int64 holds. Give a smaller number.")
    return int(part)


def _nanoseconds(part: str, text: str) -> int:
    found = parse_times(pa.array([part.encode()]))
    if found.bad[0]:
        raise UsageError(f"--split_time {text!r}: {part!r} is no time. {_FORM}")
    return int(found.seconds[0]) * _SECOND + int(found.nanoseconds[0])


def _whole_numbers(values: pa.Array) -> tuple[IntArray, BoolArray]:
    """Values as int64, and which have none; those beyond int64 become the nearest there is."""
    if not pa.types.is_floating(values.type):
        if pa.types.is_uint64(values.type):
            numbers = np.minimum(values.fill_null(0).to_numpy(zero_copy_only=False), np.uint64(_MOST))
            return numbers.astype(np.int64), np.zeros(len(values), bool)
        days = pa.types.is_date32(values.type)
        cast = (values.cast(pa.int32()) if days else values).cast(pa.int64()).fill_null(0)
        return cast.to_numpy(zero_copy_only=False), np.zeros(len(values), bool)
    floats = values.cast(pa.float64()).fill_null(0.0).to_numpy(zero_copy_only=False)
    bad = ~np.isfinite(floats)
    low, high = -(2.0**63), 2.0**63
    inside = np.where(bad | (floats >= high) | (floats < low), 0.0, np.floor(floats)).astype(np.int64)
    return np.where(floats >= high, _MOST, np.where(floats < low, -_MOST - 1, inside)), bad


def _reached(numbers: IntArray, bound: int) -> BoolArray:
    if bound > _MOST:
        return np.zeros(len(numbers), bool)
    found: BoolArray = numbers >= max(bound, -_MOST - 1)
    return found


def _unit(kind: pa.DataType) -> int:
    """Nanoseconds of the unit that a column counts in; 1 for plain numbers."""
    if pa.types.is_date32(kind):
        return _DAY
    if pa.types.is_date64(kind):
        return _UNITS["ms"]
    return _UNITS[kind.unit] if pa.types.is_timestamp(kind) else 1


def _is_number(kind: pa.DataType) -> bool:
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return any(check(kind) for check in (pa.types.is_integer, pa.types.is_floating))


def _is_time(kind: pa.DataType) -> bool:
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return _is_text(kind) or any(check(kind) for check in (pa.types.is_date, pa.types.is_timestamp))


def _is_text(kind: pa.DataType) -> bool:
    checks = (pa.types.is_string, pa.types.is_large_string, pa.types.is_binary, pa.types.is_large_binary)
    return any(check(kind) for check in (*checks, pa.types.is_null))
