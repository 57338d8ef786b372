"""Quotas: pure arithmetic of (shares, sizes, seed), property-tested."""

from __future__ import annotations

import itertools
from fractions import Fraction

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from input_fns import quotas, seeds
from tfrecord_io.reading import options

SHARES = st.lists(st.integers(1, 50) | st.integers(1, 10**9), min_size=1, max_size=7)


def counts(found):
    """The quotas of each batch, of shape [batches, classes]."""
    return np.stack(list(found.batches.as_numpy_iterator()))


def sizes(epochs):
    return [epochs.rows_of(batch) for batch in range(epochs.batches)]


@settings(max_examples=20, deadline=None)
@given(SHARES, st.integers(1, 9), st.integers(1, 40), st.integers(1, 4), st.booleans())
def test_exact_is_within_one_row_of_every_share_at_every_batch(shares, batch_size, rows, count, drop):
    epochs = options.epochs([max(rows, batch_size)], 0, batch_size=batch_size, drop_remainder=drop, num_epochs=count)
    got = counts(quotas.exact(shares, epochs))
    assert got.min() >= 0
    assert got.sum(axis=1).tolist() == sizes(epochs)
    so_far = np.cumsum(got, axis=0)
    for row in so_far.tolist():
        for taken, share in zip(row, shares, strict=True):
            assert abs(taken - Fraction(sum(row) * share, sum(shares))) < 1


def test_exact_never_takes_back_what_largest_remainder_would():
    epochs = options.epochs([14], 0, batch_size=1, drop_remainder=False, num_epochs=2)
    so_far = np.cumsum(counts(quotas.exact([6, 6, 2], epochs)), axis=0)
    assert so_far[13].tolist() == [6, 6, 2]
    assert so_far[27].tolist() == [12, 12, 4]
    assert (np.diff(so_far, axis=0) >= 0).all()


def test_exact_works_when_every_deadline_falls_together():
    # One large class that must not take the turns of twenty tiny ones, due at the same row.
    epochs = options.epochs([40], 0, batch_size=1, drop_remainder=False, num_epochs=3)
    so_far = np.cumsum(counts(quotas.exact([20] + [1] * 20, epochs)), axis=0)
    assert so_far[39].tolist() == [20] + [1] * 20
    assert abs(so_far[:, 0] - np.arange(1, 121) / 2).max() < 1


def test_exact_batch_smaller_than_the_number_of_classes():
    epochs = options.epochs([12], 0, batch_size=2, drop_remainder=False, num_epochs=1)
    got = counts(quotas.exact([1] * 6, epochs))
    assert got.sum(axis=0).tolist() == [2] * 6
    assert got[:3].sum(axis=0).tolist() == [1] * 6


def test_drawn_has_the_asked_shares_and_is_repeatable():
    epochs = options.epochs([20000], 0, batch_size=100, drop_remainder=False, num_epochs=1)
    got = counts(quotas.drawn([3, 1], epochs, seeds.key(1, "classes")))
    assert got.sum(axis=1).tolist() == [100] * 200
    # Binomial(20000, 1/4): 6 standard deviations are 367 rows, a false alarm in 10^9 seeds.
    assert abs(got[:, 1].sum() - 5000) < 367
    # The counts vary as independent draws do: variance 18.75 a batch.
    assert 12 < got[:, 1].var() < 27
    again = counts(quotas.drawn([3, 1], epochs, seeds.key(1, "classes")))
    other = counts(quotas.drawn([3, 1], epochs, seeds.key(2, "classes")))
    assert (again == got).all()
    assert (other != got).any()


@settings(max_examples=15, deadline=None)
@given(
    st.lists(st.integers(1, 30), min_size=1, max_size=4),
    st.integers(1, 9),
    st.integers(0, 3),
    st.integers(1, 3),
    st.integers(0, 99),
)
def test_drawn_without_replacement_is_exact_over_every_round(rows, batch_size, more, count, seed):
    # Epochs longer than a round of all rows: batches then straddle rounds.
    epochs = options.epochs([sum(rows) * (more + 1)], 0, batch_size=batch_size, drop_remainder=False, num_epochs=count)
    got = counts(quotas.drawn_without_replacement(rows, epochs, seeds.key(seed, "classes")))
    assert got.min() >= 0
    assert got.sum(axis=1).tolist() == sizes(epochs)
    before = np.concatenate([np.zeros((1, len(rows)), int), np.cumsum(got, axis=0)])
    for row in before:
        rounds, rest = divmod(int(row.sum()), sum(rows))
        assert (row >= rounds * np.array(rows)).all()
        assert (row <= (rounds + (rest > 0)) * np.array(rows)).all()
    assert before[-1].tolist() == [n * (more + 1) * count for n in rows]


def test_drawn_without_replacement_is_hypergeometric():
    # Two of four rows, two rows a class: 0, 1, 2 of class 0 with chances 1/6, 4/6, 1/6.
    epochs = options.epochs([4], 0, batch_size=2, drop_remainder=False, num_epochs=3000)
    got = counts(quotas.drawn_without_replacement([2, 2], epochs, seeds.key(5, "classes")))
    found = np.bincount(got[::2, 0], minlength=3)
    expected = np.array([500, 2000, 500])
    # Chi-square with 2 degrees of freedom: above 27.6 once in a million.
    assert ((found - expected) ** 2 / expected).sum() < 27.6


def test_distinct_tickets_of_a_large_pool_are_distinct_and_spread():
    tickets = np.stack(
        [
            quotas._distinct(np.int64(100_000), np.int64(500), seeds.fold(seeds.key(0, "x"), np.int64(i))).numpy()
            for i in range(20)
        ]
    )
    assert all(len(set(row)) == 500 for row in tickets.tolist())
    found = np.bincount(tickets.ravel() // 10_000, minlength=10)
    assert ((found - 1000) ** 2 / 1000).sum() < 46  # 9 degrees of freedom, once in 10^6
    assert all((a != b).any() for a, b in itertools.pairwise(tickets))
