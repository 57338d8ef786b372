"""The plan as arrays: what pass 2 looks up for each row, and which writer gets it.

Shards are numbered through, in the order of strata. Small ones are bundled into buckets: one
writer writes all shards of a bucket, so that the cost follows the bytes, not the classes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from beam_jobs.sources.block import FloatArray, IntArray
from tfrecord_io.hashing import UInt64Array
from tfrecord_io.labels import Label
from tfrecord_io.plan import Plan

_BUCKET_BYTES = 32 * 10**6


@dataclass(frozen=True)
class Layout:
    """Arrays over strata [k], with one more entry at the end for rows that are left out."""

    plan: Plan
    index: dict[tuple[str, Label], int]
    copies: IntArray
    draws: npt.NDArray[np.bool_]
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
        counts = np.array([stratum.shards for stratum in strata], np.int64)
        sizes = np.array([stratum.bytes / max(1, stratum.shards) for stratum in strata])
        capacity = min(plan.shard_size, _BUCKET_BYTES)
        filled = np.cumsum(np.repeat(sizes, counts))
        return cls(
            plan=plan,
            index={(stratum.split, stratum.label): i for i, stratum in enumerate(strata)},
            copies=np.array([stratum.copies for stratum in strata] + [0], np.int64),
            draws=np.array([stratum.drawn > 0 for stratum in strata] + [False]),
            last=np.array([max(0, stratum.never - 1) for stratum in strata] + [0], np.uint64),
            sure=np.array([min(stratum.sure, (1 << 64) - 1) for stratum in strata] + [0], np.uint64),
            factors=np.array([stratum.factor for stratum in strata] + [0.0]),
            shards=np.array([stratum.shards for stratum in strata] + [0], np.uint64),
            first_shard=np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)]),
            bucket_of_shard=np.floor_divide(filled, capacity).astype(np.int64),
        )

    def stratum_of_shard(self, shard: IntArray) -> IntArray:
        """The index of the stratum that a shard belongs to."""
        return np.searchsorted(self.first_shard, shard, side="right") - 1

    def shard_of(self, strata: IntArray, order: UInt64Array) -> IntArray:
        """The shard of rows by their stratum and v: shard s of S holds the s-th slice of v."""
        slices = (order >> np.uint64(32)) * self.shards[strata] >> np.uint64(32)
        return self.first_shard[strata] + slices.astype(np.int64)
