"""Quotas: how many rows of each class each batch takes, in numpy.

Three ways, as those of TensorFlow's reader; the exact ones are equal to its in every batch. Each yields,
batch by batch, int64 [classes] that add up to the batch's rows.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from tfrecord_io.hashing import Keys
from tfrecord_io.reading.chances import keys_for, numbers, permutations
from tfrecord_io.reading.epochs import Epochs
from tfrecord_io.reading.plan import ReadPlan

IntArray = npt.NDArray[np.int64]

_SMALL_POOL = 4096
_ROWS_AT_ONCE = 2**18


def batch_quotas(plan: ReadPlan) -> tuple[IntArray, Iterator[IntArray]]:
    """Of the classes that are read: the rows before the batch `start_step`, and the quotas from there on.

    Cost: some microseconds a batch; of the batches before the first, those since the shares last
    came out even, or, where classes are drawn with replacement, a tenth of a second in 2 million rows.
    """
    epochs, start = plan.epochs, plan.start_step
    if plan.sampled and not plan.stored_order:
        shares = np.array([plan.shares[k] for k in plan.opened], np.uint64)
        keys = keys_for(plan, "classes")
        return _drawn_before(shares, epochs.rows_before(start), keys), _drawn(shares, epochs, start, keys)
    parts = [plan.classes[k].rows if plan.sampled else plan.shares[k] for k in plan.opened]
    whole = sum(parts)
    first = epochs.last_multiple(whole, start)
    before = np.array(parts, np.int64) * (epochs.rows_before(first) // whole)
    if plan.sampled:
        quotas = _drawn_without_replacement(parts, epochs, first, plan)
    else:
        quotas = (_exact_two if len(parts) == 2 else _exact)(parts, epochs, first)
    for quota in itertools.islice(quotas, start - first):
        before += quota
    return before, quotas


def _batches(epochs: Epochs, first: int) -> Iterator[tuple[int, int, int]]:
    """The number of each batch from `first` on, and the rows before and after it."""
    for batch in itertools.count(first) if epochs.batches is None else range(first, epochs.batches):
        yield batch, epochs.rows_before(batch), epochs.rows_before(batch + 1)


def _exact_two(shares: Sequence[int], epochs: Epochs, first: int) -> Iterator[IntArray]:
    """Of two classes: the first one's share of all rows so far, rounded half up."""
    part, whole = shares[0], sum(shares)
    for _, before, after in _batches(epochs, first):
        rows = (2 * after * part + whole) // (2 * whole) - (2 * before * part + whole) // (2 * whole)
        yield np.array([rows, after - before - rows])


def _exact(shares: Sequence[int], epochs: Epochs, first: int) -> Iterator[IntArray]:
    """Quotas that keep each class within one row of its share of all rows so far, at every batch.

    Between floor and ceil of its exact share a class may have either; the rows left over go to those
    whose floor rises soonest. See `input_fns/quotas.py` for why that always works out.
    """
    parts, whole = np.array(shares, np.int64), sum(shares)
    remainder = np.zeros_like(parts)  # rows so far x shares, modulo their sum
    ahead = np.zeros_like(parts)  # 1 where a class has had its ceil
    for _, before, after in _batches(epochs, first):
        due, remainder = np.divmod(remainder + (after - before) * parts, whole)
        quota = np.maximum(due - ahead, 0)
        ahead += quota - due
        left = after - before - int(quota.sum())
        if left:
            open_to_more = np.flatnonzero((remainder > 0) & (ahead == 0))
            rows_until_due = -((remainder[open_to_more] - whole) // parts[open_to_more])
            soonest = open_to_more[np.argsort(rows_until_due, kind="stable")[:left]]
            quota[soonest] += 1
            ahead[soonest] += 1
        yield quota


def _drawn(shares: npt.NDArray[np.uint64], epochs: Epochs, first: int, keys: Keys) -> Iterator[IntArray]:
    """Every row's class drawn by itself, with replacement."""
    ends = np.cumsum(shares)
    for _, before, after in _batches(epochs, first):
        yield _count(numbers(before, after - before, keys) % ends[-1], ends)


def _drawn_before(shares: npt.NDArray[np.uint64], rows: int, keys: Keys) -> IntArray:
    """How many of the first rows `_drawn` gives to each class."""
    ends, counts = np.cumsum(shares), np.zeros(len(shares), np.int64)
    for low in range(0, rows, _ROWS_AT_ONCE):
        counts += _count(numbers(low, min(_ROWS_AT_ONCE, rows - low), keys) % ends[-1], ends)
    return counts


def _drawn_without_replacement(rows: Sequence[int], epochs: Epochs, first: int, plan: ReadPlan) -> Iterator[IntArray]:
    """The order of the classes drawn without replacement: over any sum(rows) rows from the start,
    each class has exactly its own number of rows.
    """
    full = np.array(rows, np.int64)
    pool, total, left = full, sum(rows), sum(rows)
    for batch, before, after in _batches(epochs, first):
        size, quota = after - before, np.zeros_like(full)
        if size >= left:
            rounds, size = divmod(size - left, total)
            quota += pool + rounds * full
            pool, left = full, total
        keys = keys_for(plan, "classes", str(batch))
        chosen = _count(_distinct(left, size, keys), np.cumsum(pool).astype(np.uint64))
        pool, left = pool - chosen, left - size
        yield quota + chosen


def _distinct(size: int, count: int, keys: Keys) -> npt.NDArray[np.uint64]:
    """`count` distinct numbers below `size`, every set of them equally likely."""
    if size <= max(4 * count, _SMALL_POOL):
        return permutations(0, 1, size, keys)[0, :count].astype(np.uint64)
    # The first `count` distinct of 4 x count draws. That there are fewer has a chance below 1e-20.
    found, at = np.unique(numbers(0, 4 * count, keys) % np.uint64(size), return_index=True)
    distinct: npt.NDArray[np.uint64] = found[np.argsort(at)[:count]]
    return distinct


def _count(tickets: npt.NDArray[np.uint64], ends: npt.NDArray[np.uint64]) -> IntArray:
    """How many tickets lie below each of the rising `ends` and not below the one before."""
    return np.bincount(np.searchsorted(ends, tickets, side="right"), minlength=len(ends))
