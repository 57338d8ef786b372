"""Values of flags, read from their text."""

from __future__ import annotations

from decimal import Decimal

from tfrecord_io.errors import UsageError

_MOST_BYTES = 1 << 60
_UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}


def parse_size(text: str, flag: str) -> int:
    """Bytes from a text like 128MB, 64KiB or 1000.

    Raises:
      UsageError: not a size.
    """
    stripped = text.strip().upper()
    number = stripped.rstrip("KMGIB")
    unit = stripped[len(number) :]
    try:
        size = Decimal(number.strip()) * _UNITS[unit]
        if abs(size) < _MOST_BYTES:
            return int(size)
    except (ArithmeticError, KeyError) as error:
        raise UsageError(f"{flag} {text!r} is not a size. Write it like 128MB, 64KiB or 1000000.") from error
    raise UsageError(f"{flag} {text!r} is too large. Write a size like 128MB, 64KiB or 1000000.")


def column_names(text: str, flag: str) -> tuple[str, ...]:
    """Different column names, with commas between them.

    Raises:
      UsageError: an empty name, or one twice.
    """
    names = tuple(name.strip() for name in text.split(","))
    if "" in names or len(set(names)) < len(names):
        raise UsageError(f"{flag} {text!r} must be different column names, with commas between them.")
    return names
