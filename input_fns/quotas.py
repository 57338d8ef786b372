"""Quotas: how many rows of each class each batch takes.

Three ways, all pure functions of (shares, sizes, seed). Each returns `Quotas` from a given batch on,
whose `batches` yield, batch by batch, int64 of shape [classes] that adds up to the batch's rows.
Shares are whole numbers: class k has shares[k] / sum(shares) of the rows.

Cost: about a microsecond a batch for two classes, 30 for a few, 300 for thousands. To start at a later
batch costs nothing for exactly two; otherwise the quotas (but no data) of the batches before are
computed, from the last one on before which every class had its share to the row (with the stored
mix, this epoch's first; of equal shares, one of the last few), or from the first one if they are
drawn with replacement.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import tensorflow as tf

from input_fns import seeds
from tfrecord_io.reading.epochs import Epochs
from tfrecord_io.reading.plan import ReadPlan

_SMALL_POOL = 4096
_LOW = 2**20

State: TypeAlias = "tuple[tf.Tensor, tf.Tensor]"


@dataclass(frozen=True, kw_only=True)
class Quotas:
    """`batches` yields the quotas of every batch from `start` on; `before` is the sum of those before it."""

    start: int
    before: tf.Tensor
    batches: tf.data.Dataset


def quotas_of(plan: ReadPlan) -> Quotas:
    """The quotas of the classes that a plan opens, from its `start_step` on."""
    shares = [plan.shares[k] for k in plan.opened]
    if not plan.sampled:
        return exact(shares, plan.epochs, plan.start_step)
    key = seeds.key(plan.seed, "classes", *plan.worker_purpose)
    if plan.stored_order:
        rows = [plan.classes[k].rows for k in plan.opened]
        return drawn_without_replacement(rows, plan.epochs, key, plan.start_step)
    return drawn(shares, plan.epochs, key, plan.start_step)


def exact(shares: Sequence[int], epochs: Epochs, start: int = 0) -> Quotas:
    """Quotas that keep each class within one row of its share of all rows so far, at every batch.

    Of two classes, the first has its share rounded half up. Of more, each has the floor or the ceil
    of its exact share h * s; which classes get the rows left over is decided by deadline: first
    those whose floor rises soonest. Rows given are never taken back. (Largest remainder on running
    totals would have to: shares 6:6:2 give 4, 4, 2 rows of 10 but 5, 5, 1 of 11.) That this always
    works out is the schedulability of unit jobs by earliest deadline: Steiner and Yeomans, "Level
    schedules for mixed-model, just-in-time processes", Management Science 39 (1993); the quota
    method of Balinski and Young is of the kind.

    >>> pairs = Epochs(rows=6, batch_size=2, steps=3, count=1)
    >>> [quota.tolist() for quota in exact([2, 1], pairs).batches.as_numpy_iterator()]
    [[1, 1], [2, 0], [1, 1]]
    """
    parts, whole = tf.constant(shares, tf.int64), sum(shares)
    if len(shares) == 2:
        return _rounded(shares[0], whole, epochs, start)
    none = tf.zeros([len(shares)], tf.int64)

    def step(state: State, batch: tf.Tensor) -> tuple[State, tf.Tensor]:
        # remainder: h * shares mod whole. ahead: 1 where the class has had its ceil, else 0.
        remainder, ahead = state
        rows = epochs.rows_of(batch)
        remainder += rows * parts
        due = remainder // whole
        remainder %= whole
        least = tf.maximum(due - ahead, 0)
        ahead += least - due
        extra = _soonest(remainder, ahead, parts, whole, rows - tf.reduce_sum(least))
        return (remainder, ahead + extra), least + extra

    settled = epochs.last_multiple(whole, start)
    rounds = epochs.rows_before(settled) // whole
    return _after(_numbers(epochs, settled).scan((none, none), step), rounds * parts, start - settled, start)


def drawn(shares: Sequence[int], epochs: Epochs, key: seeds.Key, start: int = 0) -> Quotas:
    """Every row's class drawn by itself, with replacement: multinomial counts with these shares."""
    ends = tf.cumsum(tf.constant(shares, tf.int64))

    def counts(batch: tf.Tensor) -> tf.Tensor:
        shape = epochs.rows_of(batch)[tf.newaxis]
        tickets = tf.random.stateless_uniform(shape, seeds.fold(key, batch), 0, sum(shares), tf.int64)
        return _count(tickets, ends)

    return _after(_numbers(epochs).map(counts), tf.zeros_like(ends), start, start)


