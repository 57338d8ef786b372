"""Several datasets read as one: rows, shares, weights and priors of their union."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from input_fns import InputFn
from tests.input_fns.conftest import ClassData, Data
from tfrecord_io.errors import CorruptShardError, ManifestError, UsageError

FLOAT = {"x": {"dtype": "float32", "shape": []}}


def one_float(number):
    return {"x": number + 0.5}


# Class 0 is kept at 1/10 and at 1/5, class 1 whole; class 2 is there on one day only, class 3 on the other.
DAY_1 = Data(
    classes=[
        ClassData(label=0, rows=6, source_rows=60, shards=2),
        ClassData(label=1, rows=3, first_id=100),
        ClassData(label=2, rows=2, source_rows=4, first_id=200),
    ]
)
DAY_2 = Data(
    classes=[
        ClassData(label=0, rows=4, source_rows=20, first_id=50, more_folds=(4,)),
        ClassData(label=1, rows=5, first_id=150),
        ClassData(label=3, rows=1, first_id=300),
    ],
    compression="gzip",
)
# Source rows of 0: 60 + 20, of 1: 3 + 5, of 2: 4, of 3: 1.
SOURCE_ROWS = {0: 80, 1: 8, 2: 4, 3: 1}
STANDS_FOR = {0: 10, 50: 5, 100: 1, 150: 1, 200: 2, 300: 1}


@pytest.fixture
def days(dataset):
    return [dataset(DAY_1), dataset(DAY_2)]


def rows_of(train):
    """[(id, label, weight)] of all batches."""
    return [
        row
        for f, label, weight in train().as_numpy_iterator()
        for row in zip(f["id"].tolist(), label.tolist(), weight.tolist(), strict=True)
    ]


def test_numbers_are_those_of_the_union(days):
    train = InputFn(days, batch_size=4, mix={0: 3, 1: 1, 2: 0, 3: 1})
    assert train.num_rows == 21
    assert train.steps_per_epoch == 6
    assert train.class_rows == {0: 10, 1: 8, 2: 2, 3: 1}
    assert train.source_class_rows == SOURCE_ROWS
    # Class 2 has share 0 and leaves N: 89 source rows.
    expected = {0: 80 / 89 / 0.6, 1: 8 / 89 / 0.2, 3: 1 / 89 / 0.2}
    assert train.prior_correction == pytest.approx({label: np.log(ratio) for label, ratio in expected.items()})
    assert InputFn(days[0] + "/manifest.json", batch_size=4).num_rows == 11
    assert InputFn([Path(days[0])], batch_size=4).num_rows == 11


@pytest.mark.parametrize("kept_rows", [0, 2**14])
def test_a_stored_epoch_is_each_row_once_with_its_weight(days, in_small, kept_rows):
    in_small(kept_rows)
    got = rows_of(InputFn(days, batch_size=4, num_epochs=2))
    for epoch, rows in enumerate((got[:21], got[21:])):
        of_fold = range(50 + 4 * epoch, 54 + 4 * epoch)
        expected = [*range(6), *of_fold, *range(100, 103), *range(150, 155), 200, 201, 300]
        assert sorted(row for row, _, _ in rows) == expected
        for row, label, weight in rows:
            assert label == row // 100
            stands_for = STANDS_FOR[max(first for first in STANDS_FOR if first <= row)]
            # 93 source rows, 21 stored ones: a mean of 1.
            assert weight == pytest.approx(stands_for * 21 / 93)
        assert sum(weight for _, _, weight in rows) == pytest.approx(21)


def test_weights_of_a_mix_by_hand(days):
    """Balanced: each class is a quarter of the rows. Class 0 has 80/93 of the source, so its rows weigh
    80/93 x 4 on average; those of day 1, standing for 10 rows each, twice as much as those of day 2.
    """
    got = rows_of(InputFn(days, batch_size=8, mix="balanced", epoch_rows=4 * 80, num_epochs=1))
    seen = Counter(label for _, label, _ in got)
    assert seen == {0: 80, 1: 80, 2: 80, 3: 80}
    weights = {row: weight for row, _, weight in got}
    mean = 80 / 93 * 4
    # Of ten rows, six stand for 10 and four for 5: 8 on average.
    assert weights[0] == pytest.approx(mean * 10 / 8)
    assert weights[50] == pytest.approx(mean * 5 / 8)
    assert weights[100] == weights[150] == pytest.approx(8 / 93 * 4)
    assert weights[200] == pytest.approx(4 / 93 * 4)
    assert weights[300] == pytest.approx(1 / 93 * 4)
    assert np.mean([weight for _, _, weight in got]) == pytest.approx(1)


def test_other_weights_are_stored_and_none(days):
    stored = {row: weight for row, _, weight in rows_of(InputFn(days, batch_size=21, num_epochs=1, weights="stored"))}
    assert {row: stored[row] for row in STANDS_FOR} == STANDS_FOR
    ((features, label),) = InputFn(days, batch_size=21, num_epochs=1, weights="none")().as_numpy_iterator()
    assert set(features) == {"id"}
    assert len(label) == 21


def test_a_split_that_is_in_one_of_them_only(dataset):
    kept_out = Data(split="eval", classes=[ClassData(label=1, rows=2, first_id=190)], compression="gzip")
    paths = [dataset(DAY_1), dataset(DAY_2, kept_out)]
    assert InputFn(paths, split="eval", batch_size=4).class_rows == {1: 2}
    both = InputFn(paths, split=["train", "eval"], batch_size=23, num_epochs=1, shuffle=False)
    assert both.num_rows == 23
    ((features, _, weight),) = both().as_numpy_iterator()
    assert {190, 191} <= set(features["id"].tolist())
    assert weight.sum() == pytest.approx(23)
    with pytest.raises(UsageError, match=r"There is no split 'test'; the datasets have eval, train\."):
        InputFn(paths, split="test", batch_size=4)


def test_one_fold_of_several_datasets(days):
    train = InputFn(days, batch_size=21, num_epochs=2, fold=1, shuffle=False)
    ids = [features["id"].tolist() for features, *_ in train().as_numpy_iterator()]
    assert [[row for row in epoch if row < 100] for epoch in ids] == [[*range(6), *range(54, 58)]] * 2
    with pytest.raises(UsageError, match=r"no fold 2: class 0 of split 'train' of .* has 2 folds"):
        InputFn(days, batch_size=4, fold=2)


def test_a_feature_that_one_of_them_calls_optional_is_optional(dataset):
    optional = {"x": {"dtype": "float32", "shape": [], "optional": True, "default": 7.0}}
    first = dataset(Data(classes=[ClassData(label=0, rows=1)], schema=FLOAT, row=one_float))
    second = dataset(Data(classes=[ClassData(label=0, rows=1, first_id=1)], schema=optional))
    for paths in ([first, second], [second, first]):
        ((features, *_),) = InputFn(paths, batch_size=2, num_epochs=1)().as_numpy_iterator()
        assert dict(zip(features["id"].tolist(), features["x"].tolist(), strict=True)) == {0: 0.5, 1: 7.0}


PLAIN = [ClassData(label=0, rows=1)]


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (Data(classes=PLAIN), r"column 'x' is float32 in the one and absent in the other\. Write them with one schema"),
        (
            Data(classes=PLAIN, schema={"x": {"dtype": "int64", "shape": []}}),
            r"column 'x' is float32 in the one and int64 in the other",
        ),
        (
            Data(classes=PLAIN, schema={"x": {"dtype": "float32", "shape": [3]}}),
            r"column 'x' is float32 in the one and 3 x float32 in the other",
        ),
        (
            Data(classes=PLAIN, schema={"x": {"dtype": "float32", "shape": None}}),
            r"column 'x' is float32 in the one and any number of float32 in the other",
        ),
        (
            Data(classes=PLAIN, schema={**FLOAT, "y": {"dtype": "bytes", "shape": []}}),
            r"column 'y' is absent in the one and bytes in the other",
        ),
        (
            Data(classes=[ClassData(label="0", rows=1)], schema=FLOAT),
            r"column 'label' is int64 in the one and bytes in the other",
        ),
        (Data(classes=PLAIN, schema=FLOAT, weight="w"), r"their weight column is 'weight' and 'w'"),
    ],
)
def test_datasets_that_cannot_be_read_as_one(dataset, other, message):
    paths = [dataset(Data(classes=PLAIN, schema=FLOAT)), dataset(other)]
    with pytest.raises(UsageError, match=r"cannot be read as one: .*" + message):
        InputFn(paths, batch_size=1)


def test_paths_that_are_refused(days, tmp_path):
    with pytest.raises(UsageError, match=r"The list of datasets is empty; give the path of one dataset or more\."):
        InputFn([], batch_size=1)
    for again in (days[0], days[0] + "/manifest.json", Path(days[0])):
        with pytest.raises(UsageError, match=r"name .*manifest\.json more than once\. Name each dataset once\."):
            InputFn([*days, again], batch_size=1)
    with pytest.raises(ManifestError, match=r"none.* holds no dataset"):
        InputFn([*days, tmp_path / "none"], batch_size=1)


def test_a_missing_shard_of_one_dataset_is_named(days):
    shutil.rmtree(Path(days[1]) / "train" / "label=3")
    with pytest.raises(CorruptShardError, match=r"dataset1/train/label=3/part-.* cannot be found"):
        InputFn(days, batch_size=4)()
