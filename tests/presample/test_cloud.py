"""`inspect`, `verify` and `clean` on `gs://`: as on a local folder."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path

import google.cloud
import pytest

from tests.presample.conftest import Command, assert_one_message
from tfrecord_io import Manifest, verify
from tfrecord_io.cloud_storage import CloudFolder

COMMANDS = ("inspect", "verify", "clean")


@pytest.fixture
def remote(dataset: Path, bucket: str, tmp_path: Path) -> str:
    """The dataset of 40 rows in two shards, copied to a folder of the bucket."""
    folder = CloudFolder(f"{bucket}/{tmp_path.name}")
    for path in dataset.rglob("*"):
        if path.is_file():
            folder.write(path.relative_to(dataset).as_posix(), path.read_bytes(), replace=True)
    return f"{bucket}/{tmp_path.name}"


def names(remote: str) -> set[str]:
    return {name for name, _ in CloudFolder(remote).list()}


def test_a_whole_dataset_says_what_the_local_one_does(presample: Command, dataset: Path, remote: str) -> None:
    for arguments in (("inspect",), ("inspect", "--json"), ("verify",), ("verify", "--json"), ("clean",)):
        local, there = presample(*arguments, dataset), presample(*arguments, remote)
        assert there == local._replace(out=local.out.replace(str(dataset), remote))
        assert there.code == 0
    assert presample("verify", remote + "/manifest.json").code == 0
    assert Manifest.load(remote) == Manifest.load(dataset)


def flipped(content: bytes) -> bytes:
    return content[:40] + bytes([content[40] ^ 1]) + content[41:]


DAMAGES: dict[str, tuple[Callable[[bytes], bytes] | None, tuple[str, ...]]] = {
    "a flipped byte": (flipped, ("its SHA-256 differs", "record 0 at byte 0 is damaged: the CRC of its payload")),
    "a cut": (lambda content: content[:-3], ("bytes; the manifest says", "the file ends inside")),
    "a shard emptied": (lambda content: b"", ("has 0 bytes; the manifest says",)),
    "a shard gone": (None, ("is missing.",)),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_told_as_of_a_local_dataset(damage: str, presample: Command, dataset: Path, remote: str) -> None:
    change, says = DAMAGES[damage]
    shard = next(Manifest.load(remote).shards()).path
    if change is None:
        CloudFolder(remote).delete([shard])
        (dataset / shard).unlink()
    else:
        content = change((dataset / shard).read_bytes())
        CloudFolder(remote).write(shard, content, replace=True)
        (dataset / shard).write_bytes(content)
    outcome = presample("verify", remote)
    assert (outcome.code, outcome.out) == (1, "")
    assert outcome.err == presample("verify", dataset).err.replace(str(dataset), remote)
    for part in (shard, *says):
        assert part in outcome.err


def test_clean_removes_what_presample_left_and_nothing_else(
    run: Command, presample: Command, dataset: Path, remote: str
) -> None:
    before = names(remote)
    old = "train/label=0/part-00000-of-00001-0123456789abcdef.tfrecord"
    left = {old, ".presample-0123456789ab/shards/0", ".presample-0123456789ab/shards/1", ".presample-00000000000f/x"}
    own = {"notes.txt", old + ".bak", f"deep/{old}", ".presample-notes/x", ".presample-0123456789abc/x", "rejected/x"}
    for name in left | own:
        CloudFolder(remote).write(name, b"four", replace=True)
    outcome = presample("clean", remote)
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out == f"Removed 1 file (4 bytes) and 2 folders of unfinished work from {remote}.\n"
    assert names(remote) == before | own
    CloudFolder(remote).write("manifest.json", b'{"format": "presample", "format_version": 1}', replace=True)
    CloudFolder(remote).write(old, b"four", replace=True)
    outcome = presample("clean", remote)
    assert outcome.code == 2
    assert_one_message(outcome.err)
    assert names(remote) == before | own | {old}
    CloudFolder(remote).delete(["manifest.json"])  # as a first run that was killed leaves it
    assert presample("clean", remote).code == 0
    assert names(remote) == own


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("place", "says"),
    [
        ("gs://bucket/nothing", "gs://bucket/nothing holds no dataset: there is no manifest.json in it."),
        ("gs://nobodys/x", "cannot be read: there is no bucket 'nobodys'. Correct its name, or create it."),
        ("gs://private/x", "cannot be read: access to bucket 'private' is denied (anybody does not have storage.obj"),
        ("gs:///x", "cannot be read: gs:// must be followed by the name of a bucket."),
        ("s3://bucket/x", "s3:// is not read, only local folders and gs:// are. Copy it to one of these first."),
    ],
)
def test_what_is_no_dataset_is_exit_code_2(
    command: str, place: str, says: str, presample: Command, bucket: str
) -> None:
    outcome = presample(command, place)
    assert (outcome.code, outcome.out) == (2, "")
    assert_one_message(outcome.err)
    assert says in outcome.err


def test_a_run_into_a_dataset_is_exit_code_1(run: Command, remote: str) -> None:
    before = names(remote)
    outcome = run("--seed", "1", output=remote)
    assert (outcome.code, outcome.out) == (1, "")
    assert_one_message(outcome.err)
    assert outcome.err.startswith(f"presample: {remote} already holds a dataset. Choose another --output")
    assert names(remote) == before


def test_a_run_shows_how_its_dataset_is_read(run: Command, bucket: str) -> None:
    outcome = run(output=f"{bucket}/shown")
    assert outcome.code == 0
    assert f'InputFn("{bucket}/shown"' in outcome.out


@pytest.fixture
def nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment without credentials, and where a Google machine's metadata server would be, nothing."""
    for name in ("STORAGE_EMULATOR_HOST", "GOOGLE_APPLICATION_CREDENTIALS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setenv("GCE_METADATA_IP", f"127.0.0.1:{server.getsockname()[1]}")


@pytest.mark.parametrize("command", COMMANDS)
def test_without_credentials_the_message_says_how_to_get_some(command: str, presample: Command, nobody: None) -> None:
    outcome = presample(command, "gs://bucket/x")
    assert (outcome.code, outcome.out) == (2, "")
    assert_one_message(outcome.err)
    assert "there are no Google Cloud credentials. Log in with `gcloud auth application-default login`" in outcome.err
    assert "GOOGLE_APPLICATION_CREDENTIALS" in outcome.err


def test_a_run_without_credentials_says_the_same(run: Command, nobody: None) -> None:
    outcome = run(output="gs://bucket/x")
    assert (outcome.code, outcome.out) == (1, "")
    assert_one_message(outcome.err)
    assert "there are no Google Cloud credentials. Log in with" in outcome.err


def test_input_without_credentials_says_the_same(run: Command, nobody: None, tmp_path: Path) -> None:
    outcome = run("--input", "gs://bucket/*.csv", output=tmp_path / "x")
    assert (outcome.code, outcome.out) == (1, "")
    assert_one_message(outcome.err)
    assert "--input gs://bucket/*.csv cannot be listed: there are no Google Cloud credentials. Log in" in outcome.err


@pytest.mark.parametrize("flags", [[], ["--plan_only"]], ids=" ".join)
def test_dataflow_without_credentials_says_the_same(run: Command, nobody: None, flags: list[str]) -> None:
    where = ["--runner=DataflowRunner", "--project=p", "--region=us-central1", "--temp_location=gs://bucket/temp"]
    outcome = run(*where, *flags, output="gs://bucket/x")
    assert (outcome.code, outcome.out) == (2, "")
    assert_one_message(outcome.err)
    assert "--runner=DataflowRunner: there are no Google Cloud credentials. Log in with" in outcome.err


@pytest.mark.parametrize(
    ("pattern", "says"),
    [
        ("gs://private/x.csv", "access to bucket 'private' is denied (anybody does not have storage.obj"),
        ("gs://private/*.csv", "access to bucket 'private' is denied (anybody does not have storage.obj"),
        ("gs://nobodys/*.csv", "there is no bucket 'nobodys'. Correct its name, or create it."),
    ],
)
def test_input_that_cannot_be_listed(pattern: str, says: str, run: Command, bucket: str, tmp_path: Path) -> None:
    outcome = run("--input", pattern, output=tmp_path / "x")
    assert (outcome.code, outcome.out) == (1, "")
    assert_one_message(outcome.err)
    assert f"--input {pattern} cannot be listed: {says}" in outcome.err


@pytest.mark.parametrize("command", COMMANDS)
def test_without_the_library_the_message_names_the_extra(
    command: str, presample: Command, nobody: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "google.cloud.storage", None)
    monkeypatch.delattr(google.cloud, "storage", raising=False)
    outcome = presample(command, "gs://bucket/x")
    assert (outcome.code, outcome.out) == (2, "")
    assert_one_message(outcome.err)
    assert "google-cloud-storage is not installed. Install it with: pip install 'presample[gcp]'" in outcome.err


def test_a_remote_dataset_gives_its_options_and_its_rows(
    run: Command, presample: Command, dataset: Path, remote: str
) -> None:
    from tfrecord_io import read_examples

    def ages(place: str) -> list[list[int]]:
        return [features["age"].tolist() for features, _, _ in read_examples(place, batch_size=16, num_epochs=1)]

    assert ages(remote) == ages(str(dataset))
    assert run("--like", remote, "--overwrite", output=dataset).code == 0
    assert Manifest.load(dataset).dataset_id == Manifest.load(remote).dataset_id
    assert verify(remote).rows == 40
    assert os.environ["STORAGE_EMULATOR_HOST"].startswith("http://127.0.0.1:")
