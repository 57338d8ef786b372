"""Several splits read as one: rows, shares, weights and priors of their union."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from input_fns import InputFn
from tests.input_fns.conftest import ClassData, Data
from tfrecord_io.errors import UsageError

# One split is kept whole, two keep different fractions; the last one has no row of class 1 at all.
PARTS = [
    Data(
        split="fold0",
        classes=[
            ClassData(label=0, rows=8, source_rows=80, shards=2),
            ClassData(label=1, rows=6, source_rows=12, first_id=100),
        ],
    ),
    Data(
        split="fold1",
        classes=[
            ClassData(label=0, rows=5, source_rows=100, first_id=200),
            ClassData(label=1, rows=3, first_id=300, shards=2),
        ],
    ),
    Data(
        split="eval",
        classes=[ClassData(label=0, rows=30, first_id=400), ClassData(label=1, rows=0)],
    ),
]
NAMES = [data.split for data in PARTS]
SOURCE = np.array([210, 15])


def rows_of(train, epochs=1):
    """{id: (label, how often, sum of weights)} over all batches."""
    times, sums, labels = Counter(), Counter(), {}
    for features, label, weight in train().take(epochs * train.steps_per_epoch).as_numpy_iterator():
        for row, row_label, row_weight in zip(features["id"].tolist(), label.tolist(), weight.tolist(), strict=True):
            times[row] += 1
            sums[row] += row_weight
            labels[row] = row_label
    return {row: (labels[row], times[row], sums[row]) for row in times}


def test_numbers_are_those_of_the_union(dataset):
    path = dataset(*PARTS)
    train = InputFn(path, split=NAMES, batch_size=10, mix="balanced")
    assert train.num_rows == 52
    assert train.class_rows == {0: 43, 1: 9}
    assert train.source_class_rows == {0: 210, 1: 15}
    assert train.steps_per_epoch == 6
    assert train.prior_correction == {0: pytest.approx(np.log(210 / 225 * 2)), 1: pytest.approx(np.log(15 / 225 * 2))}
    assert (
        InputFn(path, split=("fold1",), batch_size=10).num_rows == InputFn(path, split="fold1", batch_size=10).num_rows
    )


@pytest.mark.parametrize("mode", ["calibrated", "balanced", "none"])
@pytest.mark.parametrize("batching", ["exact", "sampled"])
def test_a_stored_epoch_is_each_row_once_with_the_weight_of_the_source_rows_it_stands_for(dataset, mode, batching):
    path = dataset(*[Data(split=data.split, classes=data.classes, weights=mode) for data in PARTS])
    found = rows_of(InputFn(path, split=NAMES, batch_size=16, batching=batching, num_epochs=1))
    expected = {
        one.first_id + row: (one.label, 1, pytest.approx((one.source_rows or one.rows) / one.rows * 52 / 225))
        for data in PARTS
        for one in data.classes
        for row in range(one.rows)
    }
    assert found == expected


@pytest.mark.parametrize("mix", ["natural", "balanced", {0: 0.3, 1: 0.7}])
def test_weighted_shares_of_classes_and_of_splits_are_the_sources_at_any_mix(dataset, mix):
    train = InputFn(dataset(*PARTS), split=NAMES, batch_size=50, mix=mix, epoch_rows=43 * 9 * 100, num_epochs=1)
    found = rows_of(train)
    total = sum(weight for _, _, weight in found.values())
    assert total == pytest.approx(43 * 9 * 100, rel=1e-3)
    for data in PARTS:
        for one in data.classes:
            weight = sum(found[one.first_id + row][2] for row in range(one.rows))
            source_rows = one.rows if one.source_rows is None else one.source_rows
            assert weight / total == pytest.approx(source_rows / 225, rel=5e-3)


def test_original_weights_keep_their_ratios(dataset):
    """A row's weight is its original one times the source rows it stands for, scaled to mean 1."""
    a = ClassData(label=0, rows=2, source_rows=20, weight_in=[1.0, 3.0], source_weight=40.0)
    b = ClassData(label=0, rows=1, source_rows=5, weight_in=[2.0], source_weight=10.0, first_id=10)
    path = dataset(Data(split="a", classes=[a]), Data(split="eval", classes=[b], weights="none"))
    ((features, _, weight),) = InputFn(path, split=["a", "eval"], batch_size=3, num_epochs=1, shuffle=False)()
    assert features["id"].numpy().tolist() == [0, 1, 10]
    assert weight.numpy() == pytest.approx(np.array([10, 30, 10]) * 3 / 50)
    stored = InputFn(path, split=["a", "eval"], batch_size=3, num_epochs=1, shuffle=False, weights="stored")
    assert [weight.numpy().tolist() for _, _, weight in stored()] == [[10, 30, 2]]


