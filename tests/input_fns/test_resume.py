"""Reading from a later batch on: start_step, checkpoints, and another number of workers from an epoch on."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
import tensorflow as tf

from input_fns import InputFn
from tests.input_fns.conftest import ClassData, Data

THREE = Data(
    classes=[
        ClassData(label=0, rows=9, more_folds=(9, 8), source_rows=90, shards=3),
        ClassData(label=1, rows=5, source_rows=10, first_id=100, shards=2),
        ClassData(label=2, rows=2, first_id=200),
    ]
)
MAPPING = {0: 0.5, 1: 0.2, 2: 0.3}


def rows_of(batches):
    return [
        (features["id"].tolist(), label.tolist(), weight.tolist())
        for features, label, weight in batches.as_numpy_iterator()
    ]


EVERY = range(1, 7)


@pytest.mark.parametrize(
    ("mix", "batching", "shuffle", "kept_rows", "steps"),
    [
        ("stored", "exact", True, 0, EVERY),
        (MAPPING, "sampled", True, 2**14, EVERY),
        ("balanced", "exact", True, 6, EVERY),
        ("stored", "sampled", True, 2**14, [2, 3, 4]),
        ("stored", "exact", False, 6, [4]),
        ("natural", "sampled", True, 0, [4]),
        ("natural", "exact", False, 2**14, [2, 3]),
        ("balanced", "sampled", True, 6, [3]),
        (MAPPING, "exact", False, 0, [2, 5]),
    ],
)
def test_start_step_is_the_rest_at_every_step(dataset, in_small, mix, batching, shuffle, kept_rows, steps):
    """Epochs of 3 batches, the last one short; classes in memory, streamed, and both."""
    in_small(kept_rows)
    path = dataset(THREE)
    options = {"batch_size": 6, "mix": mix, "batching": batching, "shuffle": shuffle, "num_epochs": 2, "seed": 3}
    whole = rows_of(InputFn(path, **options)())
    assert [len(ids) for ids, *_ in whole] == [6, 6, 4] * 2
    for step in steps:
        assert rows_of(InputFn(path, start_step=step, **options)()) == whole[step:], step


@pytest.mark.parametrize(("kept_rows", "start_step"), [(0, 10**12), (2**14, 10**12), (0, 10**5 + 3)])
def test_a_start_far_away_is_at_its_place_in_the_endless_stream(dataset, in_small, kept_rows, start_step):
    """Unshuffled rows tell where they are: row j of class 0 is row j of all its folds one after the other."""
    in_small(kept_rows)
    options = {"batch_size": 5, "mix": {0: 0.8, 1: 0.2, 2: 0}, "shuffle": False, "epoch_rows": 10}
    train = InputFn(dataset(THREE), start_step=start_step, **options)
    for number, (ids, labels, _) in enumerate(rows_of(train().take(6)), start_step):
        assert labels == [0, 0, 0, 0, 1]
        assert ids == [*((4 * number + row) % 26 for row in range(4)), 100 + number % 5]


@pytest.mark.parametrize("shuffle", [True, False])
def test_only_the_shards_that_the_rest_lies_in_are_read(dataset, in_small, shuffle):
    in_small(0)
    # Five shards of four rows, each a window and a batch.
    path = dataset(Data(classes=[ClassData(label=0, rows=20, shards=5)]))
    options = {"batch_size": 4, "shuffle": shuffle, "num_epochs": 1}
    whole = rows_of(InputFn(path, **options)())
    gone = {ids[0] // 4 for ids, *_ in whole[:3]}
    assert len(gone) == 3
    for number, shard in enumerate(sorted(Path(path).rglob("*.tfrecord"))):
        if number in gone:
            shard.write_bytes(bytes(shard.stat().st_size))
    assert rows_of(InputFn(path, start_step=3, **options)()) == whole[3:]
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"part-0000\d\.tfrecord: record 0 is missing, cut short"):
        rows_of(InputFn(path, start_step=2, **options)())


@pytest.mark.parametrize(
    ("mix", "batching", "kept_rows"),
    [("stored", "sampled", 0), ("balanced", "exact", 6)],
)
def test_a_checkpoint_of_the_iterator_restores_at_every_step(dataset, in_small, tmp_path, mix, batching, kept_rows):
    in_small(kept_rows)
    train = InputFn(dataset(THREE), batch_size=6, mix=mix, batching=batching, num_epochs=2)()
    whole = rows_of(train)
    iterator = iter(train)
    checkpoint = tf.train.Checkpoint(iterator=iterator)
    for step in range(len(whole) + 1):
        saved = checkpoint.write(str(tmp_path / f"at-{step}"))
        restored = iter(train)
        tf.train.Checkpoint(iterator=restored).read(saved)
        rest = [[part.numpy().tolist() for part in (f["id"], label, weight)] for f, label, weight in restored]
        assert rest == [list(batch) for batch in whole[step:]], step
        next(iterator, None)


def test_another_number_of_workers_from_an_epoch_on_reads_each_row_once(dataset):
    path = dataset(THREE)
    folds = [range(9), range(9, 18), range(18, 26)]
    for epoch, workers in enumerate([2, 3, 1]):
        seen = Counter()
        for worker in range(workers):
            options = {"batch_size": 3, "num_epochs": epoch + 1, "num_workers": workers, "worker_index": worker}
            steps = InputFn(path, **options).steps_per_epoch
            train = InputFn(path, start_step=epoch * steps, **options)
            batches = rows_of(train())
            assert len(batches) == steps
            seen.update(row for ids, *_ in batches for row in ids)
        expected = [*folds[epoch], *range(100, 105), 200, 201]
        # An epoch is as long as the first fold: the third, a row shorter, begins the next one.
        assert {row: times for row, times in seen.items() if row >= 100} == dict.fromkeys(expected[-7:], 1)
        assert set(seen) >= set(expected)


@pytest.mark.parametrize(
    ("start_step", "message"),
    [
        (9, r"start_step is 9, but 2 epochs have 8 batches of 5 rows\. Use a smaller one"),
        (-1, r"start_step is -1; give an integer, 0 or more\."),
        (1.5, r"start_step is 1\.5; give an integer, 0 or more\."),
    ],
)
def test_a_start_that_does_not_exist(dataset, start_step, message):
    with pytest.raises(ValueError, match=message):
        InputFn(dataset(THREE), batch_size=5, num_epochs=2, start_step=start_step)
