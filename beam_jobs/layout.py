"""The plan as arrays: what pass 2 looks up for each row, and which writer gets it.

Shards are numbered through, in the order of strata, folds and parts. Small ones are bundled into
buckets: one writer writes all shards of a bucket, so that the cost follows the bytes, not the classes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from beam_jobs.sources.block import FloatArray, IntArray
from tfrecord_io.hashing import UInt64Array
from tfrecord_io.labels import Label
from tfrecord_io.plan import Plan

_BUCKET_BYTES = 32 * 10**6
_BUCKETS = 256
"""Small data is cut into about as many, so that all workers have some."""
_LARGEST = (1 << 64) - 1


@dataclass(frozen=True)
class Layout:
    """Arrays over strata [k], with one more entry at the end for rows that are left out.

    `first_cut` [k + 2] says where the cuts of a stratum begin in `last` and `sure` [cuts]: rows with
    u > last lie after the cut, rows with u < sure before it. `reach` is the last cut's `last`.
    """

    plan: Plan
    index: dict[tuple[str, Label], int]
    copies: IntArray
    draws: npt.NDArray[np.bool_]
    reach: UInt64Array
    first_cut: IntArray
    last: UInt64Array
    sure: UInt64Array
    factors: FloatArray
    shards: UInt64Array
    first_shard: IntArray
    bucket_of_shard: IntArray

    @classmethod
    def of(cls, plan: Plan) -> Layout:
        """Lays out a plan."""
        strata = plan.strata
        counts = np.array([stratum.shards * stratum.folds for stratum in strata], np.int64)
        sizes = np.array([s.bytes / max(1, s.shards * s.folds) for s in strata])
        capacity = min(_BUCKET_BYTES, max(plan.shard_size, plan.bytes // _BUCKETS))
        filled = np.cumsum(np.repeat(sizes, counts))
        lasts = [np.array([never - 1 for _, never in s.cuts], np.uint64) for s in strata]
        sures = [np.array([min(sure, _LARGEST) for sure, _ in s.cuts], np.uint64) for s in strata]
        return cls(
            plan=plan,
            index={(stratum.split, stratum.label): i for i, stratum in enumerate(strata)},
            copies=np.array([stratum.copies for stratum in strata] + [0], np.int64),
            draws=np.array([stratum.drawn > 0 for stratum in strata] + [False]),
            reach=np.array([s.cuts[-1][1] - 1 if s.cuts else 0 for s in strata] + [0], np.uint64),
            first_cut=np.cumsum([0, *(len(stratum.cuts) for stratum in strata), 0]),
            # Bands widen by a rounding error if they must, so that they rise from cut to cut.
            last=_joined([np.maximum.accumulate(each) for each in lasts]),
            sure=_joined([np.minimum.accumulate(each[::-1])[::-1] for each in sures]),
            factors=np.array([stratum.factor for stratum in strata] + [0.0]),
            shards=np.array([stratum.shards for stratum in strata] + [0], np.uint64),
            first_shard=np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)]),
            bucket_of_shard=np.floor_divide(filled, capacity).astype(np.int64),
        )

    def folds_of(self, strata: IntArray, u: UInt64Array) -> tuple[IntArray, IntArray]:
        """The first and the last fold that rows may lie in; one past a stratum's folds is none of them."""
        starts, stops = self.first_cut[strata], self.first_cut[strata + 1]
        first = bisect(starts, stops, lambda rows, cuts: self.last[cuts] < u[rows]) - starts
        last = bisect(starts, stops, lambda rows, cuts: self.sure[cuts] <= u[rows]) - starts
        return first, last

    def shard_of(self, strata: IntArray, folds: IntArray, order: UInt64Array) -> IntArray:
        """The shard of rows by stratum, fold and v: shard s of S holds the s-th slice of v."""
        shards = self.shards[strata]
        slices = (order >> np.uint64(32)) * shards >> np.uint64(32)
        return self.first_shard[strata] + folds * shards.astype(np.int64) + slices.astype(np.int64)


def bisect(
    starts: IntArray, stops: IntArray, passed: Callable[[IntArray, IntArray], npt.NDArray[np.bool_]]
) -> IntArray:
    """The first of the places starts[i]..stops[i] that row i has not passed, or stops[i]: binary search in ranges.

    Args:
      starts: [n].
      stops: [n].
      passed: (rows, places) -> whether each row has passed its place; once False, False from there on.
    """
    low, high = starts.copy(), stops.copy()
    while len(rows := np.flatnonzero(low < high)):
        middle = (low[rows] + high[rows]) >> 1
        beyond = passed(rows, middle)
        low[rows[beyond]] = middle[beyond] + 1
        high[rows[~beyond]] = middle[~beyond]
    return low


def _joined(arrays: list[UInt64Array]) -> UInt64Array:
    return np.concatenate([np.zeros(0, np.uint64), *arrays])
