"""Quotas from any batch on, and how far they are from the classes' shares."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from input_fns import quotas, seeds
from tfrecord_io.reading.epochs import Epochs

KEY = seeds.key(7, "classes")


@st.composite
def epochs(draw):
    """Epochs of 1 to 60 rows; some lend a row to their last batch, as those of a worker do."""
    batch_size, count = draw(st.integers(1, 9)), draw(st.integers(1, 3))
    rows = draw(st.integers(batch_size, 60))
    steps = -(-rows // batch_size)
    if rows % batch_size == 0 and batch_size > 1:
        steps += draw(st.integers(0, 1))
    return Epochs(rows=rows, batch_size=batch_size, steps=steps, count=count)


def counts(found, classes):
    return np.array(list(found.batches.as_numpy_iterator())).reshape(-1, classes)


WAYS = {
    "exact": lambda shares, of, start: quotas.exact(shares, of, start),
    "drawn": lambda shares, of, start: quotas.drawn(shares, of, KEY, start),
    "drawn_without_replacement": lambda shares, of, start: quotas.drawn_without_replacement(shares, of, KEY, start),
}


@pytest.mark.parametrize("way", WAYS)
@settings(max_examples=8, deadline=None)
@given(shares=st.lists(st.integers(1, 40), min_size=1, max_size=6), of=epochs(), data=st.data())
def test_quotas_from_any_batch_on_are_the_rest(way, shares, of, data):
    start = data.draw(st.integers(0, of.batches))
    whole, rest = (WAYS[way](shares, of, first) for first in (0, start))
    expected = counts(whole, len(shares))
    assert (rest.start, whole.start) == (start, 0)
    assert whole.before.numpy().tolist() == [0] * len(shares)
    assert rest.before.numpy().tolist() == expected[:start].sum(axis=0).tolist()
    assert counts(rest, len(shares)).tolist() == expected[start:].tolist()
    assert expected.min() >= 0
    assert expected.sum(axis=1).tolist() == [of.rows_of(batch) for batch in range(of.batches)]


@settings(max_examples=15, deadline=None)
@given(shares=st.tuples(st.integers(1, 10**9), st.integers(1, 10**9)), of=epochs())
def test_two_classes_are_within_half_a_row_of_their_shares(shares, of):
    so_far = np.cumsum(counts(quotas.exact(shares, of), 2), axis=0).tolist()
    for first, second in so_far:
        assert abs(first - Fraction((first + second) * shares[0], sum(shares))) <= Fraction(1, 2)


@settings(max_examples=12, deadline=None)
@given(shares=st.lists(st.integers(1, 10**6), min_size=3, max_size=12), of=epochs())
def test_more_classes_are_within_one_row_of_their_shares(shares, of):
    """Batches smaller than the number of classes among them."""
    got = counts(quotas.exact(shares, of), len(shares))
    assert got.min() >= 0
    for row in np.cumsum(got, axis=0).tolist():
        assert all(
            abs(taken - Fraction(sum(row) * share, sum(shares))) < 1 for taken, share in zip(row, shares, strict=True)
        )


@pytest.mark.parametrize("start", [10**4, 10**6, 10**12])
@pytest.mark.parametrize("shares", [(10**12, 1), (1, 10**12), (2**39 + 1, 2**39), (366503875925, 733007751851)])
def test_two_classes_far_away(shares, start):
    """Shares such as 1/3 and 2/3 are whole numbers of forty bits, and rows soon millions."""
    of = Epochs(rows=1000, batch_size=300, steps=4, count=None)
    found = quotas.exact(shares, of, start)
    so_far = found.before.numpy()
    for batch, quota in zip(range(start, start + 5), found.batches.as_numpy_iterator(), strict=False):
        assert so_far.sum() == of.rows_before(batch)
        assert abs(int(so_far[0]) - Fraction(of.rows_before(batch) * shares[0], sum(shares))) <= Fraction(1, 2)
        assert quota.min() >= 0
        so_far = so_far + quota


def test_each_row_is_drawn_by_itself():
    """Batches of 2 of shares 1:2:3: the counts of all pairs, and of neighbouring batches."""
    of = Epochs(rows=6000, batch_size=2, steps=3000, count=1)
    got = counts(quotas.drawn([1, 2, 3], of, KEY), 3)
    shares = np.array([1, 2, 3]) / 6
    pairs = {(2, 0, 0): 1, (0, 2, 0): 4, (0, 0, 2): 9, (1, 1, 0): 4, (1, 0, 1): 6, (0, 1, 1): 12}
    found = np.array([(got == pair).all(axis=1).sum() for pair in pairs])
    expected = 3000 * np.array(list(pairs.values())) / 36
    # Chi-square with 5 degrees of freedom: above 35.9 once in a million.
    assert ((found - expected) ** 2 / expected).sum() < 35.9
    # Correlation of neighbouring batches: deviation 1 / sqrt(2999); 5 of them, once in a million.
    assert abs(np.corrcoef(got[:-1, 2], got[1:, 2])[0, 1]) < 5 / np.sqrt(2999)
    assert abs(got.mean(axis=0) / 2 - shares).max() < 5 * 0.5 / np.sqrt(6000)


def test_a_class_of_a_tiny_share_is_drawn_as_often_as_it_should():
    of = Epochs(rows=20_000, batch_size=1000, steps=20, count=1)
    got = counts(quotas.drawn([999, 1], of, KEY), 2)
    # Poisson with mean 20: outside 2 to 49 about once in a million.
    assert 2 <= got[:, 1].sum() <= 49
