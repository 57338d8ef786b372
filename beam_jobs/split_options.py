"""Which splits there are: `--splits`, or `--split_time`."""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation

from beam_jobs.split_time import parse_split_time
from tfrecord_io.errors import UsageError
from tfrecord_io.manifest import UNRESAMPLED_SPLITS

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_RESERVED = ("rejected", "statistics", "manifest.json")
"""What else lies beside the splits in a dataset."""


def parse_splits(text: str) -> dict[str, Decimal]:
    """Names and fractions of `--splits`, in the order given; they add up to 1.

    Raises:
      UsageError: malformed, colliding or reserved names, none to train on, or fractions that do
        not add up to 1.
    """
    fractions: dict[str, Decimal] = {}
    for part in text.split(","):
        name, equals, number = (piece.strip() for piece in part.partition("="))
        if not equals:
            raise UsageError(f"--splits {text}: {part!r} must be NAME=FRACTION.")
        _check_name(text, name, list(fractions))
        try:
            fractions[name] = Decimal(number)
        except InvalidOperation as error:
            raise UsageError(f"--splits {text}: {number!r} is not a number.") from error
        if not fractions[name].is_finite() or not 0 < fractions[name] <= 1:
            raise UsageError(f"--splits {text}: {name} is {number}; a fraction is above 0 and at most 1.")
    if UNRESAMPLED_SPLITS.issuperset(fractions):
        raise UsageError(f"--splits {text} has no split to train on: eval and test are kept whole. Add train=FRACTION.")
    if sum(fractions.values()) != 1:
        raise UsageError(f"--splits {text}: the fractions add up to {sum(fractions.values())}, not to 1.")
    return fractions


def split_names(splits: str, split_time: str | None) -> tuple[str, ...]:
    """Names of the splits, in the order of the manifest.

    Raises:
      UsageError: one of the two does not parse.
    """
    return tuple(parse_splits(splits)) if split_time is None else parse_split_time(split_time).names


def _check_name(text: str, name: str, others: list[str]) -> None:
    if not _NAME.fullmatch(name) or name.casefold() in _RESERVED:
        raise UsageError(
            f"--splits {text}: {name!r} cannot name a split. A name has up to 64 letters, digits, dots, dashes and "
            f"underscores, starts with a letter or a digit, and is not one of {', '.join(_RESERVED)}."
        )
    twins = [other for other in others if other.casefold() == name.casefold()]
    if twins:
        how = "twice" if twins[0] == name else f"and {twins[0]!r}, which some file systems take for the same folder"
        raise UsageError(f"--splits {text} names {name!r} {how}. Give each split a name of its own.")
