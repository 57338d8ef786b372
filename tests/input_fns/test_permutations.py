"""Permutations evaluated point by point: bijections, every one as likely as another."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import tensorflow as tf

from input_fns import permutations

SEED = 0x5EED


def permuted(sizes, keys):
    """[the permutation of range(size) of that key, for each]"""
    index = np.concatenate([np.arange(size) for size in sizes])
    each = tf.repeat(tf.constant(sizes, tf.int64), sizes), tf.repeat(tf.constant(keys, tf.int64), sizes)
    found = permutations.places(tf.constant(index, tf.int64), *each).numpy()
    return np.split(found, np.cumsum(sizes)[:-1])


def keys_of(count, stream=0):
    numbers = tf.range(count, dtype=tf.int64)
    return permutations.pass_key(SEED, tf.fill([count], tf.constant(stream, tf.int64)), numbers).numpy()


def test_every_size_is_a_bijection():
    sizes = [size for size in range(1, 51) for _ in range(4)]
    for size, found in zip(sizes, permuted(sizes, keys_of(len(sizes))), strict=True):
        assert np.sort(found).tolist() == list(range(size))
    (large,) = permuted([1_000_003], keys_of(1))
    assert (np.sort(large) == np.arange(1_000_003)).all()
    # A random permutation has one fixed point on average, and more than 20 once in 10^19.
    assert (large == np.arange(1_000_003)).sum() < 20
    assert abs(np.corrcoef(large, np.arange(1_000_003))[0, 1]) < 5e-3


@pytest.mark.parametrize(("size", "bound"), [(2, 24.0), (3, 35.9), (4, 69.0)])
def test_all_orders_are_equally_likely(size, bound):
    """Chi-square with size! - 1 degrees of freedom: above the bound once in a million."""
    orders = {order: number for number, order in enumerate(itertools.permutations(range(size)))}
    draws = 500 * len(orders)
    found = np.bincount([orders[tuple(one)] for one in permuted([size] * draws, keys_of(draws))], minlength=len(orders))
    assert ((found - 500) ** 2 / 500).sum() < bound


def test_each_row_of_seven_is_equally_likely_at_each_place_and_beside_each_other():
    draws = 20_000
    found = np.stack(permuted([7] * draws, keys_of(draws, stream=3)))
    table = np.stack([np.bincount(found[:, place], minlength=7) for place in range(7)])
    # 36 degrees of freedom: above 94 once in a million.
    assert ((table - draws / 7) ** 2 / (draws / 7)).sum() < 94
    pairs = np.bincount(found[:, 0] * 7 + found[:, 1], minlength=49).reshape(7, 7)
    expected = draws / 42
    off_diagonal = pairs[~np.eye(7, dtype=bool)]
    assert pairs.trace() == 0
    # 41 degrees of freedom: above 102 once in a million.
    assert ((off_diagonal - expected) ** 2 / expected).sum() < 102


def test_passes_and_classes_have_nothing_in_common():
    """Neighbouring passes agree in a place as often as chance has it: 1000 places of 1000 rows."""
    keys = [*keys_of(30), *keys_of(30, stream=1)]
    assert len(set(keys)) == 60
    found = np.stack(permuted([1000] * 60, keys))
    equal = [(found[one] == found[other]).sum() for one, other in itertools.combinations(range(60), 2)]
    # Poisson with mean 1, in 1770 pairs: a sum within 6 deviations, none above 14.
    assert abs(sum(equal) - 1770) < 6 * math.sqrt(1770)
    assert max(equal) < 15
