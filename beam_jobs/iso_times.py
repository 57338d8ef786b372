"""ISO 8601 dates and timestamps to whole seconds and nanoseconds: exact from year 1 to 9999, in UTC.

2024-01-31    2024-01-31T08:30    2024-01-31 08:30:00.123456789    2024-01-31T08:30:00+02:00    ...00Z
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

_LONGEST = 35
_WIDTH = 36
_FRACTION = 9


@dataclass(frozen=True)
class Instants:
    """Points in time [n]: seconds since 1970 in UTC and nanoseconds in the second; `bad` ones are none."""

    seconds: IntArray
    nanoseconds: IntArray
    bad: BoolArray


def parse_times(text: pa.Array) -> Instants:
    """Parses texts. A text without a zone is in UTC, a date is its midnight.

    Args:
      text: binary or string [n]; nulls are bad.
    """
    encoded = text.cast(pa.large_binary()).dictionary_encode()
    known = _parse(encoded.dictionary)
    codes = encoded.indices.fill_null(len(encoded.dictionary)).to_numpy(zero_copy_only=False)
    return Instants(
        np.append(known.seconds, 0)[codes], np.append(known.nanoseconds, 0)[codes], np.append(known.bad, True)[codes]
    )


def _parse(text: pa.Array) -> Instants:
    letters, lengths = _letters(text)
    good = (lengths >= 10) & (lengths <= _LONGEST) & (letters[:, 4] == 45) & (letters[:, 7] == 45)
    year, month, day = (_number(letters, at, count, good) for at, count in ((0, 4), (5, 2), (8, 2)))
    good &= (year > 0) & (month > 0) & (month <= 12)
    months = np.where(good, (year - 1970) * 12 + month - 1, 0)
    first = months.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
    after = (months + 1).astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
    good &= (day > 0) & (day <= after - first)

    timed = lengths > 10
    exact = timed & (letters[:, 16] == 58)  # seconds are given
    good &= ~timed | (((letters[:, 10] == 84) | (letters[:, 10] == 32)) & (letters[:, 13] == 58))
    hour, minute = _number(letters, 11, 2, good, timed), _number(letters, 14, 2, good, timed)
    second = _number(letters, 17, 2, good, exact)
    good &= (hour < 24) & (minute < 60) & (second < 60)

    end = np.where(exact, 19, np.where(timed, 16, 10))
    nanoseconds, digits = _fraction(letters, end, good, exact)
    offset = _offset(letters, end + digits, lengths, good, timed)
    seconds = (first + day - 1) * 86_400 + hour * 3_600 + minute * 60 + second - offset
    return Instants(np.where(good, seconds, 0), np.where(good, nanoseconds, 0), ~good)


def _letters(text: pa.Array) -> tuple[npt.NDArray[np.uint8], IntArray]:
    """The first bytes of each text [n, 36], zeros behind its end, and the lengths [n]."""
    _, offsets, data = text.buffers()
    bounds = np.frombuffer(offsets, np.int64)[text.offset : text.offset + len(text) + 1] if len(text) else np.zeros(1)
    lengths = np.diff(bounds).astype(np.int64)
    raw = np.frombuffer(data, np.uint8) if data and data.size else np.zeros(1, np.uint8)
    places = bounds[:-1, None].astype(np.int64) + np.arange(_WIDTH)
    inside = np.arange(_WIDTH) < lengths[:, None]
    return np.where(inside, raw[np.minimum(places, len(raw) - 1)], 0).astype(np.uint8), lengths


def _number(
    letters: npt.NDArray[np.uint8], at: int, count: int, good: BoolArray, there: BoolArray | None = None
) -> IntArray:
    """The number that `count` digits spell, 0 where it is not there; what is no digit takes the row out of `good`."""
    digits = letters[:, at : at + count].astype(np.int64) - 48
    numeric = ((digits >= 0) & (digits <= 9)).all(axis=1)
    value: IntArray = digits @ (10 ** np.arange(count - 1, -1, -1))
    if there is None:
        good &= numeric
        return value
    good &= numeric | ~there
    return np.where(there, value, 0)


def _fraction(
    letters: npt.NDArray[np.uint8], end: IntArray, good: BoolArray, exact: BoolArray
) -> tuple[IntArray, IntArray]:
    """Nanoseconds [n], and how many letters the fraction takes, its point included."""
    digits = _from(letters, end + 1, _FRACTION).astype(np.int64) - 48
    leading = np.logical_and.accumulate((digits >= 0) & (digits <= 9), axis=1)
    there = exact & (_from(letters, end, 1)[:, 0] == 46)
    count = leading.sum(axis=1)
    good &= ~there | (count > 0)
    value = np.where(leading, digits, 0) @ (10 ** np.arange(_FRACTION - 1, -1, -1))
    return np.where(there, value, 0), np.where(there, count + 1, 0)


def _offset(
    letters: npt.NDArray[np.uint8], at: IntArray, lengths: IntArray, good: BoolArray, timed: BoolArray
) -> IntArray:
    """Seconds east of UTC [n]: of nothing, Z, +hh, +hhmm or +hh:mm."""
    zone, rest = _from(letters, at, 6), lengths - at
    signed = timed & ((zone[:, 0] == 43) | (zone[:, 0] == 45)) & np.isin(rest, (3, 5, 6))
    colon = signed & (rest == 6)
    good &= (rest == 0) | (timed & (rest == 1) & (zone[:, 0] == 90)) | signed
    good &= ~colon | (zone[:, 3] == 58)
    hours = _number(zone, 1, 2, good, signed)
    minutes = _number(zone, 3, 2, good, signed & (rest == 5)) + _number(zone, 4, 2, good, colon)
    good &= (hours < 24) & (minutes < 60)
    return np.where(zone[:, 0] == 45, -1, 1) * (hours * 3_600 + minutes * 60)


def _from(letters: npt.NDArray[np.uint8], at: IntArray, count: int) -> npt.NDArray[np.uint8]:
    """Some letters from a place of each row's own; zeros beyond the end."""
    places = at[:, None] + np.arange(count)
    found = np.take_along_axis(letters, np.minimum(places, _WIDTH - 1), axis=1)
    return np.where(places < _WIDTH, found, 0).astype(np.uint8)
