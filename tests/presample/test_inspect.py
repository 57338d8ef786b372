"""`presample inspect`: the table, and the manifest as it is."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.presample.conftest import Command, assert_one_message


def test_the_table_says_what_is_in_it_per_split_and_class(run: Command, presample: Command, tmp_path: Path) -> None:
    assert run("--splits", "train=0.5,eval=0.5", "--seed", "3").code == 0
    folder = tmp_path / "dataset"
    outcome = presample("inspect", folder)
    assert (outcome.code, outcome.err) == (0, "")
    manifest = json.loads((folder / "manifest.json").read_text())
    for name, split in manifest["splits"].items():
        for entry in split["classes"]:
            numbers = f"{entry['source_rows']} +{entry['rows']} +{entry['weight']:.6g} +{len(entry['shards'])} "
            assert re.search(rf"{name} +{entry['label']} +{numbers}", outcome.out)
    assert "label 'label', weight 'weight', 4 features; strategy balance, weights calibrated, seed 3" in outcome.out
    assert "From 200 rows in 1 csv files, 0 rejected" in outcome.out
    assert manifest["dataset_id"][:16] in outcome.out
    assert "from input_fns import InputFn" in outcome.out


def test_json_is_the_manifest_byte_for_byte(presample: Command, dataset: Path) -> None:
    assert presample("inspect", "--json", dataset) == (0, (dataset / "manifest.json").read_text(), "")


def test_many_classes_are_summed_up(run: Command, presample: Command, tmp_path: Path) -> None:
    assert run("--max_classes", "200", label="name").code == 0
    out = presample("inspect", tmp_path / "dataset").out
    assert re.search(r"train +\(181 more\) +181 +181 +181 ", out)
    assert len(out.splitlines()) < 40


def test_the_manifest_itself_may_be_named(presample: Command, dataset: Path) -> None:
    assert presample("inspect", "--json", dataset / "manifest.json").code == 0


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, ("holds no dataset", "presample run --output")),
        (b"", ("not valid JSON",)),
        (b'{"name": "page"}', ("is not a presample manifest",)),
        (b'{"format": "presample", "format_version": 99}', ("format_version 99", "Upgrade presample")),
        (b'{"format": "presample", "format_version": 1}', ("is damaged",)),
    ],
)
@pytest.mark.parametrize("command", ["inspect", "verify", "clean"])
def test_what_is_no_dataset_is_exit_code_2(
    command: str, content: bytes | None, says: tuple[str, ...], presample: Command, tmp_path: Path
) -> None:
    if content is not None:
        (tmp_path / "manifest.json").write_bytes(content)
    outcome = presample(command, tmp_path)
    damaged = command == "verify" and content is not None and b"presample" in content and b"99" not in content
    assert outcome.code == (1 if damaged else 2)
    assert outcome.out == ""
    assert_one_message(outcome.err)
    assert str(tmp_path) in outcome.err
    for part in says:
        assert part in outcome.err


def test_an_edited_manifest_is_refused(presample: Command, dataset: Path) -> None:
    path = dataset / "manifest.json"
    path.write_text(path.read_text().replace('"source_rows": 180', '"source_rows": 181', 1))
    for command in ("inspect", "verify", "clean"):
        outcome = presample(command, dataset)
        assert outcome.code == (1 if command == "verify" else 2)
        assert "was changed after it was written" in outcome.err
    assert sum(1 for _ in dataset.rglob("*.tfrecord")) == 2


@pytest.mark.parametrize("command", ["inspect", "verify", "clean"])
@pytest.mark.parametrize("arguments", [(), ("a", "b"), ("--jsn", "a")])
def test_a_wrong_command_line(command: str, arguments: tuple[str, ...], presample: Command) -> None:
    outcome = presample(command, *arguments)
    assert outcome.code == 2
    assert f"presample {command}: error:" in outcome.err
    assert outcome.out == ""