def drawn_without_replacement(rows: Sequence[int], epochs: Epochs, key: seeds.Key, start: int = 0) -> Quotas:
    """The order of the classes drawn without replacement: over any sum(rows) rows from the start,
    each class has exactly its own number of rows; multivariate hypergeometric counts.
    """
    full = tf.constant(rows, tf.int64)

    def step(left: tf.Tensor, batch: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        over = epochs.rows_of(batch) - tf.reduce_sum(left)
        runs_out = over >= 0
        rounds, rest = over // sum(rows), over % sum(rows)
        certain = tf.where(runs_out, left + rounds * full, 0)
        pool = tf.where(runs_out, full, left)
        size = tf.where(runs_out, rest, epochs.rows_of(batch))
        chosen = _count(_distinct(tf.reduce_sum(pool), size, seeds.fold(key, batch)), tf.cumsum(pool))
        return pool - chosen, certain + chosen

    settled = epochs.last_multiple(sum(rows), start)
    rounds = epochs.rows_before(settled) // sum(rows)
    return _after(_numbers(epochs, settled).scan(full, step), rounds * full, start - settled, start)


def _numbers(epochs: Epochs, start: int = 0) -> tf.data.Dataset:
    """The numbers of all batches from `start` on, int64 scalars."""
    return tf.data.Dataset.range(start, tf.int64.max if epochs.batches is None else epochs.batches)


def _rounded(part: int, whole: int, epochs: Epochs, start: int) -> Quotas:
    """Of two classes: h rows hold round(h * part / whole) of the first, whatever came before."""

    def given(batch: tf.Tensor) -> tf.Tensor:
        rows = epochs.rows_before(batch)
        # rest * part in two steps: shares of up to 2^41 would leave int64.
        rest = rows % whole
        high = rest // _LOW * part
        low = high % whole * _LOW + rest % _LOW * part
        up = tf.cast(2 * (low % whole) >= whole, tf.int64)
        first = rows // whole * part + high // whole * _LOW + low // whole + up
        return tf.stack([first, rows - first], axis=-1)

    batches = _numbers(epochs, start).batch(256).map(lambda batch: given(batch + 1) - given(batch)).unbatch()
    return Quotas(start=start, before=given(tf.constant(start, tf.int64)), batches=batches)


def _after(quotas: tf.data.Dataset, before: tf.Tensor, skipped: int, start: int) -> Quotas:
    """Quotas less the first `skipped` batches, `before` those having been given so many rows."""
    if skipped:
        before = quotas.take(skipped).reduce(before, lambda total, quota: total + quota)
    return Quotas(start=start, before=before, batches=quotas.skip(skipped))


def _soonest(remainder: tf.Tensor, ahead: tf.Tensor, parts: tf.Tensor, whole: int, count: tf.Tensor) -> tf.Tensor:
    """1 for the `count` classes, among those that may have another row, whose floor rises soonest."""
    open_to_more = (remainder > 0) & tf.equal(ahead, 0)
    rows_until_due = -((remainder - whole) // parts)
    order = tf.argsort(tf.where(open_to_more, rows_until_due, tf.int64.max), stable=True)[:count]
    return tf.scatter_nd(order[:, tf.newaxis], tf.ones_like(order, tf.int64), tf.shape(parts, tf.int32))


def _distinct(size: tf.Tensor, count: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """`count` distinct numbers below `size`, every set of them equally likely; int64 of shape [count].

    `tf.random.experimental.index_shuffle` would do it in one op, but is far from uniform below
    65536 (at size 8, chi-square finds it 30 000 sigma out).
    """

    def first_of_many() -> tf.Tensor:
        # The first `count` distinct of 4 x count draws. That there are fewer has, with more than
        # 4 x count and 4096 numbers to draw from, a chance below 1e-20.
        tickets = tf.random.stateless_uniform(4 * count[tf.newaxis], seed, 0, size, tf.int64)
        return tf.unique(tickets)[0][:count]

    few = size <= tf.maximum(4 * count, _SMALL_POOL)
    return tf.cond(few, lambda: seeds.permutation(size, seed)[:count], first_of_many)


def _count(tickets: tf.Tensor, ends: tf.Tensor) -> tf.Tensor:
    """How many tickets lie below each of the rising `ends` and not below the one before."""
    classes = tf.cast(tf.searchsorted(ends, tickets, side="right"), tf.int32)
    return tf.math.bincount(classes, minlength=tf.size(ends), dtype=tf.int64)
