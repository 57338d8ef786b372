"""Exact sums of floats: the same whatever the order and the grouping."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import numpy.typing as npt

_MANTISSA_BITS = 53
_LOW_BITS = 26


def sums_by_group(values: npt.NDArray[np.float64], groups: npt.NDArray[np.int64], count: int) -> list[Fraction]:
    """The exact sum of the values of each group.

    Args:
      values: finite float64 [n], n below 2**25.
      groups: the group of each value [n], 0 to count - 1.
      count: how many groups there are.

    Each float is an integer of 53 bits times a power of two. For each exponent the integers are
    summed in two halves that float64 adds exactly; the few partial sums are put together as
    fractions. O(n) for each distinct exponent.
    """
    totals = [Fraction(0)] * count
    mantissas, exponents = np.frexp(values)
    integers = (mantissas * 2.0**_MANTISSA_BITS).astype(np.int64)
    for exponent in np.unique(exponents[integers != 0]).tolist():
        here = (exponents == exponent) & (integers != 0)
        high = np.bincount(groups[here], (integers[here] >> _LOW_BITS).astype(np.float64), count)
        low = np.bincount(groups[here], (integers[here] & ((1 << _LOW_BITS) - 1)).astype(np.float64), count)
        scale = Fraction(2) ** (exponent - _MANTISSA_BITS)
        for group in np.flatnonzero((high != 0) | (low != 0)).tolist():
            totals[group] += ((int(high[group]) << _LOW_BITS) + int(low[group])) * scale
    return totals
