"""What holds of every strategy, for any counts."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tfrecord_io.errors import PlanError
from tfrecord_io.rounding import largest_remainder, round_half_up
from tfrecord_io.strategy import parse_strategy

COUNTS = st.dictionaries(st.integers(-5, 20), st.integers(0, 10_000), min_size=1, max_size=12).filter(
    lambda counts: any(counts.values())
)


@given(COUNTS)
def test_balance_is_the_minimum_and_majority_touches_one_class(counts):
    present = [rows for rows in counts.values() if rows]
    smallest = min(present)
    balanced = parse_strategy("balance").sizes(counts, "int64")
    assert balanced == {label: smallest if rows else 0 for label, rows in counts.items()}
    changed = {k: v for k, v in parse_strategy("majority").sizes(counts, "int64").items() if v != counts[k]}
    assert len(changed) == (max(present) > smallest)
    assert all(counts[label] == max(present) and rows == smallest for label, rows in changed.items())


@given(COUNTS, st.fractions(1, 50), st.integers(1, 20_000))
def test_ratio_and_max_cap(counts, ratio, most):
    smallest = min(rows for rows in counts.values() if rows)
    for text, ceiling in ((f"ratio={ratio}", math.floor(ratio * smallest + Fraction(1, 2))), (f"max={most}", most)):
        sizes = parse_strategy(text).sizes(counts, "int64")
        assert sizes == {label: min(rows, ceiling) for label, rows in counts.items()}


@given(COUNTS, st.data())
def test_counts_and_rates_keep_exactly_what_they_say(counts, data):
    rates = {label: data.draw(st.fractions(0, 4, max_denominator=1000)) for label in counts}
    rates = {label: rate if counts[label] else Fraction(0) for label, rate in rates.items()}
    wanted = {label: math.floor(rate * counts[label] + Fraction(1, 2)) for label, rate in rates.items()}
    assume(any(rates.values()))
    strategy = parse_strategy("rates:" + ",".join(f"{label}={rate}" for label, rate in rates.items()))
    if any(rate and not wanted[label] for label, rate in rates.items()):
        with pytest.raises(PlanError, match="0 rows after rounding"):
            strategy.sizes(counts, "int64")
        return
    assert strategy.sizes(counts, "int64") == wanted
    if any(wanted.values()):
        text = "counts:" + ",".join(f"{label}={rows}" for label, rows in wanted.items())
        assert parse_strategy(text).sizes(counts, "int64") == wanted


def _largest_remainder(shares, total):
    """One row after the other to the class whose rounding down lost most."""
    rows = {label: math.floor(share * total) for label, share in shares.items()}
    lost = {label: share * total - rows[label] for label, share in shares.items()}
    while sum(rows.values()) < total:
        most = max(lost, key=lost.__getitem__)
        rows[most] += 1
        del lost[most]
    return rows


@given(st.lists(st.tuples(st.integers(1, 10_000), st.integers(1, 100)), min_size=1, max_size=10))
def test_shares_come_within_one_row_and_replicate_nothing(classes):
    counts = {label: rows for label, (rows, _) in enumerate(classes)}
    total_parts = sum(part for _, part in classes)
    shares = {label: Fraction(part, total_parts) for label, (_, part) in enumerate(classes)}
    strategy = parse_strategy("shares:" + ",".join(f"{label}={share}" for label, share in shares.items()))
    most = math.floor(min(counts[label] / share for label, share in shares.items()))
    wanted = _largest_remainder(shares, most)
    if not all(wanted.values()):
        with pytest.raises(PlanError, match="0 rows after rounding"):
            strategy.sizes(counts, "int64")
        return
    sizes = strategy.sizes(counts, "int64")
    assert sizes == wanted
    assert sum(sizes.values()) == most
    assert all(abs(sizes[label] - share * most) < 1 for label, share in shares.items())
    assert all(sizes[label] <= rows for label, rows in counts.items())
    # One row more would need more of some class than there is.
    assert any(share * (most + 1) > counts[label] for label, share in shares.items())


@given(st.lists(st.fractions(0, 50, max_denominator=97), min_size=1, max_size=20))
def test_largest_remainder(quotas):
    exact = dict(enumerate(quotas))
    total = math.floor(sum(quotas))
    rounded = largest_remainder(exact, total)
    assert sum(rounded.values()) == total
    assert all(rounded[label] - math.floor(quota) in (0, 1) for label, quota in exact.items())
    up = [quota % 1 for label, quota in exact.items() if rounded[label] > math.floor(quota)]
    down = [quota % 1 for label, quota in exact.items() if rounded[label] == math.floor(quota)]
    assert not up or not down or min(up) >= max(down)


@given(COUNTS, st.fractions(0, 1, max_denominator=20), st.fractions(0, 1, max_denominator=20))
def test_soften_lies_between_none_and_uniform(counts, under, over):
    present = {label: rows for label, rows in counts.items() if rows}
    uniform = math.floor(Fraction(sum(present.values()), len(present)) + Fraction(1, 2))
    sizes = parse_strategy(f"soften:{under},{over}").sizes(counts, "int64")
    for label, rows in counts.items():
        assert min(rows, uniform) <= sizes[label] <= max(rows, uniform) if rows else not sizes[label]
    assert parse_strategy("soften:0,0").sizes(counts, "int64") == counts
    assert set(parse_strategy("soften:1,1").sizes(present, "int64").values()) == {uniform}


@given(st.fractions(-100, 100))
def test_halves_go_up(value):
    assert round_half_up(value) == math.floor(value + Fraction(1, 2))
