"""docs/coming-from.md, run as it stands there, section by section; what each makes is counted."""

from __future__ import annotations

import contextlib
import inspect
import io
import re
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from input_fns import InputFn
from tests.page import program
from tfrecord_io import Manifest

_PAGE = (Path(__file__).parents[1] / "docs" / "coming-from.md").read_text()
_INTRODUCTION, *_REST = re.split(r"^## ", _PAGE, flags=re.MULTILINE)
_SECTIONS = {section.splitlines()[0]: section for section in _REST}
_CONFIDENT = 6  # standard deviations of a binomial: 2e-9

Names = dict[str, Any]


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> Iterable[Names]:
    """What all sections left behind, in a folder with what the page takes for granted; and what they printed."""
    folder = tmp_path_factory.mktemp("coming")
    clicked = (np.arange(2_000) % 20 == 7).astype(np.int64)
    lines = [f"{i},{i % 70},{label}\n" for i, label in enumerate(clicked)]
    files = {
        "data/a": lines[:1_000],
        "data/b": lines[1_000:],
        "positive/a": [line for line, label in zip(lines, clicked, strict=True) if label],
        "negative/a": [line for line, label in zip(lines, clicked, strict=True) if not label],
        "test/a": lines[:200],
    }
    for name, rows in files.items():
        path = folder / f"{name}.csv"
        path.parent.mkdir(exist_ok=True)
        path.write_text("id,age,clicked\n" + "".join(rows))
    order = np.random.default_rng(0).permutation(2_000)
    features = {"id": order, "age": order % 70}
    found: Names = {
        "__name__": "page",
        "dataset": tf.data.Dataset.from_tensor_slices((features, clicked[order])),
    }
    printed = io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        with contextlib.redirect_stdout(printed):
            for section in (_INTRODUCTION, *_REST):
                exec(compile(program(section), "docs/coming-from.md", "exec"), found)
        yield {**found, "printed": printed.getvalue().split()[-1]}


def _rows(path: str, split: str = "train") -> dict[Any, int]:
    return {entry.label: entry.rows for entry in Manifest.load(path).split(split).classes}


def _labels(batches: Iterable[Any]) -> list[list[int]]:
    """How many rows of either class are in each batch of (features, label, ...)."""
    return [np.bincount(batch[1], minlength=2).tolist() for batch in batches]


def _weights(batches: Iterable[Any]) -> dict[int, float]:
    """The sum of the weights of each class."""
    sums: Counter[int] = Counter()
    for _, label, weight in batches:
        for one, value in zip(label.numpy().tolist(), weight.numpy().tolist(), strict=True):
            sums[one] += value
    return dict(sums)


def _near(found: int, rows: int, share: float) -> bool:
    return abs(found - rows * share) < _CONFIDENT * (rows * share * (1 - share)) ** 0.5


def tf_sampling(names: Names) -> None:
    train, test = names["train_input_fn"], names["test_input_fn"]
    assert train.class_rows == {0: 200, 1: 100}
    (negative,), (positive,) = ({*_of_class(train(), k)} for k in (0, 1))
    assert negative / positive == pytest.approx(1900 / 200)  # negatives a positive, over the multiplier
    assert test.class_rows == {0: 190, 1: 10}
    assert {*_of_class(test(), 0), *_of_class(test(), 1)} == {1.0}


def _of_class(batches: Iterable[Any], label: int) -> list[float]:
    """The weights of a class, which are among the features."""
    return [w for features, y in batches for w in features["weight"].numpy()[y.numpy() == label].tolist()]


def rejection_resample(names: Names) -> None:
    features = [(features["id"].numpy(), label.numpy()) for features, label in names["resampled"]]
    ids, label = (np.concatenate(column) for column in zip(*features, strict=True))
    assert len(set(ids.tolist())) == len(ids)
    assert label.sum() == 100
    assert _near(int((label == 0).sum()), 1900, 1 / 19)


def sample_from_datasets(names: Names) -> None:
    batches = _labels(names["mixed"]())
    assert sum(map(sum, batches)) == 2_000
    assert _near(sum(ones for _, ones in batches), 2_000, 0.3)
    assert len({ones for _, ones in batches[:-1]}) > 1


def choose_from_datasets(names: Names) -> None:
    assert _labels(names["chosen"]()) == [[48, 16]] * 10


