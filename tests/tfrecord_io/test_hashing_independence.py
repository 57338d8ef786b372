"""The draw's hashes are uniform, and independent of each other where they must be.

On fixed seeds, so that a test passes or fails for good; right hashes fail one with a probability
below 1e-6.
"""

from __future__ import annotations

import itertools

import numpy as np
import pyarrow as pa
import pytest
from scipy import stats

from tfrecord_io.hashing import derive_keys, hash_positions, hash_values, vary

LEVEL = 1e-6


def positions(count: int) -> np.ndarray:
    return np.arange(count, dtype=np.uint64)


def test_short_strings_spread_evenly():
    hashed = hash_values(pa.array(np.arange(1_000_000)).cast(pa.string()), derive_keys(0, "split"))
    for shift in (56, 28, 0):
        buckets = (hashed >> np.uint64(shift)) & np.uint64(255)
        assert stats.chisquare(np.bincount(buckets.astype(np.int64), minlength=256)).pvalue > LEVEL


@pytest.mark.parametrize("step", [1, 80, 4096, 1 << 40])
def test_positions_spread_evenly(step):
    """Line offsets are multiples of something, more often than not."""
    hashed = hash_positions(positions(1 << 18) * np.uint64(step), derive_keys(0, "draw", "a.csv"))
    for shift in (56, 28, 0):
        buckets = (hashed >> np.uint64(shift)) & np.uint64(255)
        assert stats.chisquare(np.bincount(buckets.astype(np.int64), minlength=256)).pvalue > LEVEL


def _assert_independent(first: np.ndarray, second: np.ndarray) -> None:
    """Chi-square over a 16 x 16 table of the top bits, and the correlation of the ranks' values."""
    top = [(x >> np.uint64(60)).astype(np.int64) for x in (first, second)]
    table = np.bincount(top[0] * 16 + top[1], minlength=256)
    assert stats.chisquare(table).pvalue > LEVEL
    correlation = np.corrcoef(first.astype(np.float64), second.astype(np.float64))[0, 1]
    assert abs(correlation) * np.sqrt(len(first)) < stats.norm.isf(LEVEL / 2)
    agreeing = np.bitwise_count(~(first ^ second)) if hasattr(np, "bitwise_count") else None
    if agreeing is not None:
        assert abs(agreeing.mean() - 32) * np.sqrt(len(first)) / 4 < stats.norm.isf(LEVEL / 2)


@pytest.mark.parametrize("seed", [0, 1, 41, 2**31 - 1, -1])
def test_neighbouring_seeds_are_independent(seed):
    _assert_independent(
        *(hash_positions(positions(1 << 17), derive_keys(s, "draw", "a.csv")) for s in (seed, seed + 1))
    )


def test_neighbouring_seeds_do_not_shift():
    """seed + position would give the next seed the same rows, one further."""
    one, two = (hash_positions(positions(1 << 14), derive_keys(s, "draw", "a.csv")) for s in (0, 1))
    assert not np.intersect1d(one, two).size


@pytest.mark.parametrize("lag", [1, 2, 80])
def test_neighbouring_positions_are_independent(lag):
    hashed = hash_positions(positions((1 << 17) + lag), derive_keys(0, "draw", "a.csv"))
    _assert_independent(hashed[:-lag], hashed[lag:])


@pytest.mark.parametrize("pair", list(itertools.combinations(["draw", "order", "split"], 2)), ids="-".join)
def test_salts_are_independent(pair):
    _assert_independent(*(hash_positions(positions(1 << 17), derive_keys(0, salt, "a.csv")) for salt in pair))


def test_paths_are_independent():
    _assert_independent(
        *(hash_positions(positions(1 << 17), derive_keys(0, "draw", path)) for path in ("a.csv", "b.csv"))
    )


def test_a_draw_in_one_split_is_as_uniform_as_over_all():
    """Rows that one salt picks are no special rows to another."""
    split, draw = (hash_positions(positions(1 << 18), derive_keys(0, salt, "a")) for salt in ("split", "draw"))
    chosen = draw[split < np.uint64(1 << 61)]
    assert stats.kstest(chosen.astype(np.float64) / 2.0**64, "uniform").pvalue > LEVEL


def test_copies_are_independent():
    hashed = hash_positions(positions(1 << 17), derive_keys(0, "order", "a"))
    copies = [vary(hashed, np.full(len(hashed), copy)) for copy in range(4)]
    for one, two in itertools.combinations(copies, 2):
        _assert_independent(one, two)
