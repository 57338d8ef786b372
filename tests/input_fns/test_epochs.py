"""How rows fall into batches."""

from __future__ import annotations

import pytest
import tensorflow as tf

from input_fns.epochs import Epochs


@pytest.mark.parametrize(
    ("rows", "drop_remainder", "sizes"),
    [
        (10, False, [4, 4, 2]),
        (10, True, [4, 4]),
        (8, False, [4, 4]),
        (8, True, [4, 4]),
        (3, False, [3]),
        (9, True, [4, 4]),
    ],
)
def test_batches_never_straddle_epochs(rows, drop_remainder, sizes):
    epochs = Epochs(rows=rows, batch_size=4, drop_remainder=drop_remainder, count=3)
    assert epochs.steps == len(sizes)
    assert epochs.cardinality == 3 * len(sizes)
    assert [int(epochs.rows_of(batch)) for batch in epochs.batches] == 3 * sizes


def test_epochs_without_end():
    epochs = Epochs(rows=10, batch_size=4, drop_remainder=False, count=None)
    assert epochs.cardinality == tf.data.INFINITE_CARDINALITY
    assert [int(epochs.rows_of(batch)) for batch in epochs.batches.take(7)] == [4, 4, 2, 4, 4, 2, 4]
