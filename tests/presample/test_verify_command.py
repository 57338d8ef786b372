"""`presample verify`: 0 whole, 1 damaged and where, 2 no dataset."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.presample.conftest import Command, assert_one_message


def first_shard(dataset: Path) -> Path:
    return sorted(dataset.rglob("*.tfrecord"))[0]


def flip(path: Path, at: int) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


def second_record(path: Path) -> int:
    return int.from_bytes(path.read_bytes()[:8], "little") + 16


@pytest.mark.parametrize("flags", [(), ("--compression", "gzip"), ("--weight_in", "w"), ("--weights", "none")])
def test_a_whole_dataset(flags: tuple[str, ...], run: Command, presample: Command, tmp_path: Path) -> None:
    assert run(*flags).code == 0
    outcome = presample("verify", tmp_path / "dataset")
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out.startswith(f"{tmp_path / 'dataset'} is whole: 40 rows in 2 shards, ")
    found = json.loads(presample("verify", tmp_path / "dataset", "--json").out)
    assert found["whole"] is True
    assert (found["rows"], found["shards"], found["problems"]) == (40, 2, [])


DAMAGES: dict[str, tuple[Callable[[Path], object], tuple[str, ...]]] = {
    "a flipped payload": (
        lambda path: flip(path, second_record(path) + 20),
        ("record 1 at byte {second} is damaged: the CRC of its payload", "SHA-256 differs"),
    ),
    "a flipped length": (
        lambda path: flip(path, second_record(path)),
        ("record 1 at byte {second} is damaged: the CRC of its length",),
    ),
    "a cut": (
        lambda path: path.write_bytes(path.read_bytes()[:-3]),
        ("record 19 at byte", "the file ends inside", "bytes; the manifest says"),
    ),
    "an added record": (
        lambda path: path.write_bytes(path.read_bytes() + path.read_bytes()[: second_record(path)]),
        ("bytes; the manifest says",),
    ),
    "a shard gone": (lambda path: path.unlink(), ("is missing",)),
    "a shard emptied": (lambda path: path.write_bytes(b""), ("has 0 bytes; the manifest says",)),
    "a shard of another class": (
        lambda path: path.write_bytes(sorted(path.parents[1].rglob("*.tfrecord"))[1].read_bytes()),
        ("record 0 at byte 0: its label is ", "[1], not 0"),
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_dataset_names_shard_and_record(damage: str, presample: Command, dataset: Path) -> None:
    shard = first_shard(dataset)
    second = second_record(shard)
    change, says = DAMAGES[damage]
    change(shard)
    outcome = presample("verify", dataset)
    assert outcome.code == 1
    assert outcome.out == ""
    assert str(shard.relative_to(dataset)) in outcome.err
    for part in says:
        assert part.format(second=second) in outcome.err
    assert all(line.startswith("presample: ") for line in outcome.err.splitlines())
    assert outcome.err.splitlines()[-1] == (
        f"presample: {dataset} is damaged. Restore these files, or run the job again."
    )
    as_json = presample("verify", "--json", dataset)
    found = json.loads(as_json.out)
    assert as_json.code == 1
    assert as_json.err == ""
    assert found["whole"] is False
    assert [f"presample: {problem}" for problem in found["problems"]] == outcome.err.splitlines()[:-1]


def test_a_damaged_file_of_rejected_rows_is_found(run: Command, presample: Command, tmp_path: Path) -> None:
    path = tmp_path / "bad.csv"
    path.write_bytes(b"label,a\n1,2\n1\n0,3\n")
    assert run("--max_bad_fraction", "1", source=path).code == 0
    assert presample("verify", tmp_path / "dataset").code == 0
    (rejected,) = (tmp_path / "dataset" / "rejected").iterdir()
    rejected.write_text(rejected.read_text().replace("fields", "yields"))
    outcome = presample("verify", tmp_path / "dataset")
    assert outcome.code == 1
    assert f"rejected/{rejected.name}: its SHA-256 differs" in outcome.err


def test_no_dataset(presample: Command, tmp_path: Path) -> None:
    outcome = presample("verify", tmp_path / "nothing")
    assert (outcome.code, outcome.out) == (2, "")
    assert_one_message(outcome.err)
    as_json = presample("verify", "--json", tmp_path / "nothing")
    assert as_json.code == 2
    assert json.loads(as_json.out) == {"whole": False, "problems": [as_json.err.removeprefix("presample: ").strip()]}


def test_an_edited_manifest_is_damage(run: Command, presample: Command, tmp_path: Path) -> None:
    assert run().code == 0
    manifest = tmp_path / "dataset" / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"seed": 0', '"seed": 1'))
    outcome = presample("verify", tmp_path / "dataset")
    assert outcome.code == 1
    assert "was changed after it was written" in outcome.err
