"""Rates: how often a row of each class is yielded, and what it then weighs. Pure, no TensorFlow."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, TypeAlias

import numpy as np

from tfrecord_io import labels
from tfrecord_io.errors import UsageError
from tfrecord_io.labels import Label
from tfrecord_io.manifest import Manifest
from tfrecord_io.reading.mixes import share_of

Source: TypeAlias = "str | os.PathLike[str] | Manifest | Mapping[Any, Any] | Sequence[Any]"
Target: TypeAlias = "str | Mapping[Any, Any] | Sequence[Any]"
Shares: TypeAlias = "dict[Label, Fraction]"

_RATES = (Fraction(1, 2**40), Fraction(2**20))
_GIVEN = (Mapping, list, tuple, np.ndarray)


@dataclass(frozen=True, kw_only=True)
class ClassRates:
    """What happens to the rows of each class of the source, in the order of the labels.

    Attributes:
      labels: of one kind: int, float, bool, or text (str and bytes).
      rates: rows yielded for a row read, on average; 0 = the class is left out.
      weights: of a yielded row; 0 where the rate is.
    """

    labels: tuple[Label, ...]
    rates: tuple[float, ...]
    weights: tuple[float, ...]


def class_rates(source: Shares, target: Target, soften: tuple[float, float], replicate: bool) -> ClassRates:
    """The rates and weights that turn the source's class shares s_k into the target's t_k.

    The rate of class k is (t_k / s_k)^c, c the first of `soften` where t_k / s_k is below 1, else the
    second; without replication all rates are divided by the largest. A yielded row weighs
    (sum of s_k rate_k) / rate_k, the sum over the classes that are not left out and whose s_k add up
    to 1. So weighted class shares are the source's, and the mean weight of what is yielded is 1.

    >>> class_rates({0: Fraction(99), 1: Fraction(1)}, "balanced", (1, 0.5), True).rates
    (0.5050505050505051, 7.0710678118654755)

    Args:
      source: as `source_shares` returns it.
      target: balanced, or shares by label or class number; they need not add up to 1.
      soften: the exponents, between 0 and 1.
      replicate: allow rates above 1.

    Raises:
      UsageError: shares or exponents that make no sense; lists every offender.
    """
    present = {label: share for label, share in source.items() if share}
    wanted = _target(target, source)
    under, over = _exponents(soften)
    of_source, of_target = sum(present.values()), sum(wanted.values())
    ratios = {label: wanted[label] / of_target / (share / of_source) for label, share in present.items()}
    rates = {label: _power(ratio, under if ratio < 1 else over) for label, ratio in ratios.items()}
    most = Fraction(1) if replicate else max(rates.values())
    rates = {label: rate / most for label, rate in rates.items()}
    _check_range(rates)
    kept = {label: share for label, share in present.items() if rates[label]}
    mean = sum(share * rates[label] for label, share in kept.items()) / sum(kept.values())
    return ClassRates(
        labels=tuple(present),
        rates=tuple(map(float, rates.values())),
        weights=tuple(float(mean / rate) if rate else 0.0 for rate in rates.values()),
    )


def source_shares(source: Source, split: str | None) -> Shares:
    """What part of the rows each class has, or numbers in the same ratios, in the order of the labels.

    Args:
      source: a dataset's path, or its manifest: its source rows; else numbers by label or class number.
      split: of the manifest; None = train, or no manifest.

    Raises:
      UsageError: no such split, numbers that are none, or a split where there is no manifest.
      ManifestError: no dataset there, or a damaged manifest.
    """
    if isinstance(source, _GIVEN):
        if split is not None:
            raise UsageError(f"split={split!r} is a split of a manifest, but source gives the shares. Leave it out.")
        shares = _numbers("source", source)
        if not any(shares.values()):
            raise UsageError("The shares of source add up to 0. Give at least one class a share above 0.")
        return shares
    manifest = source if isinstance(source, Manifest) else Manifest.load(_path(source))
    name = "train" if split is None else split
    if name not in manifest.splits:
        raise UsageError(f"There is no split {name!r}; the dataset has {', '.join(sorted(manifest.splits))}.")
    rows = {entry.label: Fraction(entry.source_rows) for entry in manifest.splits[name].classes}
    if not any(rows.values()):
        raise UsageError(f"Split {name!r} of source has no source rows, so its class shares are not known.")
    return rows


def kind(label: Label) -> str:
    """What a label is: bool, int, float or text; labels of two kinds are never equal."""
    return "text" if isinstance(label, str | bytes) else type(label).__name__


def _path(source: Any) -> str:
    if isinstance(source, str | os.PathLike):
        return os.fspath(source)
    raise UsageError(
        f"source is {source!r}. Give the path of a dataset, its Manifest, {{label: share}}, or a list of the shares "
        "of the classes 0, 1, ...; rows are not counted."
    )


def _power(ratio: Fraction, exponent: float) -> Fraction:
    # Exact where the result must be: at the ends of the scale.
    return Fraction(float(ratio) ** exponent) if 0 < exponent < 1 else ratio ** int(exponent)


def _exponents(soften: Any) -> tuple[float, float]:
    try:
        under, over = map(float, soften)
        if 0 <= under <= 1 and 0 <= over <= 1:
            return under, over
    except (TypeError, ValueError):
        pass
    raise UsageError(f"soften is {soften!r}; give two exponents between 0 and 1: (under, over).")


def _check_range(rates: Shares) -> None:
    beyond = [label for label, rate in rates.items() if rate and not _RATES[0] <= rate <= _RATES[1]]
    if beyond:
        raise UsageError(
            f"Rows of the classes {labels.listed(beyond)} would be yielded {', '.join(_short(rates, beyond))} times; "
            "at most 2^20 copies of a row are made, at least one row in 2^40 is kept. "
            "Use smaller exponents (soften), or replicate=False where there are too many copies."
        )


def _short(rates: Shares, names: Sequence[Label]) -> list[str]:
    return [f"{float(rates[name]):.3g}" for name in names[:20]]


def _target(target: Target, source: Shares) -> Shares:
    if isinstance(target, str):
        if target != "balanced":
            raise UsageError(
                f"There is no target {target!r}; target is balanced, or a mapping from every class to its share, "
                f"over the classes {labels.listed(list(source))}."
            )
        return {label: Fraction(bool(share)) for label, share in source.items()}
    if not isinstance(target, _GIVEN):
        raise UsageError(f"target is {target!r}. Give 'balanced', {{label: share}} or a list of shares.")
    wanted = _numbers("target", target)
    if {kind(label) for label in source} == {"float"} and all(kind(label) == "int" for label in wanted):
        wanted = {labels.from_float(float(label)): share for label, share in wanted.items()}
    there = {(kind(label), label) for label in source}
    unknown = [label for label in wanted if (kind(label), label) not in there]
    unnamed = [label for label, share in source.items() if share and label not in wanted]
    classes = f"the classes of source are {labels.listed(list(source))}."
    if unknown:
        raise UsageError(f"target names {labels.listed(unknown)}, not there; {classes}")
    if unnamed:
        raise UsageError(f"target does not name {labels.listed(unnamed)}; {classes} 0 leaves a class out.")
    absent = [label for label, share in wanted.items() if share and not source[label]]
    if absent:
        raise UsageError(f"target gives a share to {labels.listed(absent)}, of which source has no row. Give 0.")
    if not any(wanted.values()):
        raise UsageError("The shares of target add up to 0. Give at least one class a share above 0.")
    return wanted


def _numbers(option: str, given: Mapping[Any, Any] | Sequence[Any]) -> Shares:
    pairs = list(given.items() if isinstance(given, Mapping) else enumerate(given))
    if not pairs:
        raise UsageError(f"{option} names no class.")
    shares = [(_label(option, key), share_of(value)) for key, value in pairs]
    wrong = [f"{label!r}: {value!r}" for (label, share), (_, value) in zip(shares, pairs, strict=True) if share is None]
    if wrong:
        raise UsageError(
            f"{option} gives {', '.join(wrong[:20])}. A share is a number, 0 or above, such as 0.5 or a count of rows."
        )
    if len({label for label, _ in shares}) < len(shares):
        raise UsageError(f"{option} names a class twice: {labels.listed([label for label, _ in shares])}.")
    if len({kind(label) for label, _ in shares}) > 1:
        raise UsageError(
            f"{option} has labels of several kinds: {', '.join(repr(label) for label, _ in shares[:20])}. "
            "Labels are all int, all float, all bool, or all text."
        )
    found = {label: share for label, share in shares if share is not None}
    return {label: found[label] for label in sorted(found, key=labels.sort_key)}


def _label(option: str, key: Any) -> Label:
    value = key.item() if isinstance(key, np.generic) else key
    try:
        if isinstance(value, bytes):
            return labels.from_bytes(value)
        if isinstance(value, float):
            return labels.from_float(value)
        if isinstance(value, int) and not -(2**63) <= value < 2**63:
            raise ValueError(f"{value} is beyond int64")
    except ValueError as error:
        raise UsageError(f"{option} names a class that no label can be: {error}.") from error
    if isinstance(value, bool | int | str):
        return value
    raise UsageError(f"{option} names the class {key!r}. A label is an int, float, bool, str or bytes.")
