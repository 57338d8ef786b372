"""Many classes: read into memory, or streamed with few files open."""

from __future__ import annotations

import contextlib
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from input_fns import InputFn, streams
from tests.input_fns.conftest import ClassData, Data, write


@pytest.fixture(scope="module")
def hundreds(tmp_path_factory):
    """Class k holds 1 + k % 3 rows, from id 10 k on."""
    return write(
        tmp_path_factory.mktemp("hundreds"),
        Data(classes=[ClassData(label=k, rows=1 + k % 3, source_rows=50, first_id=10 * k) for k in range(300)]),
    )


def batches_of(train):
    return [(f["id"].tolist(), label.tolist()) for f, label, _ in train.as_numpy_iterator()]


@pytest.mark.parametrize("batching", ["exact", "sampled"])
def test_a_stored_epoch_of_300_classes_is_each_row_once(hundreds, batching):
    train = InputFn(hundreds, batch_size=64, batching=batching, num_epochs=2)
    got = batches_of(train())
    expected = sorted(10 * k + row for k in range(300) for row in range(1 + k % 3))
    steps = train.steps_per_epoch
    for epoch in (got[:steps], got[steps:]):
        assert sorted(row for ids, _ in epoch for row in ids) == expected
    assert all(row // 10 == label for ids, labels in got for row, label in zip(ids, labels, strict=True))


def test_batches_smaller_than_the_number_of_classes_take_turns(hundreds):
    """Quotas below one row a batch are carried over: 300 rows hold each class once."""
    got = batches_of(InputFn(hundreds, batch_size=50, mix="balanced", epoch_rows=900, num_epochs=1)())
    for round_of_all in range(3):
        labels = [label for _, batch in got[6 * round_of_all : 6 * round_of_all + 6] for label in batch]
        assert sorted(labels) == list(range(300))
    seen = Counter(row for ids, _ in got for row in ids)
    for k in range(300):
        times = [seen[10 * k + row] for row in range(1 + k % 3)]
        assert max(times) - min(times) <= 1


def open_shards(path):
    """The dataset's files that this process has open."""
    found = set()
    for number in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            target = number.readlink()
            if target.is_relative_to(Path(path).resolve()) and target.suffix == ".tfrecord":
                found.add(number)
    return found


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs Linux's list of open files")
@pytest.mark.parametrize("most", [4, 64])
def test_streamed_classes_have_few_files_open(dataset, in_small, monkeypatch, tmp_path, most):
    """Twelve classes streamed, windows of a few rows; with a bound of 4, files are closed after each window."""
    in_small(0)
    monkeypatch.setattr(streams, "MAX_OPEN", most)
    monkeypatch.setattr(streams, "_WINDOW_ROWS_OF_MANY", 36)
    monkeypatch.setattr(streams, "_LEAST_WINDOW_OF_MANY", 2)
    path = dataset(Data(classes=[ClassData(label=k, rows=120, first_id=1000 * k) for k in range(12)]))
    batches = InputFn(path, batch_size=60, num_epochs=1)()
    iterator, got, most_open = iter(batches), [], 0
    checkpoint = tf.train.Checkpoint(iterator=iterator)
    for step in range(24):
        if step == 15:
            saved = checkpoint.write(str(tmp_path / "saved"))
        features, label, _ = next(iterator)
        got.append((features["id"].numpy().tolist(), label.numpy().tolist()))
        most_open = max(most_open, len(open_shards(path)))
    # One a class at most; of many classes, those that are being read at this moment.
    assert most_open <= (12 if most == 64 else most)
    assert sorted(row for ids, _ in got for row in ids) == [1000 * k + row for k in range(12) for row in range(120)]
    assert all((np.array(ids) // 1000 == labels).all() for ids, labels in got)
    restored = iter(batches)
    tf.train.Checkpoint(iterator=restored).read(saved)
    assert [(f["id"].numpy().tolist(), label.numpy().tolist()) for f, label, _ in restored] == got[15:]
    assert batches_of(InputFn(path, batch_size=60, num_epochs=1, start_step=15)()) == got[15:]
