"""`presample clean`: removes what presample left behind, and nothing else."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from tests.presample.conftest import Command, assert_one_message

SHARD = "part-00000-of-00001-0123456789abcdef.tfrecord"


def files(folder: Path) -> dict[str, str]:
    found = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in found}


def test_old_shards_go_and_the_dataset_stays_whole(run: Command, presample: Command, dataset: Path) -> None:
    old = files(dataset)
    assert run("--overwrite", "--seed", "1").code == 0
    assert set(old) < set(files(dataset))
    size = sum((dataset / name).stat().st_size for name in old if name != "manifest.json")
    outcome = presample("clean", dataset)
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out == f"Removed 2 files ({size:,} bytes) and 0 folders of unfinished work from {dataset}.\n"
    assert not (set(old) - {"manifest.json"}) & set(files(dataset))
    assert presample("verify", dataset).code == 0
    assert "Removed 0 files (0 bytes)" in presample("clean", dataset).out


def test_a_class_that_is_gone_takes_its_folder_with_it(run: Command, presample: Command, dataset: Path) -> None:
    assert run("--overwrite", label="w").code == 0
    assert (dataset / "train" / "label=0").is_dir()
    assert presample("clean", dataset).code == 0
    assert [path.name for path in (dataset / "train").iterdir()] == ["label=1.5"]


def test_folders_of_killed_runs_go(presample: Command, dataset: Path) -> None:
    before = files(dataset)
    unfinished = dataset / ".presample-0123456789ab" / "shards"
    unfinished.mkdir(parents=True)
    (unfinished / "0-1").write_bytes(b"x")
    assert "1 folder of unfinished work" in presample("clean", dataset).out
    assert not unfinished.parent.exists()
    assert files(dataset) == before


def test_a_first_run_that_was_killed_can_be_cleaned(presample: Command, tmp_path: Path) -> None:
    folder = tmp_path / "set"
    (folder / ".presample-0123456789ab").mkdir(parents=True)
    shard = folder / "train" / "label=0" / SHARD
    shard.parent.mkdir(parents=True)
    shard.write_bytes(b"x")
    assert presample("clean", folder).code == 0
    assert list(folder.iterdir()) == []


OWN = [
    "notes.txt",
    "part-00000-of-00001-0123456789abcdef.tfrecord",
    "train/notes.txt",
    "train/label=0/notes.txt",
    "train/label=0/part-mine.tfrecord",
    "train/label=0/part-00000-of-00001.tfrecord",
    "train/label=0/part-00000-of-00001-0123456789ABCDEF.tfrecord",
    f"train/label=0/{SHARD}.bak",
    f"train/other/{SHARD}",
    f"deep/train/label=0/{SHARD}",
    "rejected/notes.jsonl",
    ".presample-notes/x",
    ".presample-0123456789abc/x",
    ".presample",
]


def test_files_of_the_user_stay(run: Command, presample: Command, dataset: Path) -> None:
    assert run("--overwrite", "--seed", "1").code == 0
    for name in OWN:
        (dataset / name).parent.mkdir(parents=True, exist_ok=True)
        (dataset / name).write_text("mine")
    assert presample("clean", dataset).code == 0
    assert set(OWN) < set(files(dataset))
    assert all((dataset / name).read_text() == "mine" for name in OWN)


def test_links_are_left_alone_and_not_followed(presample: Command, dataset: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / SHARD).write_text("mine")
    links = {
        dataset / "train" / "label=0" / SHARD: elsewhere / SHARD,
        dataset / "train" / "label=7": elsewhere,
        dataset / ".presample-0123456789ab": elsewhere,
    }
    for link, target in links.items():
        link.symlink_to(target)
    outcome = presample("clean", dataset)
    assert outcome.code == 0
    assert "Removed 0 files (0 bytes) and 0 folders" in outcome.out
    assert (elsewhere / SHARD).read_text() == "mine"
    assert all(link.is_symlink() for link in links)


@pytest.mark.parametrize("content", [b"", b"{", b'{"format": "presample", "format_version": 1}', b"[]"])
def test_a_damaged_manifest_protects_everything(content: bytes, presample: Command, dataset: Path) -> None:
    (dataset / "manifest.json").write_bytes(content)
    (dataset / ".presample-0123456789ab").mkdir()
    before = files(dataset)
    outcome = presample("clean", dataset)
    assert (outcome.code, outcome.out) == (2, "")
    assert_one_message(outcome.err)
    assert files(dataset) == before
    assert (dataset / ".presample-0123456789ab").is_dir()


def test_a_manifest_that_is_a_dangling_link_protects_everything(presample: Command, dataset: Path) -> None:
    (dataset / "manifest.json").unlink()
    (dataset / "manifest.json").symlink_to(dataset / "nowhere")
    before = files(dataset)
    assert presample("clean", dataset).code == 2
    assert files(dataset) == before


def test_a_folder_without_anything_of_presample_is_refused(presample: Command, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    outcome = presample("clean", tmp_path)
    assert (outcome.code, outcome.out) == (2, "")
    assert "holds no dataset" in outcome.err
    assert (tmp_path / "notes.txt").read_text() == "mine"
