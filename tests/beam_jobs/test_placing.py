"""Files on their way into a dataset: placed once or twice, taken back, and never another run's."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import pickle
from pathlib import Path

import pytest

from beam_jobs import PresampleOptions, driver, run
from beam_jobs.audit import PLACING, Draft, Publication
from beam_jobs.failures import WorkerError, cause_of
from beam_jobs.job import NOTE, Job, read_job
from beam_jobs.options import RUN_PREFIX
from beam_jobs.output import Output
from beam_jobs.publish import place, publish, take_back
from tfrecord_io.errors import OutputError, PresampleError

_SHARD = "train/label=0/part-00000-of-00001-0123456789abcdef.tfrecord"


@pytest.fixture(params=["local", "cloud"])
def job(request: pytest.FixtureRequest, three_classes: Path, tmp_path: Path) -> Job:
    """A run that has begun, with one file written."""
    if request.param == "local":
        folder = str(tmp_path / "out")
    else:
        folder = f"{request.getfixturevalue('bucket')}/{tmp_path.name}"
    options = PresampleOptions(input=(str(three_classes),), output=folder, label="y")
    begun = driver.make_job(options, (), Output(folder), RUN_PREFIX + "a")
    begun.output.prepare(begun.run_folder)
    _write(begun.output, f"{begun.run_folder}/draft", b"shard")
    return begun


def _write(output: Output, name: str, content: bytes) -> None:
    with output.create(name) as file:
        file.write(content)


def _list(job: Job, run_folder: str, *, new: bool) -> None:
    _write(job.output, f"{run_folder}/{PLACING}", json.dumps({_SHARD: new}).encode())


def _read(output: Output, name: str) -> bytes:
    with output.open(output.path(name)) as file:
        return file.read()


def test_a_file_placed_twice_is_there_once(job: Job) -> None:
    files = [Draft(f"{job.run_folder}/draft", _SHARD, 5)]
    assert (place(job, files), place(job, files)) == (1, 1)
    assert _read(job.output, _SHARD) == b"shard"
    assert not job.output.exists(files[0].name)


def test_a_file_that_was_cut_short_is_not_placed(job: Job) -> None:
    with pytest.raises(OutputError, match=r"draft is not as it was written\. Run again"):
        place(job, [Draft(f"{job.run_folder}/draft", _SHARD, 6)])
    assert not job.output.exists(_SHARD)


def test_what_a_failed_run_placed_is_taken_back(job: Job) -> None:
    place(job, [Draft(f"{job.run_folder}/draft", _SHARD, 5)])
    _list(job, job.run_folder, new=True)
    take_back(job)
    assert not job.output.exists(_SHARD)
    assert job.output.folders(RUN_PREFIX) == []


@pytest.mark.parametrize("new", [True, False], ids=["both found it missing", "the other found it placed"])
def test_what_another_run_has_too_stays(job: Job, new: bool) -> None:
    place(job, [Draft(f"{job.run_folder}/draft", _SHARD, 5)])
    _list(job, job.run_folder, new=True)
    _list(job, RUN_PREFIX + "b", new=new)
    take_back(job)
    assert _read(job.output, _SHARD) == b"shard"
    assert job.output.folders(RUN_PREFIX) == [RUN_PREFIX + "b"]


@pytest.mark.parametrize("kept", [True, False], ids=["another run has it", "none has it"])
def test_what_another_run_has_too_is_not_purged(job: Job, kept: bool, tmp_path: Path) -> None:
    manifest = run(dataclasses.replace(job.options, output=str(tmp_path / "made")))
    _write(job.output, _SHARD, b"shard")
    if kept:
        _list(job, RUN_PREFIX + "b", new=False)
    publish(job, Publication(manifest, files=[], purge=[_SHARD]), placed=[])
    assert job.output.exists(_SHARD) == kept


def test_a_job_travels_as_the_name_of_its_note(job: Job) -> None:
    shared = job.shared()
    pickled = pickle.dumps(shared)
    assert len(pickled) < 500
    again = pickle.loads(pickled)
    assert (again.options, again.source.files, again.digest) == (job.options, job.source.files, shared.digest)


def test_a_note_that_was_changed_is_not_read(job: Job) -> None:
    shared = job.shared()
    name = f"{job.run_folder}/{NOTE}"
    _write(job.output, name, _read(job.output, name) + b" ")
    with pytest.raises(WorkerError, match="is not as the launcher left it"):
        read_job(job.output, name, str(shared.digest))


def test_workers_of_another_version_say_so(job: Job) -> None:
    content = json.dumps({"presample": "0.0.9", "apache-beam": "2.60.0"}).encode() + b"\n" + pickle.dumps(vars(job))
    _write(job.output, "note", content)
    with pytest.raises(WorkerError) as caught:
        read_job(job.output, "note", hashlib.sha256(content).hexdigest())
    cause = cause_of(caught.value)
    assert type(cause) is PresampleError
    assert "the launcher has 0.0.9. Both need the same: use a worker image (--sdk_container_image)" in str(cause)


def test_the_job_itself_is_never_left_in_the_graph(job: Job) -> None:
    many = dataclasses.replace(job.source, files=list(job.source.files) * 5_000)
    assert len(pickle.dumps(dataclasses.replace(job, source=many).shared())) < 500