def take(names: Names) -> None:
    assert _rows("taken") == {0: 300, 1: 100}
    assert {entry.label: entry.weight for entry in Manifest.load("taken").split("train").classes} == {0: 19 / 3, 1: 1.0}
    assert _rows("capped") == {0: 950, 1: 50}
    ids = [set(features["id"].numpy().tolist()) for features, *_ in names["short"]()]
    assert [len(batch) for batch in ids] == [64] * 20
    assert len(set().union(*ids)) > 1_200  # the second epoch reads other rows


def flat_map_and_filter(names: Names) -> None:
    under, over = (0.5 / 0.95) ** 0.5, (0.5 / 0.05) ** 0.9
    assert _rows("softened") == {0: round(1900 * under), 1: round(100 * over)}
    batches = list(names["on_the_fly"])
    zeros, ones = np.sum(_labels(batches), axis=0)
    assert _near(int(zeros), 1900, under)
    assert _near(int(ones) - 100 * int(over), 100, over % 1)
    weights = {int(label): float(w) for _, y, weight in batches for label, w in zip(y, weight, strict=True)}
    assert weights[0] / weights[1] == pytest.approx(over / under)


def contrib_training(names: Names) -> None:
    assert _rows("rated") == {0: 95, 1: 350}
    batches = _labels(names["stratified"]())
    assert _near(sum(ones for _, ones in batches), sum(map(sum, batches)), 0.5)


def class_weight(names: Names) -> None:
    assert _weights(names["equal"]()) == pytest.approx({0: 1_000, 1: 1_000}, rel=1e-5)
    assert _weights(names["own"]()) == {0: 1_900.0, 1: 1_000.0}


def samplers(names: Names) -> None:
    made = {name: _rows(name) for name in ("under", "half", "exactly", "over")}
    assert made == {
        "under": {0: 100, 1: 100},
        "half": {0: 200, 1: 100},
        "exactly": {0: 300, 1: 100},
        "over": {0: 1900, 1: 1900},
    }
    reader: InputFn = names["never_written"]
    rows: list[Counter[int]] = [Counter(), Counter()]
    for features, label in reader():
        for one, i in zip(label.numpy().tolist(), features["id"].numpy().tolist(), strict=True):
            rows[one][i] += 1
    assert [len(one) for one in rows] == [1900, 100]
    assert [set(one.values()) for one in rows] == [{1}, {19}]


def batch_generators(names: Names) -> None:
    reader: InputFn = names["batches"]
    assert reader.steps_per_epoch == 6
    assert _labels(reader().take(50)) == [[16, 16]] * 50


def tfx(names: Names) -> None:
    train, evaluated = _rows("examples"), _rows("examples", "eval")
    assert train[0] == train[1] == 100 - evaluated[1]
    assert evaluated[0] > 10 * evaluated[1] > 0
    assert names["printed"] == str(2 * train[1])
    both: InputFn = names["both"]
    assert both.class_rows == {0: 500, 1: 200}
    assert both.source_class_rows == {0: 3800, 1: 200}
    sums = _weights(both())
    assert sums[0] / sums[1] == pytest.approx(19, rel=1e-5)


CHECKS: dict[str, Callable[[Names], None]] = {
    "tf-sampling: InputFnDownsampleWithWeight": tf_sampling,
    "tf.data: rejection_resample": rejection_resample,
    "tf.data: sample_from_datasets": sample_from_datasets,
    "tf.data: choose_from_datasets": choose_from_datasets,
    "tf.data: take": take,
    "Oversampling by flat_map and undersampling by filter": flat_map_and_filter,
    "tf.contrib.training": contrib_training,
    "Keras: class_weight": class_weight,
    "imbalanced-learn: RandomUnderSampler, RandomOverSampler": samplers,
    "imbalanced-learn: balanced_batch_generator, BalancedBatchGenerator": batch_generators,
    "TFX: ExampleGen, Transform, tfx-addons' Sampler": tfx,
}


@pytest.mark.parametrize("section", _SECTIONS)
def test_the_section_does_what_it_says(names: Names, section: str) -> None:
    CHECKS[section](names)


@pytest.mark.parametrize("name", ["rejection_resample", "sample_from_datasets", "choose_from_datasets", "take"])
def test_every_argument_is_told(name: str) -> None:
    arguments = set(inspect.signature(getattr(tf.data.Dataset, name)).parameters) - {"self", "name"}
    first_column = "".join(re.findall(r"^\|([^|]*)\|", _SECTIONS[f"tf.data: {name}"], flags=re.MULTILINE))
    assert arguments <= set(re.findall(r"`(\w+)`", first_column))
