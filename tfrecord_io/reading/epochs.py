"""Epochs: how rows fall into batches, and batches into epochs. Pure arithmetic, no data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

_AT_ONCE = 2**16


@dataclass(frozen=True, kw_only=True)
class Epochs:
    """`count` epochs (None = without end) of `rows` rows each, in `steps` batches of `batch_size` rows.

    The last batch of an epoch is short where the rows do not fill it. Batches never straddle
    epochs, and none is empty: where this worker has a row less than others, and none for the last
    batch, the batch before gives it one.

    Batches are numbered from 0 through all epochs; the methods take and give an int, or arrays or
    tensors of int64.

    >>> epochs = Epochs(rows=10, batch_size=4, steps=3, count=None)
    >>> [epochs.rows_of(batch) for batch in range(7)]
    [4, 4, 2, 4, 4, 2, 4]
    """

    rows: int
    batch_size: int
    steps: int
    count: int | None

    @property
    def batches(self) -> int | None:
        """Batches in all epochs; None = without end."""
        return None if self.count is None else self.steps * self.count

    def rows_before(self, batch: Any) -> Any:
        """Rows in all batches before that one."""
        epoch, step = batch // self.steps, batch % self.steps
        lent = max(0, (self.steps - 1) * self.batch_size + 1 - self.rows)
        return epoch * self.rows + step * self.batch_size - step // max(self.steps - 1, 1) * lent

    def rows_of(self, batch: Any) -> Any:
        """How many rows that batch has."""
        return self.rows_before(batch + 1) - self.rows_before(batch)

    def last_multiple(self, rows: int, batch: int) -> int:
        """The last batch, up to `batch`, with a multiple of so many rows before it.

        >>> Epochs(rows=10, batch_size=4, steps=3, count=None).last_multiple(6, 8)
        7
        """
        for stop in range(batch + 1, 0, -_AT_ONCE):
            batches = np.arange(max(stop - _AT_ONCE, 0), stop)
            found = np.flatnonzero(self.rows_before(batches) % rows == 0)
            if len(found):
                return int(batches[found[-1]])
        return 0
