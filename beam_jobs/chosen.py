"""Rows that the draw chose, on their way to be converted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from beam_jobs.sources.block import IntArray, Rows
from tfrecord_io.hashing import UInt64Array


@dataclass(frozen=True)
class Chosen:
    """Rows that are kept, or may be [n], each once.

    `files` are indices into the source's. `copies` counts how often a row is kept for sure, in fold
    `folds`; of those that are `unsure` the exact cut tells whether, and in which fold, they are kept
    once more. `u` and `order` are the hashes of draw and order, `ids` the `--row_id` columns.
    """

    rows: Rows
    files: npt.NDArray[np.int32]
    strata: IntArray
    copies: IntArray
    folds: IntArray
    unsure: npt.NDArray[np.bool_]
    u: UInt64Array
    order: UInt64Array
    ids: list[pa.Array]

    @classmethod
    def join(cls, parts: Sequence[Chosen]) -> Chosen:
        """The rows of several blocks, one after the other."""
        if len(parts) == 1:
            return parts[0]
        return cls(
            rows=type(parts[0].rows).join([part.rows for part in parts]),
            files=np.concatenate([part.files for part in parts]),
            strata=np.concatenate([part.strata for part in parts]),
            copies=np.concatenate([part.copies for part in parts]),
            folds=np.concatenate([part.folds for part in parts]),
            unsure=np.concatenate([part.unsure for part in parts]),
            u=np.concatenate([part.u for part in parts]),
            order=np.concatenate([part.order for part in parts]),
            ids=[pa.concat_arrays(columns) for columns in zip(*(part.ids for part in parts), strict=True)],
        )
