"""`--like DIR`: another dataset's options, less those given."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from beam_jobs import options_like, run
from beam_jobs.presample import main
from tests.beam_jobs.conftest import Presample
from tfrecord_io.errors import UsageError
from tfrecord_io.manifest import Manifest, content_id

OPTIONS: dict[str, Any] = {
    "strategy": 'counts:{"A": 50, "B": 60, "C": 70}',
    "weight_in": "w",
    "weights": "balanced",
    "weight_out": "importance",
    "splits": "part0=0.5,part1=0.5",
    "row_id": ("id",),
    "seed": 9,
    "folds": 2,
    "shard_size": 5_000,
    "compression": "gzip",
    "schema": '[{"name": "group", "type": "STRING"}]',
    "max_bad_fraction": 0.5,
}


@pytest.fixture
def other(presample: Presample, three_classes: Path) -> Path:
    return presample(three_classes, **OPTIONS).folder


def _same(first: Path, second: Path) -> bool:
    return Manifest.load(first).dataset_id == Manifest.load(second).dataset_id


def test_every_option_is_taken(other: Path, tmp_path: Path) -> None:
    assert main(["--like", str(other), "--output", str(tmp_path / "again")]) == 0
    assert _same(other, tmp_path / "again")
    run(options_like(str(other), output=str(tmp_path / "python")))
    assert _same(other, tmp_path / "python")


def test_flags_beside_it_win(other: Path, tmp_path: Path, three_classes: Path) -> None:
    more = tmp_path / "more.csv"
    more.write_text("y,id,w,group\n" + "".join(f"{'ABC'[i % 3]},{i},1,1\n" for i in range(900)))
    flags = ["--input", str(more), "--strategy", "max=30", "--folds=1", "--row_id", "id,group"]
    assert main(["--like", str(other), "--output", str(tmp_path / "next"), *flags]) == 0
    manifest = Manifest.load(tmp_path / "next")
    assert manifest.source["patterns"] == [str(more)]
    changed = {"strategy": "max=30", "folds": 1, "row_id": ["id", "group"]}
    assert manifest.options == {**Manifest.load(other).options, **changed}
    assert [entry.rows for entry in manifest.split("part1").classes] == [30, 30, 30]


@pytest.mark.parametrize(
    ("first", "then", "names"),
    [
        ({"split_time": "id=100"}, {"splits": "part0=0.5,part1=0.5", "split_by": "group"}, ["part0", "part1"]),
        ({"splits": "part0=0.5,part1=0.5", "split_by": "group"}, {"split_time": "id=100"}, ["train", "test"]),
    ],
)
def test_another_way_to_split_replaces_the_datasets(
    presample: Presample,
    three_classes: Path,
    tmp_path: Path,
    first: dict[str, str],
    then: dict[str, str],
    names: list[str],
) -> None:
    other = str(presample(three_classes, label="y", **first).folder)
    flags = [f"--{name}={value}" for name, value in then.items()]
    assert main(["--like", other, "--output", str(tmp_path / "command"), *flags]) == 0
    assert set(Manifest.load(tmp_path / "command").splits) == set(names)
    run(options_like(other, output=str(tmp_path / "python"), **then))
    assert _same(tmp_path / "command", tmp_path / "python")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "--like: .* holds no dataset"),
        ({"format_version": 2}, "format_version 2; this version of presample reads up to 1. Upgrade"),
        ({"options": {"label": "y", "warp": 9}}, "written with warp, which this version of presample does not have"),
    ],
)
def test_datasets_that_cannot_be_taken_after(
    other: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], content: dict[str, Any] | None, message: str
) -> None:
    if content is not None:
        document = Manifest.load(other).to_document() | content
        document["dataset_id"] = content_id(document)
        (other / "manifest.json").write_text(json.dumps(document))
    folder = other if content is not None else tmp_path / "nothing"
    assert main(["--like", str(folder), "--output", str(tmp_path / "out")]) == 2
    with pytest.raises(UsageError, match=message):
        options_like(str(folder), output="out")
    assert not (tmp_path / "out").exists()
