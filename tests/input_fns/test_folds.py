"""Folds: each pass over a class reads one of its folds, exactly, wherever reading starts."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from input_fns import InputFn, streams
from tests.input_fns.conftest import ClassData, Data
from tests.input_fns.numbered_shards import KEY, kept, shards_of, stratum, streamed, write_shards
from tfrecord_io.errors import ManifestError, UsageError
from tfrecord_io.manifest import content_id

THREE_FOLDS = Data(
    classes=[
        ClassData(label=0, rows=6, more_folds=(6, 6), source_rows=60, shards=2),
        ClassData(label=1, rows=4, first_id=100),
    ]
)
FOLDS = [set(range(6)), set(range(6, 12)), set(range(12, 18))]


def epochs_of(train):
    """The ids of each epoch, and of the classes 0 and 1 in it."""
    got = [(f["id"].tolist(), label.tolist()) for f, label, _ in train().as_numpy_iterator()]
    for first in range(0, len(got), train.steps_per_epoch):
        rows = [pair for batch in got[first : first + train.steps_per_epoch] for pair in zip(*batch, strict=True)]
        yield [row for row, label in rows if label == 0], [row for row, label in rows if label == 1]


@pytest.mark.parametrize("batching", ["exact", "sampled"])
@pytest.mark.parametrize("batch_size", [3, 64])
def test_an_epoch_is_one_fold_and_the_next_epoch_the_next_one(dataset, batching, batch_size):
    train = InputFn(dataset(THREE_FOLDS), batch_size=batch_size, batching=batching, num_epochs=7)
    assert (train.num_rows, train.class_rows, train.source_class_rows) == (10, {0: 6, 1: 4}, {0: 60, 1: 4})
    assert train.steps_per_epoch == -(-10 // batch_size)
    for number, (folded, shared) in enumerate(epochs_of(train)):
        assert len(folded) == 6
        assert set(folded) == FOLDS[number % 3]
        assert sorted(shared) == [100, 101, 102, 103]


@pytest.mark.parametrize("batching", ["exact", "sampled"])
def test_passes_go_through_the_folds_at_any_mix_across_epochs(dataset, batching):
    train = InputFn(dataset(THREE_FOLDS), batch_size=7, mix="balanced", batching=batching, num_epochs=12)
    seen = Counter()
    for features, label, _ in train().as_numpy_iterator():
        seen.update(features["id"][label == 0].tolist())
        passes, rest = divmod(seen.total(), 6)
        of_this_pass = seen - Counter(row for number in range(passes) for row in FOLDS[number % 3])
        assert of_this_pass.total() == rest
        assert set(of_this_pass) <= FOLDS[passes % 3]
        assert set(of_this_pass.values()) <= {1}
    assert seen.total() > 40


@pytest.mark.parametrize("fold", [0, 1, 2])
def test_one_fold_alone(dataset, fold):
    path = dataset(THREE_FOLDS)
    train = InputFn(path, batch_size=5, num_epochs=3, fold=fold)
    assert (train.num_rows, train.class_rows) == (10, {0: 6, 1: 4})
    for folded, shared in epochs_of(train):
        assert (set(folded), len(folded), len(shared)) == (FOLDS[fold], 6, 4)


def test_a_fold_that_does_not_exist(dataset):
    more = ClassData(label=2, rows=2, more_folds=(2,), source_rows=40, first_id=200)
    path = dataset(Data(classes=[*THREE_FOLDS.classes, more]))
    assert InputFn(path, batch_size=1, fold=1).num_rows == 12
    with pytest.raises(UsageError, match=r"no fold 2: class 2 of split 'train' has 2 folds\. Choose one of 0, 1, or"):
        InputFn(path, batch_size=1, fold=2)
    plain = dataset(Data(classes=[ClassData(label=0, rows=3)]))
    assert InputFn(plain, batch_size=1, fold=0).num_rows == 3
    with pytest.raises(UsageError, match=r"no fold 1: every class has one fold, 0\. Leave fold out\."):
        InputFn(plain, batch_size=1, fold=1)
    for bad in (-1, 1.5, "0", True):
        with pytest.raises(UsageError, match=r"fold is .*; give an integer, 0 or more\."):
            InputFn(plain, batch_size=1, fold=bad)


@pytest.mark.parametrize("kept_rows", [0, 2**14])
def test_folds_that_rejected_rows_made_shorter_or_empty_run_on(dataset, in_small, kept_rows):
    in_small(kept_rows)
    path = dataset(Data(classes=[ClassData(label=0, rows=5, more_folds=(3, 0, 4), source_rows=60)]))
    train = InputFn(path, batch_size=4, epoch_rows=12, num_epochs=3)
    assert (train.num_rows, train.steps_per_epoch) == (5, 3)
    assert [sorted(rows) for rows, _ in epochs_of(train)] == [list(range(12))] * 3
    unshuffled = InputFn(path, batch_size=4, num_epochs=6, shuffle=False)
    assert [row for folded, _ in epochs_of(unshuffled) for row in folded] == [*range(12), *range(12), *range(6)]
    assert InputFn(path, batch_size=4, fold=3).num_rows == 4
    with pytest.raises(UsageError, match=r"Split 'train' holds no row in fold 2\."):
        InputFn(path, batch_size=4, fold=2)


def test_weights_are_those_of_one_fold(dataset):
    (batch,) = InputFn(dataset(THREE_FOLDS), batch_size=10, num_epochs=1, shuffle=False)().as_numpy_iterator()
    assert batch[2] == pytest.approx(np.array([10.0] * 6 + [1.0] * 4) / 6.4)


def test_a_shard_of_a_fold_beyond_those_of_its_class(dataset):
    path = Path(dataset(THREE_FOLDS))
    document = json.loads((path / "manifest.json").read_text())
    document["splits"]["train"]["classes"][0]["folds"] = 2
    document["dataset_id"] = content_id(document)
    (path / "manifest.json").write_text(json.dumps(document))
    with pytest.raises(ManifestError, match=r"class 0 of split 'train' 2 folds, but it has shards of fold 2\."):
        InputFn(path, batch_size=1)


ROWS = (1, 7, 3, 0, 5, 9, 2, 4)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return write_shards(tmp_path_factory.mktemp("files"), ROWS)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    layout=st.lists(st.tuples(st.integers(0, 4), st.sampled_from([1, 2, 3, 5])), min_size=8, max_size=8),
    start=st.integers(0, 70),
    window=st.sampled_from([2, 4, 1000]),
    key=st.sampled_from([None, KEY]),
    read=st.sampled_from([streamed, kept]),
)
def test_a_class_is_pass_after_pass_from_any_row_on(files, monkeypatch, layout, start, window, key, read):
    """Any folds of any sizes, of several strata with other numbers of folds; in memory and from files."""
    strata = [
        stratum([replace(one, fold=fold % folds)], folds) for (fold, folds), one in zip(layout, files, strict=True)
    ]
    with monkeypatch.context() as patched:
        patched.setattr(streams, "MIN_WINDOW", window)
        shards = shards_of(*strata)
        whole = read(shards, key, 0, 120)
        rest = read(shards, key, start, 50)
    assert whole[start : start + 50] == rest
    firsts = np.cumsum((0, *ROWS))
    at = 0
    for number in itertools.count():
        expected = [
            row
            for shard, one in enumerate(strata)
            if number % one.folds == one.slices[0].fold
            for row in range(firsts[shard], firsts[shard + 1])
        ]
        found = whole[at : at + len(expected)]
        if len(found) < len(expected):
            break
        assert (found if key is None else sorted(found)) == expected
        at += len(expected)
