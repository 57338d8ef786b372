"""How rows fall into batches."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tfrecord_io.reading import options


def epochs(rows, *, batch_size=4, drop_remainder=False, count=3, workers=(1, 0)):
    return options.epochs(
        [rows // workers[0] + (i < rows % workers[0]) for i in range(workers[0])],
        workers[1],
        batch_size=batch_size,
        drop_remainder=drop_remainder,
        num_epochs=count,
    )


@pytest.mark.parametrize(
    ("rows", "drop_remainder", "sizes"),
    [
        (10, False, [4, 4, 2]),
        (10, True, [4, 4]),
        (8, False, [4, 4]),
        (8, True, [4, 4]),
        (3, False, [3]),
        (1, False, [1]),
        (9, True, [4, 4]),
    ],
)
def test_batches_never_straddle_epochs(rows, drop_remainder, sizes):
    asked = epochs(rows, drop_remainder=drop_remainder)
    assert asked.steps == len(sizes)
    assert asked.batches == 3 * len(sizes)
    assert [asked.rows_of(batch) for batch in range(asked.batches)] == 3 * sizes
    assert asked.rows_of(np.arange(asked.batches)).tolist() == 3 * sizes


def test_epochs_without_end():
    endless = epochs(10, count=None)
    assert endless.batches is None
    assert [endless.rows_of(batch) for batch in range(7)] == [4, 4, 2, 4, 4, 2, 4]
    assert endless.rows_before(10**12) == 10**12 // 3 * 10 + 4


@given(st.integers(1, 9), st.integers(1, 200), st.integers(1, 60))
def test_all_workers_have_as_many_batches_and_none_is_empty(workers, rows, batch_size):
    assume(batch_size > 1 or rows % workers == 0)
    rows += workers
    each = [epochs(rows, batch_size=batch_size, workers=(workers, index)) for index in range(workers)]
    assert len({one.steps for one in each}) == 1
    assert sum(one.rows for one in each) == rows
    for one in each:
        sizes = [one.rows_of(batch) for batch in range(one.steps)]
        assert sum(sizes) == one.rows
        assert min(sizes) >= 1
        assert max(sizes) <= batch_size
        assert all(size >= batch_size - 1 for size in sizes[:-1])


@given(st.integers(1, 5), st.integers(1, 200), st.integers(1, 30))
def test_with_drop_remainder_every_batch_of_every_worker_is_whole(workers, rows, batch_size):
    rows += workers * batch_size
    for index in range(workers):
        one = epochs(rows, batch_size=batch_size, drop_remainder=True, workers=(workers, index))
        assert {one.rows_of(batch) for batch in range(one.steps)} == {batch_size}
        assert one.steps == rows // workers // batch_size


def test_rows_before_adds_up():
    one = epochs(23, batch_size=5, workers=(2, 1))
    sizes = [one.rows_of(batch) for batch in range(one.batches)]
    assert [one.rows_before(batch) for batch in range(one.batches)] == [0, *itertools.accumulate(sizes)][:-1]
