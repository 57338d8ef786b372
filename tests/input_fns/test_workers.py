"""Several workers: each row on one of them, as many batches on all, every class where that is asked."""

from __future__ import annotations

from collections import Counter

import pytest
import tensorflow as tf

from input_fns import InputFn
from tests.input_fns.conftest import ClassData, Data
from tfrecord_io.errors import UsageError

# A class of one shard, one of fewer rows than workers, one of fewer shards than workers.
DATA = Data(
    classes=[
        ClassData(label=0, rows=17, more_folds=(17,), source_rows=170),
        ClassData(label=1, rows=2, first_id=100),
        ClassData(label=2, rows=6, first_id=200, shards=2),
    ]
)


def read(path, workers, **options):
    """[(ids, labels) of each batch] of each worker, and the InputFns."""
    trains = [InputFn(path, num_workers=workers, worker_index=index, **options) for index in range(workers)]
    batches = [[(f["id"].tolist(), label.tolist()) for f, label, _ in one().as_numpy_iterator()] for one in trains]
    return batches, trains


@pytest.mark.parametrize(
    ("workers", "batch_size", "batching", "kept_rows"), [(4, 3, "exact", 0), (4, 3, "sampled", 2**14)]
)
def test_stored_epochs_are_each_row_once_on_one_worker(dataset, in_small, workers, batch_size, batching, kept_rows):
    in_small(kept_rows)
    path = dataset(DATA)
    options = {"batch_size": batch_size, "batching": batching, "num_epochs": 3}
    got, trains = read(path, workers, **options)
    steps = trains[0].steps_per_epoch
    assert [train.steps_per_epoch for train in trains] == [steps] * workers
    assert [len(batches) for batches in got] == [3 * steps] * workers
    assert {train.num_rows for train in trains} == {25}
    for epoch in range(3):
        rows = [[r for ids, _ in one[epoch * steps : epoch * steps + steps] for r in ids] for one in got]
        assert max(map(len, rows)) - min(map(len, rows)) <= 1
        first = 17 * (epoch % 2)
        expected = [*range(first, first + 17), 100, 101, *range(200, 206)]
        assert sorted(row for own in rows for row in own) == expected
    assert all(ids for own in got for ids, _ in own)


def test_no_batch_is_empty_where_the_last_row_is_one_workers_alone(dataset):
    """Nine rows in batches of four for two workers: five rows and four, two batches each."""
    got, trains = read(dataset(Data(classes=[ClassData(label=0, rows=9)])), 2, batch_size=4, num_epochs=2)
    assert [[len(ids) for ids, _ in own] for own in got] == [[4, 1] * 2, [3, 1] * 2]
    assert sorted(row for own in got for ids, _ in own[:2] for row in ids) == list(range(9))
    assert [train.steps_per_epoch for train in trains] == [2, 2]


@pytest.mark.parametrize("mix", ["balanced", {0: 2, 1: 1, 2: 1}])
def test_other_mixes_have_every_class_on_every_worker(dataset, mix):
    got, trains = read(dataset(DATA), 4, batch_size=8, mix=mix, epoch_rows=4 * 178 + 3, num_epochs=1)
    assert len({train.steps_per_epoch for train in trains}) == 1
    seen = [Counter(row for ids, _ in own for row in ids) for own in got]
    assert {len(own) for own in got} == {trains[0].steps_per_epoch}
    assert max(one.total() for one in seen) - min(one.total() for one in seen) <= 1
    for label, rows in ((0, 17), (1, 2), (2, 6)):
        own = [{row for row in one if row // 100 == label} for one in seen]
        if rows < len(own):
            assert own == [{100, 101}] * 4
        else:
            assert all(own)
            assert sum(map(len, own)) == len(set().union(*own))
    given = [Counter(label for _, labels in own for label in labels) for own in got]
    assert all(max(one[k] for one in given) - min(one[k] for one in given) <= 1 for k in range(3))


def test_weights_and_priors_are_those_of_all_rows_on_every_worker(dataset):
    path = dataset(DATA)
    alone = InputFn(path, batch_size=5, num_epochs=2)
    expected = {
        row: round(float(weight), 5)
        for f, _, weights in alone().as_numpy_iterator()
        for row, weight in zip(f["id"].tolist(), weights, strict=True)
    }
    found = {}
    for index in range(3):
        own = InputFn(path, batch_size=5, num_epochs=2, num_workers=3, worker_index=index)
        assert own.prior_correction == alone.prior_correction
        for f, _, weights in own().as_numpy_iterator():
            for row, weight in zip(f["id"].tolist(), weights, strict=True):
                found[row] = round(float(weight), 5)
    assert found == expected


def test_an_input_context_says_which_worker_this_is(dataset):
    path = dataset(DATA)
    options = {"batch_size": 3, "num_epochs": 1, "seed": 4}
    context = tf.distribute.InputContext(num_input_pipelines=3, input_pipeline_id=1, num_replicas_in_sync=6)
    from_context = [f["id"].tolist() for f, *_ in InputFn(path, **options)(context).as_numpy_iterator()]
    own = InputFn(path, num_workers=3, worker_index=1, **options)
    assert from_context == [f["id"].tolist() for f, *_ in own().as_numpy_iterator()]
    assert own(context).cardinality() == own.steps_per_epoch == len(from_context)
    alone = tf.distribute.InputContext()
    assert InputFn(path, **options)(alone).cardinality() == 9
    with pytest.raises(UsageError, match=r"context is of worker 1 of 3, but worker_index is 0 and num_workers 3\."):
        InputFn(path, num_workers=3, worker_index=0, **options)(context)
    with pytest.raises(UsageError, match=r"context is of worker 0 of 1, but worker_index is 1 and num_workers 3\."):
        own(alone)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"worker_index": 1}, r"worker_index is 1, but num_workers is 1: indices run from 0 to 0\."),
        ({"num_workers": 2, "worker_index": 2}, r"worker_index is 2, but num_workers is 2: indices run from 0 to 1\."),
        ({"num_workers": 0}, r"num_workers is 0; give an integer, 1 or more\."),
        ({"num_workers": 2, "worker_index": -1}, r"worker_index is -1; give an integer, 0 or more\."),
        ({"num_workers": 1.5}, r"num_workers is 1\.5; give an integer"),
        ({"num_workers": 26}, r"25 rows, which do not give every one of 26 workers a row in each of 1 batches\."),
        (
            {"num_workers": 4, "drop_remainder": True, "batch_size": 7},
            r"no batch: an epoch of each of 4 workers has 6 rows, a batch 7\.",
        ),
    ],
)
def test_workers_that_are_refused(dataset, options, message):
    with pytest.raises(UsageError, match=message):
        InputFn(dataset(DATA), **{"batch_size": 3, **options})
