"""Publication: of several runs into one folder one wins, and what was done before may be done again."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest
from apache_beam.io.filesystems import FileSystems

from beam_jobs import PresampleOptions, run
from beam_jobs.output import Output
from tfrecord_io import Manifest, verify
from tfrecord_io.errors import OutputError
from tfrecord_io.manifest import MANIFEST_NAME

_ROWS = b"".join([b"id,label\n", *(f"{i},{int(i % 20 == 0)}\n".encode() for i in range(2_000))])


@pytest.fixture(params=["local", "cloud"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty folder, of this machine or on gs://."""
    return str(tmp_path / "out") if request.param == "local" else f"{request.getfixturevalue('bucket')}/{tmp_path.name}"


@pytest.fixture
def rows(tmp_path: Path) -> str:
    (tmp_path / "rows.csv").write_bytes(_ROWS)
    return str(tmp_path / "rows.csv")


def _files(folder: str) -> set[str]:
    if "://" not in folder:
        return {path.relative_to(folder).as_posix() for path in Path(folder).rglob("*") if path.is_file()}
    return {found.path.removeprefix(folder + "/") for found in FileSystems.match([folder + "/**"])[0].metadata_list}


def _assert_one_whole_dataset(folder: str) -> None:
    assert verify(folder).problems == []
    assert _files(folder) == {MANIFEST_NAME, *Manifest.load(folder).files()}


def test_two_jobs_at_once_end_with_one_dataset_and_one_error(folder: str, rows: str) -> None:
    together = Barrier(2)

    def job(seed: int) -> Manifest | str:
        together.wait()
        try:
            return run(PresampleOptions(input=(rows,), output=folder, label="label", seed=seed))
        except OutputError as error:
            return str(error)

    with ThreadPoolExecutor(2) as pool:
        made = list(pool.map(job, (1, 2)))
    (winner,) = (one for one in made if isinstance(one, Manifest))
    (message,) = (one for one in made if isinstance(one, str))
    assert message.startswith(f"{folder} already holds a dataset. Choose another --output")
    assert Manifest.load(folder) == winner
    _assert_one_whole_dataset(folder)


def test_of_manifests_written_at_once_one_stays(folder: str) -> None:
    output = Output(folder)
    together = Barrier(6)

    def publish(number: int) -> bool:
        together.wait()
        try:
            output.write_manifest(f"{number}\n", f".presample-{number:012d}", replace=False)
        except OutputError as error:
            assert "already holds a dataset" in str(error)  # noqa: PT017 - all threads but one
            return False
        return True

    with ThreadPoolExecutor(6) as pool:
        wrote = list(pool.map(publish, range(6)))
    assert wrote.count(True) == 1
    with output.open(output.path(MANIFEST_NAME)) as file:
        assert file.read() == f"{wrote.index(True)}\n".encode()


def test_what_a_lost_try_did_is_done_again_without_harm(folder: str) -> None:
    output = Output(folder)
    names = {f".presample-0/{number}": f"train/{number}" for number in range(120)}
    for old in list(names)[::7]:
        with output.create(old) as file:
            file.write(old.encode())
    moved = dict(list(names.items())[::7])
    output.rename(dict(list(moved.items())[:5]))
    for _ in range(2):
        output.rename(moved)
        output.write_manifest("same", ".presample-0", replace=False)
    assert output.existing([*names, *names.values(), "nothing"]) == set(moved.values())
    for old, new in moved.items():
        with output.open(output.path(new)) as file:
            assert file.read() == old.encode()
    with pytest.raises(OutputError, match="already holds a dataset"):
        output.write_manifest("other", ".presample-0", replace=False)
    output.write_manifest("other", ".presample-0", replace=True)
    with pytest.raises(OutputError, match="cannot be written: "):
        output.rename({**moved, ".presample-0/gone": "train/gone"})
    assert output.existing([]) == set()


def test_an_output_that_cannot_be_is_one_error(bucket: str, rows: str) -> None:
    for folder, says in (
        ("gs://nobodys/out", "there is no bucket 'nobodys'. Correct its name, or create it."),
        ("gs://private/out", "access to bucket 'private' is denied (anybody does not have"),
        ("gs:///out", "gs:// must be followed by the name of a bucket."),
    ):
        with pytest.raises(OutputError) as raised:
            run(PresampleOptions(input=(rows,), output=folder, label="label"))
        assert str(raised.value).startswith(f"{folder} cannot be written: {says}")
