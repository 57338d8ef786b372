"""How many rows of each class the training split keeps: `--strategy`, as pure arithmetic.

    >>> parse_strategy("ratio=3").sizes({0: 990, 1: 10}, "int64")
    {0: 30, 1: 10}

All in exact fractions; rounding is half up (`shares`: largest remainder).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction

from tfrecord_io import labels
from tfrecord_io.errors import PlanError, UsageError
from tfrecord_io.labels import Label, listed
from tfrecord_io.rounding import largest_remainder, round_half_up

_ALIASES = {"not minority": "balance", "auto": "balance"}
_PLAIN = ("none", "balance", "majority")
_LIMITS = ("ratio", "max")
_MAPPINGS = ("counts", "rates", "shares")
_FORMS = "none, balance, majority, ratio=M, max=N, counts:A=N,..., rates:A=R,..., shares:A=S,... or soften:UNDER,OVER"
_HUGE_EXPONENT = re.compile(r"[eE][+-]?[0-9_]{4}")


@dataclass(frozen=True, kw_only=True)
class Strategy:
    """A parsed strategy. Make one with `parse_strategy`.

    `values` are the numbers of a mapping, by the text of the label; `limit` is M or N;
    `under` and `over` are soften's exponents.
    """

    name: str
    limit: Fraction | None = None
    values: Mapping[str, Fraction] = field(default_factory=dict)
    under: Fraction = Fraction(0)
    over: Fraction = Fraction(0)

    def sizes(self, source_rows: Mapping[Label, int], dtype: str, split: str = "train") -> dict[Label, int]:
        """Rows to keep of each class.

        Args:
          source_rows: N_k of each class of the split; 0 for classes absent from it.
          dtype: the labels' dtype, to read the labels named in the strategy.
          split: its name, for errors.

        Raises:
          PlanError: a class named and not found, found and not named, or asked for more than
            no rows; a rate or count above 0 that gives 0 rows.
        """
        present = {label: rows for label, rows in source_rows.items() if rows}
        if not present:
            raise PlanError(
                f"The {split} split has no rows. Give it a larger fraction in --splits, a later --split_time, or more "
                "input."
            )
        kept = self._kept(present, source_rows, dtype, split)
        return {label: kept.get(label, 0) for label in source_rows}

    def _kept(
        self, present: Mapping[Label, int], found: Mapping[Label, int], dtype: str, split: str
    ) -> Mapping[Label, int]:
        smallest = min(present.values())
        if self.name == "none":
            return present
        if self.name == "balance":
            return dict.fromkeys(present, smallest)
        if self.name == "majority":
            largest = max(present, key=lambda label: present[label])
            return {**present, largest: smallest}
        if self.name == "soften":
            return {label: self._softened(rows, present) for label, rows in present.items()}
        if self.limit is not None:
            unit = smallest if self.name == "ratio" else 1
            ceiling = round_half_up(self.limit * unit)
            return {label: min(rows, ceiling) for label, rows in present.items()}
        wanted = self._match(found, dtype, split)
        if self.name == "shares":
            return _shares(wanted, present)
        if self.name == "rates":
            return {label: _at_least_one(label, rate, rate * found[label]) for label, rate in wanted.items()}
        return {label: _at_least_one(label, count, count) for label, count in wanted.items()}

    def _softened(self, rows: int, present: Mapping[Label, int]) -> int:
        """Multiplies a class by (uniform share / its source share)^c."""
        ratio = Fraction(sum(present.values()), len(present) * rows)
        power = self.under if ratio < 1 else self.over
        # Exact where the result must be: at the ends of the scale.
        factor = Fraction(float(ratio) ** float(power)) if 0 < power < 1 else ratio ** int(power)
        return max(1, round_half_up(factor * rows))

    def _match(self, found: Mapping[Label, int], dtype: str, split: str) -> dict[Label, Fraction]:
        """Maps the texts of the strategy to the labels that were found."""
        wanted: dict[Label, Fraction] = {}
        unknown = []
        for text, value in self.values.items():
            try:
                label = labels.from_text(text, dtype)
            except ValueError:
                unknown.append(text)
                continue
            if label not in found:
                unknown.append(text)
            if label in wanted:
                raise PlanError(f"--strategy {self.name} names class {labels.to_text(label)} twice: once as {text!r}.")
            wanted[label] = value
        classes = listed(list(found))
        if unknown:
            raise PlanError(
                f"--strategy names {listed(unknown)}, not found in the data. The classes found are {classes}."
            )
        unnamed = [label for label in found if label not in wanted]
        if unnamed:
            raise PlanError(
                f"--strategy {self.name} does not name {listed(unnamed)}; it must name each class found "
                f"({classes}). Use 0 to leave a class out."
            )
        absent = [label for label, value in wanted.items() if value and not found[label]]
        if absent:
            raise PlanError(
                f"--strategy asks for rows of {listed(absent)}, of which the {split} split has none. "
                "Use 0 to leave a class out, or give the split a larger fraction in --splits."
            )
        return wanted


def parse_strategy(text: str) -> Strategy:
    """Reads `--strategy`.

    Args:
      text: a form of the table in docs/strategies.md; labels that hold a comma or an equals sign
        are given as JSON: `counts:{"a,b": 1000}`.

    Raises:
      UsageError: no such strategy, or a number out of range.
    """
    text = _ALIASES.get(text.strip(), text.strip())
    if text in _PLAIN:
        return Strategy(name=text)
    name, equals, value = text.partition("=")
    if equals and name in _LIMITS:
        limit = _number(value, text)
        if limit < 1 or (name == "max" and limit.denominator != 1):
            rule = "M is negatives a positive" if name == "ratio" else "N is a whole number of rows"
            raise UsageError(f"--strategy {text}: {rule}, at least 1.")
        return Strategy(name=name, limit=limit)
    name, colon, value = text.partition(":")
    if colon and name in _MAPPINGS:
        return Strategy(name=name, values=_mapping(name, value, text))
    if colon and name == "soften":
        under, comma, over = value.partition(",")
        exponents = (_number(under, text), _number(over if comma else "", text))
        if not all(0 <= power <= 1 for power in exponents):
            raise UsageError(f"--strategy {text}: UNDER and OVER are exponents between 0 and 1.")
        return Strategy(name="soften", under=exponents[0], over=exponents[1])
    raise UsageError(f"--strategy {text!r} is not known. It is one of {_FORMS}.")


def _shares(shares: Mapping[Label, Fraction], present: Mapping[Label, int]) -> dict[Label, int]:
    asked = {label: share for label, share in shares.items() if share}
    total = min(Fraction(present[label]) / share for label, share in asked.items()).__floor__()
    kept = largest_remainder({label: share * total for label, share in asked.items()}, total)
    return {label: _at_least_one(label, shares[label], Fraction(rows)) for label, rows in kept.items()}


def _at_least_one(label: Label, asked: Fraction, rows: Fraction) -> int:
    kept = round_half_up(rows)
    if asked and not kept:
        raise PlanError(
            f"--strategy gives class {labels.to_text(label)} {float(asked):g}, which is 0 rows after rounding "
            f"({float(rows):g}). Ask for more, or for 0 to leave the class out."
        )
    return kept


def _mapping(name: str, value: str, text: str) -> dict[str, Fraction]:
    numbers: dict[str, Fraction] = {}
    for label, number in _pairs(value, text):
        if label in numbers:
            raise UsageError(f"--strategy {text}: {label!r} is named twice.")
        numbers[label] = _number(number, text)
    if name == "counts" and any(number.denominator != 1 for number in numbers.values()):
        raise UsageError(f"--strategy {text}: counts are whole numbers of rows; use rates for fractions.")
    if not any(numbers.values()):
        raise UsageError(f"--strategy {text} keeps no row of any class.")
    total = sum(numbers.values(), Fraction(0))
    if name == "shares" and abs(total - 1) > Fraction(1, 10**6):
        raise UsageError(f"--strategy {text}: the shares add up to {float(total):g}; make them add up to 1.")
    if name == "shares":
        return {label: number / total for label, number in numbers.items()}
    return numbers


def _pairs(value: str, text: str) -> list[tuple[str, str]]:
    if value.lstrip().startswith("{"):
        try:
            found = json.loads(value, object_pairs_hook=list, parse_float=str, parse_int=str)
        except ValueError as error:
            raise UsageError(f"--strategy {text}: not valid JSON ({error}).") from error
        return [(label, str(number)) for label, number in found]
    pairs = []
    for part in value.split(","):
        label, equals, number = part.partition("=")
        if not equals or "=" in number:
            raise UsageError(
                f"--strategy {text}: {part!r} is not LABEL=NUMBER. Labels with a comma or an equals sign in them "
                'are given as JSON: counts:{"a,b": 1000}.'
            )
        pairs.append((label, number))
    return pairs


def _number(value: str, text: str) -> Fraction:
    try:
        if _HUGE_EXPONENT.search(value):  # a Fraction would write out all its zeros
            raise ValueError(value)
        number = Fraction(value.strip())
    except (ValueError, ZeroDivisionError) as error:
        raise UsageError(f"--strategy {text}: {value!r} is not a number. It is one of {_FORMS}.") from error
    if number < 0:
        raise UsageError(f"--strategy {text}: {value} is negative.")
    return number
