"""Whole numbers from exact fractions: half up, and by largest remainder."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

from tfrecord_io.errors import PlanError
from tfrecord_io.labels import Label, listed


def round_half_up(value: Fraction) -> int:
    """The nearest integer; halves go up."""
    return (2 * value.numerator + value.denominator) // (2 * value.denominator)


def largest_remainder(quotas: Mapping[Label, Fraction], total: int) -> dict[Label, int]:
    """Integers near the quotas that add up to `total`; ties go to the first label."""
    floors = {label: quota.numerator // quota.denominator for label, quota in quotas.items()}
    left = total - sum(floors.values())
    by_remainder = sorted(quotas, key=lambda label: floors[label] - quotas[label])
    rounded_up = set(by_remainder[:left])
    return {label: floors[label] + (label in rounded_up) for label in quotas}


def scale_down(kept: Mapping[Label, int], limit: int | None) -> dict[Label, int]:
    """The same shares in `limit` rows, by largest remainder; unchanged where there are no more anyway.

    Raises:
      PlanError: a class that keeps rows would be left with none.
    """
    total = sum(kept.values())
    if limit is None or total <= limit:
        return dict(kept)
    scaled = largest_remainder({label: Fraction(rows * limit, total) for label, rows in kept.items()}, limit)
    lost = [label for label, rows in kept.items() if rows and not scaled[label]]
    if lost:
        raise PlanError(
            f"--max_rows {limit} leaves no row of class {listed(lost)}: {total} rows are scaled down to {limit} at the "
            "same shares. Allow more rows, or keep fewer of the other classes (--strategy)."
        )
    return scaled
