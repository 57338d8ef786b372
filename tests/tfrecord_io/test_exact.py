"""Exact sums, against fractions added one by one."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfrecord_io.exact import sums_by_group

EXTREMES = [0.0, -0.0, 5e-324, -5e-324, 2.2250738585072014e-308, 1e308, -1e308, 1.7976931348623157e308, 0.1, 1 / 3]
FLOATS = st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from(EXTREMES)
PAIRS = st.lists(st.tuples(FLOATS, st.integers(0, 4)), max_size=60)


def _sums(pairs, count=5):
    values = np.array([value for value, _ in pairs], np.float64)
    groups = np.array([group for _, group in pairs], np.int64)
    return sums_by_group(values, groups, count)


def _by_fractions(pairs, count=5):
    return [sum((Fraction(value) for value, group in pairs if group == wanted), Fraction(0)) for wanted in range(count)]


@given(PAIRS)
def test_equals_the_sum_of_fractions(pairs):
    assert _sums(pairs) == _by_fractions(pairs)


@given(PAIRS, st.randoms(use_true_random=False), st.integers(0, 60))
def test_neither_order_nor_grouping_matters(pairs, random, cut):
    """What makes sums of weights independent of workers and bundles."""
    shuffled = random.sample(pairs, len(pairs))
    whole = _sums(pairs)
    assert _sums(shuffled) == whole
    assert [a + b for a, b in zip(_sums(shuffled[:cut]), _sums(shuffled[cut:]), strict=True)] == whole


@pytest.mark.parametrize(
    ("values", "total"),
    [
        ([1e308, 1.0, -1e308], Fraction(1)),
        ([1e16, 1.0, 1.0, -1e16], Fraction(2)),
        ([5e-324] * 3, 3 * Fraction(5e-324)),
        ([1e308] * 1000, 1000 * Fraction(1e308)),
        ([0.1] * 10, 10 * Fraction(0.1)),
        ([-0.0, 0.0], Fraction(0)),
        ([], Fraction(0)),
    ],
)
def test_where_float_sums_lose(values, total):
    assert _sums([(value, 1) for value in values], 2) == [Fraction(0), total]


def test_many_values_of_one_exponent():
    """The halves of a million mantissas still add up exactly in float64."""
    largest = np.nextafter(2.0, 1.0)
    sums = sums_by_group(np.full(1_000_000, largest), np.zeros(1_000_000, np.int64), 1)
    assert sums == [1_000_000 * Fraction(float(largest))]


def test_no_groups_at_all():
    assert _sums([], 0) == []
