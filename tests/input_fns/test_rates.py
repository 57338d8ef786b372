"""Rates and weights of any shares: what they promise together."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from input_fns.rates import class_rates

SHARES = st.lists(st.tuples(st.integers(1, 10**5), st.integers(0, 10)), min_size=1, max_size=6).filter(
    lambda pairs: any(wanted for _, wanted in pairs)
)
EXPONENTS = st.tuples(st.floats(0, 1).map(lambda power: round(power, 2)), st.floats(0, 1).map(lambda c: round(c, 2)))


def drawn(pairs, soften, replicate):
    """Source shares, target shares, rates and weights of each class, and the shares of what is yielded."""
    rows, wanted = zip(*pairs, strict=True)
    rates = class_rates(dict(enumerate(map(Fraction, rows))), wanted, soften, replicate)
    source = [count / sum(rows) for count in rows]
    target = [share / sum(wanted) for share in wanted]
    yielded = [share * rate for share, rate in zip(source, rates.rates, strict=True)]
    return source, target, rates, [share / sum(yielded) for share in yielded], sum(yielded)


@given(SHARES, EXPONENTS, st.booleans())
def test_weights_give_the_source_shares_back(pairs, soften, replicate):
    source, _, rates, yielded, _ = drawn(pairs, soften, replicate)
    kept = sum(share for share, rate in zip(source, rates.rates, strict=True) if rate)
    for share, rate, weight, part in zip(source, rates.rates, rates.weights, yielded, strict=True):
        assert weight * part == pytest.approx(share / kept if rate else 0)
    assert sum(map(float.__mul__, rates.weights, yielded)) == pytest.approx(1)


@given(SHARES, st.booleans())
def test_full_exponents_meet_the_target(pairs, replicate):
    _, target, rates, yielded, rows = drawn(pairs, (1, 1), replicate)
    assert yielded == pytest.approx(target)
    if replicate:
        assert rows == pytest.approx(1)
    else:
        assert max(rates.rates) == 1


@given(SHARES)
def test_no_exponents_change_nothing(pairs):
    _, _, rates, _, _ = drawn(pairs, (0, 0), True)
    assert set(rates.rates) == set(rates.weights) == {1}


@given(SHARES, EXPONENTS)
def test_at_most_twice_as_many_rows_as_are_read(pairs, soften):
    _, _, _, _, rows = drawn(pairs, soften, True)
    assert rows <= 2
