"""What the job writes, as the reader reads it: folds, cross-validation, defaults."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from input_fns import InputFn
from tests.beam_jobs.conftest import Dataset, run_job


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """900 rows of class 0 and 100 of class 1, a number in two of three."""
    path = tmp_path_factory.mktemp("rows") / "rows.csv"
    path.write_text("y,id,n\n" + "".join(f"{int(i % 10 == 0)},{i},{i if i % 3 else ''}\n" for i in range(1000)))
    return path


def _epochs(train: InputFn) -> list[Counter[int]]:
    steps = list(train())
    size = train.steps_per_epoch
    return [
        Counter(np.concatenate([features["id"].numpy() for features, *_ in steps[start : start + size]]).tolist())
        for start in range(0, len(steps), size)
    ]


def test_each_epoch_reads_the_next_fold(source: Path, tmp_path: Path) -> None:
    made = run_job(tmp_path / "dataset", source, (), folds=4, seed=2)
    epochs = _epochs(InputFn(made.folder, batch_size=50, num_epochs=5, seed=1))
    assert [sum(epoch.values()) for epoch in epochs] == [200] * 5
    majority = [{i for i in epoch if i % 10} for epoch in epochs]
    assert [len(ids) for ids in majority] == [100] * 5
    assert len(set().union(*majority[:4])) == 400  # disjoint
    assert majority[4] == majority[0]
    assert all({i for i in epoch if i % 10 == 0} == set(range(0, 1000, 10)) for epoch in epochs)
    only = _epochs(InputFn(made.folder, batch_size=50, num_epochs=2, seed=1, fold=2))
    assert [{i for i in epoch if i % 10} for epoch in only] == [majority[2]] * 2


def test_a_cross_validation_weighs_like_its_source(source: Path, tmp_path: Path) -> None:
    parts = ["a", "b", "c"]
    made: Dataset = run_job(tmp_path / "dataset", source, (), splits="a=0.5,b=0.3,c=0.2", strategy="ratio=2")
    for held_out in parts:
        rest = [name for name in parts if name != held_out]
        train = InputFn(made.folder, split=rest, batch_size=64, mix="balanced", num_epochs=4, seed=1)
        totals = {0: 0.0, 1: 0.0}
        for _, label, weight in train():
            for one, value in zip(label.numpy().tolist(), weight.numpy().tolist(), strict=True):
                totals[one] += value
        rows = {k: sum(made.classes(name)[k].source_rows for name in rest) for k in (0, 1)}
        assert totals[1] / (totals[0] + totals[1]) == pytest.approx(rows[1] / (rows[0] + rows[1]), rel=1e-4)


def test_declared_defaults_are_read_where_values_are_missing(source: Path, tmp_path: Path) -> None:
    schema = '[{"name": "n", "type": "INTEGER", "default": -7}]'
    made = run_job(tmp_path / "dataset", source, (), strategy="none", schema=schema)
    for features, *_ in InputFn(made.folder, batch_size=1000, num_epochs=1)():
        ids, numbers = features["id"].numpy(), features["n"].numpy()
        assert (numbers == np.where(ids % 3 == 0, -7, ids)).all()
