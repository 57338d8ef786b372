"""Folds: disjoint samples of a class, exact, together the sample that one fold of their size would be."""

from __future__ import annotations

import dataclasses
import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from beam_jobs import PresampleOptions, driver
from beam_jobs.cut import join_cuts
from beam_jobs.failures import BandMissedError
from beam_jobs.layout import Layout
from beam_jobs.output import Output
from tests.beam_jobs.conftest import Dataset, Presample, csv_text, decode, run_job
from tfrecord_io import hashing
from tfrecord_io.manifest import Manifest
from tfrecord_io.plan import FULL_BAND


def _folds(made: Dataset, label: Any, name: str = "id") -> list[list[int]]:
    """The ids of each fold, in the order of its shards."""
    entry = made.classes()[label]
    found: list[list[int]] = [[] for _ in range(entry.folds)]
    for shard in entry.shards:
        rows = [decode(record) for record in made.records(shard.path)]
        assert len(rows) == shard.rows
        found[shard.fold] += [row[name][0] for row in rows]
    return found


def _by_u(path: Path, seed: int, label: str) -> list[int]:
    """The ids of a class, by the hash that draws them."""
    text = path.read_text()
    lines = [line.split(",") for line in text.splitlines()[1:]]
    places = np.array([i + 1 for i, c in enumerate(text[:-1]) if c == "\n"], np.uint64)
    u = hashing.hash_positions(places, hashing.derive_keys(seed, "draw", path.name))
    return [int(lines[i][1]) for i in np.argsort(u).tolist() if lines[i][0] == label]


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(kept=st.integers(1, 60), folds=st.integers(2, 40), seed=st.integers(0, 99))
def test_folds_are_the_next_rows_by_u(
    three_classes: Path, tmp_path_factory: pytest.TempPathFactory, kept: int, folds: int, seed: int
) -> None:
    output = tmp_path_factory.mktemp("folds") / "dataset"
    made = run_job(output, three_classes, (), strategy=f"max={kept}", folds=folds, seed=seed, shard_size=2_000)
    for label, rows in (("A", 600), ("B", 300), ("C", 100)):
        entry = made.classes()[label]
        assert (entry.rows, entry.folds, entry.weight) == (kept, min(folds, rows // kept), rows / kept)
        found = _folds(made, label)
        expected = _by_u(three_classes, seed, label)
        assert [set(fold) for fold in found] == [set(expected[j * kept : (j + 1) * kept]) for j in range(entry.folds)]
        assert {len(fold) for fold in found} == {kept}


def test_a_class_that_is_kept_whole_has_one_fold(presample: Presample, three_classes: Path) -> None:
    made = presample(three_classes, folds=4)
    assert {label: (entry.rows, entry.folds) for label, entry in made.classes().items()} == {
        "A": (100, 4),
        "B": (100, 3),
        "C": (100, 1),
    }
    assert made.manifest.sampling["folds"] == 4
    assert made.manifest.split("train").rows == 300


def test_replicated_classes_have_one_fold(presample: Presample, three_classes: Path) -> None:
    made = presample(three_classes, folds=3, strategy="counts:A=50,B=450,C=300")
    assert [(entry.rows, entry.folds) for entry in made.classes().values()] == [(50, 3), (450, 1), (300, 1)]
    assert sorted(set(made.ids(label="B").values())) == [1, 2]


def test_a_fold_is_the_sample_of_its_size_and_all_are_one_larger_sample(
    presample: Presample, three_classes: Path
) -> None:
    folds = _folds(presample(three_classes, folds=5, strategy="max=20", seed=3), "A")
    assert set(folds[0]) == set(presample(three_classes, strategy="max=20", seed=3).ids(label="A"))
    assert set(itertools.chain(*folds)) == set(presample(three_classes, strategy="max=100", seed=3).ids(label="A"))


def test_a_band_that_holds_every_row_gives_the_same_folds(
    presample: Presample, three_classes: Path, tmp_path: Path
) -> None:
    options: dict[str, Any] = {"folds": 7, "strategy": "max=13", "seed": 2}
    reference = presample(three_classes, **options)
    chosen = PresampleOptions(input=(str(three_classes),), output=str(tmp_path / "wide"), label="y", **options)
    output = Output(chosen.output)
    job = dataclasses.replace(driver.make_job(chosen, (), output, ".presample-wide"), band_nats=FULL_BAND)
    output.prepare(job.run_folder)
    driver._run_pipeline(job, ())
    output.delete_folder(job.run_folder)
    made = Dataset(tmp_path / "wide", Manifest.load(tmp_path / "wide"))
    assert (made.manifest.dataset_id, made.files()) == (reference.manifest.dataset_id, reference.files())


def test_bad_drawn_rows_are_lost_to_their_fold(presample: Presample, tmp_path: Path) -> None:
    """Every tenth row of class 0 has a text where the column is declared a number."""
    rows = [(i % 20 // 19, i, "x" if i % 20 == 5 else i) for i in range(2_000)]
    (tmp_path / "rows.csv").write_text(csv_text("y,id,n", rows))
    schema = '[{"name": "n", "type": "INTEGER"}]'
    made = presample(tmp_path / "rows.csv", folds=4, schema=schema, max_bad_fraction=0.2)
    expected = _by_u(tmp_path / "rows.csv", 0, "0")
    found = _folds(made, 0)
    good = [{i for i in expected[j * 100 : (j + 1) * 100] if i % 20 != 5} for j in range(4)]
    assert [set(fold) for fold in found] == good
    entry = made.classes()[0]
    assert (entry.rows, entry.rejected_rows, entry.weight) == (len(good[0]), 100 - len(good[0]), 19.0)
    assert made.manifest.source["rejected_rows"] == 400 - sum(map(len, good))


def test_cuts_found_apart_are_the_same(
    presample: Presample, three_classes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options: dict[str, Any] = {"folds": 3, "strategy": "max=13", "splits": "a=0.5,b=0.5"}
    together = presample(three_classes, **options)
    monkeypatch.setattr("beam_jobs.layout._ROWS_A_GROUP", 1)
    assert presample(three_classes, **options).manifest.dataset_id == together.manifest.dataset_id


def test_a_class_without_a_candidate_misses_its_cut(three_classes: Path, tmp_path: Path) -> None:
    options = PresampleOptions(input=(str(three_classes),), output=str(tmp_path / "out"), label="y", strategy="max=13")
    with pytest.raises(BandMissedError, match="missed its cut"):
        join_cuts(Layout.of(driver.plan(options)), [])