def test_a_class_of_which_one_split_keeps_nothing_still_has_its_share(dataset):
    """The rows of the other split stand for those of this one."""
    path = dataset(
        Data(split="a", classes=[ClassData(label=0, rows=4, source_rows=40), ClassData(label=1, rows=4, first_id=100)]),
        Data(split="b", classes=[ClassData(label=0, rows=0, source_rows=60), ClassData(label=1, rows=4, first_id=200)]),
    )
    found = rows_of(InputFn(path, split=["b", "a"], batch_size=12, num_epochs=1))
    assert len(found) == 12
    for label, _, weight in found.values():
        assert weight == pytest.approx((25 if label == 0 else 1) * 12 / 108)


def test_folds_of_several_splits_advance_together(dataset):
    path = dataset(
        Data(split="a", classes=[ClassData(label=0, rows=4, more_folds=(4, 4), source_rows=40)]),
        Data(split="b", classes=[ClassData(label=0, rows=3, more_folds=(3,), source_rows=90, first_id=100)]),
    )
    train = InputFn(path, split=["a", "b"], batch_size=7, num_epochs=7)
    for number, (features, _, weight) in enumerate(train().as_numpy_iterator()):
        order = np.argsort(features["id"])
        a, b = 4 * (number % 3), 100 + 3 * (number % 2)
        assert features["id"][order].tolist() == [*range(a, a + 4), *range(b, b + 3)]
        assert weight[order] == pytest.approx(np.array([10] * 4 + [30] * 3) * 7 / 130)
    second = InputFn(path, split=["a", "b"], batch_size=7, num_epochs=2, fold=1, shuffle=False)
    assert [f["id"].tolist() for f, _, _ in second().as_numpy_iterator()] == [[4, 5, 6, 7, 103, 104, 105]] * 2
    with pytest.raises(UsageError, match=r"no fold 2: class 0 of split 'b' has 2 folds"):
        InputFn(path, split=["a", "b"], batch_size=7, fold=2)


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("rows_kept", [0, 20, 100])
def test_each_record_keeps_its_splits_weight_in_every_window(dataset, in_small, rows_kept, shuffle):
    in_small(rows_kept)
    # Stored weights of 1: what each row stands for comes with the record. (In calibrated ones it is already.)
    path = dataset(*[Data(split=data.split, classes=data.classes, weights="none") for data in PARTS])
    train = InputFn(path, split=NAMES, batch_size=7, num_epochs=3, shuffle=shuffle)
    of_split = {0: 80 / 8, 1: 12 / 6, 2: 100 / 5, 3: 1, 4: 1}
    seen = 0
    for features, _, weight in train().as_numpy_iterator():
        expected = np.array([of_split[row // 100] for row in features["id"].tolist()])
        assert weight == pytest.approx(expected * 52 / 225)
        seen += len(weight)
    assert seen == 3 * 52


@pytest.mark.parametrize(
    ("split", "message"),
    [
        ([], r"split is an empty list; name one split or more: the dataset has eval, fold0, fold1\."),
        (["fold0", "x", "y"], r"no split 'x', 'y'; the dataset has eval, fold0, fold1\."),
        (["fold0", "fold1", "fold0"], r"split names 'fold0' more than once\. Name each split once\."),
        (None, r"no split None; the dataset has"),
        (["fold0", ["fold1"]], r"no split \['fold1'\]; the dataset has"),
        ("fold0,fold1", r"no split 'fold0,fold1'; the dataset has"),
    ],
)
def test_splits_that_are_refused(dataset, split, message):
    with pytest.raises(UsageError, match=message):
        InputFn(dataset(*PARTS), split=split, batch_size=1)
