"""Mixes: which share of the rows each class has, and what weights and priors follow. Pure, no TensorFlow."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from tfrecord_io import labels
from tfrecord_io.errors import UsageError
from tfrecord_io.labels import Label
from tfrecord_io.reading.strata import ReadClass

MIXES = ("stored", "natural", "balanced")
Mix = str | Mapping[Any, Any]

_FINEST_SHARE = 2**40


def shares(mix: Mix, classes: Sequence[ReadClass]) -> tuple[int, ...]:
    """The whole numbers whose ratios are the mix's class shares, one a class; 0 = not read.

    Args:
      mix: stored (rows kept), natural (source rows), balanced (equal), or {label: share}, which
        names every class; shares need not add up to 1. Classes that hold no row have share 0.
      classes: of all that is read.

    Raises:
      UsageError: no such mix, or a mapping that does not fit the classes; lists every offender.
    """
    if isinstance(mix, Mapping):
        parts = _named(mix, classes)
    elif mix not in MIXES:
        raise UsageError(
            f"There is no mix {mix!r}; mix is one of {', '.join(MIXES)}, or a mapping from every class "
            f"to its share, over the classes {_list(entry.label for entry in classes)}."
        )
    elif mix == "balanced":
        parts = [int(entry.rows > 0) for entry in classes]
    else:
        parts = [entry.rows and (entry.rows if mix == "stored" else entry.source_rows) for entry in classes]
    divisor = math.gcd(*parts)
    return tuple(part // divisor for part in parts)


def weight_factors(parts: Sequence[int], classes: Sequence[ReadClass]) -> tuple[tuple[float, ...], ...]:
    """What turns stored weights into ones that are calibrated at this mix, with mean 1: for each
    class, a factor for each of its strata; 0 for share 0.

    Of one stratum alone, the weight is (w_stored / factor_stored) x (N_k/N) / b_k, with b_k the
    class's share in the mix. Of several, a row of stratum s stands for N_s/n_s source rows where
    the class's rows stand for N_k/n_k on average, so its weight is multiplied by the ratio of the
    two. The mean over the mix is the sum of N_k/N x (mean original weight of class k), that is W/N,
    which it is divided by. Classes of share 0 leave N and W; strata that hold no row are stood for
    by the others of their class.

    Args:
      parts: as `shares` returns them.
      classes: in the same order.

    Raises:
      UsageError: all original weights are 0.
    """
    mix = [(Fraction(part, sum(parts)), one) for part, one in zip(parts, classes, strict=True)]
    weight = sum(_standing(one) * Fraction(s.source_weight) for share, one in mix if share for s in one.held)
    if weight == 0:
        raise UsageError(
            "weights='auto' scales the weights to mean 1, but the original weights of the classes in the "
            "mix add up to 0. Use weights='stored' or weights='none'."
        )

    def factors(share: Fraction, one: ReadClass) -> tuple[float, ...]:
        if not share:
            return (0.0,) * len(one.strata)
        rows = sum(stratum.mean_rows for stratum in one.strata)
        of_all = _standing(one) * rows / share / weight
        return tuple(
            float(of_all * s.source_rows / s.mean_rows / Fraction(s.factor)) if s.mean_rows else 0.0 for s in one.strata
        )

    return tuple(factors(share, one) for share, one in mix)


def prior_correction(parts: Sequence[int], classes: Sequence[ReadClass]) -> dict[Label, float]:
    """log((N_k/N) / b_k) of each class whose share in the mix is not 0."""
    opened = [(part, entry) for part, entry in zip(parts, classes, strict=True) if part]
    source_rows = sum(entry.source_rows for _, entry in opened)
    return {
        entry.label: math.log(Fraction(entry.source_rows * sum(parts), source_rows * part)) for part, entry in opened
    }


def share_of(value: Any) -> Fraction | None:
    """A share as an exact number; None where it is no number, or below 0.

    >>> share_of("0.1"), share_of(-1)
    (Fraction(1, 10), None)
    """
    try:
        share = Fraction(str(value))
    except (ValueError, ZeroDivisionError):
        return None
    return share if share >= 0 else None


def _standing(one: ReadClass) -> Fraction:
    """Source rows of a class over those of its strata that hold rows."""
    return Fraction(one.source_rows, sum(stratum.source_rows for stratum in one.held))


def _named(mix: Mapping[Any, Any], classes: Sequence[ReadClass]) -> list[int]:
    asked = {_label(key, classes): value for key, value in mix.items()}
    unnamed = [entry.label for entry in classes if entry.label not in asked]
    if unnamed:
        raise UsageError(
            f"mix does not name the classes {_list(unnamed)}. Give every class a share; 0 leaves a class out."
        )
    exact = {label: _share(label, value) for label, value in asked.items()}
    empty = [entry.label for entry in classes if exact[entry.label] and not entry.rows]
    if empty:
        raise UsageError(f"mix gives a share to the classes {_list(empty)}, which hold no row. Give them 0.")
    total = sum(exact.values())
    if not total:
        raise UsageError(f"The shares of mix add up to 0 ({mix!r}). Give at least one class a share above 0.")
    common = math.lcm(*(share.denominator for share in exact.values()))
    # Shares with endless decimals, such as 1/3, are cut to 40 bits: below a row in 10^11.
    scale = min(Fraction(common), _FINEST_SHARE / total)
    return [max(1, round(share * scale)) if share else 0 for share in (exact[entry.label] for entry in classes)]


def _label(key: Any, classes: Sequence[ReadClass]) -> Label:
    """The class that a mapping's key names: 1, True, 1.0 and "1" are four different classes."""
    value = key.item() if hasattr(key, "item") else key
    value = labels.from_bytes(value) if isinstance(value, bytes) else value
    for entry in classes:
        integral = isinstance(entry.label, float) and type(value) is int
        if value == entry.label and (type(value) is type(entry.label) or integral):
            return entry.label
    raise UsageError(
        f"mix names the class {key!r}, which is not there; the classes are {_list(entry.label for entry in classes)}."
    )


def _share(label: Label, value: Any) -> Fraction:
    share = share_of(value)
    if share is None:
        raise UsageError(
            f"mix gives class {label!r} the share {value!r}. A share is a number, 0 or above, such as 0.5."
        )
    return share


def _list(values: Any) -> str:
    return ", ".join(map(repr, values))
