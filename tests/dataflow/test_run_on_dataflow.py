"""`presample run --runner=DataflowRunner`, its command line unchanged, against a service on loopback."""

from __future__ import annotations

import signal
import subprocess
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest
from google.api_core import exceptions

from beam_jobs import PresampleOptions, run
from beam_jobs.failures import WorkerError, reported
from presample import cli
from tests.dataflow.conftest import LoopbackDataflow
from tests.dataflow.objects import names, put, read
from tests.dataflow.scripts import Stage, failed
from tests.dataflow.service import DroppedConnectionError
from tfrecord_io.errors import PresampleError, SourceError
from tfrecord_io.manifest import Manifest

ROOT = Path(__file__).parents[2]
CSV = b"".join([b"id,label,text\n", *(f"{i},{int(i % 20 == 0)},row {i}\n".encode() for i in range(2_000))])


def flags(dataflow: LoopbackDataflow, bucket: str, name: str) -> list[str]:
    """A command line for Dataflow, with an input that is there."""
    put(f"{bucket}/{name}/a.csv", CSV)
    return [
        "run", "--input", f"{bucket}/{name}/*.csv", "--output", f"{bucket}/{name}_out", "--label", "label",
        "--runner=DataflowRunner", f"--temp_location={bucket}/tmp", f"--job_name={name}", *dataflow.flags,
    ]  # fmt: skip


def assert_same_as_local(bucket: str, name: str, folder: Path) -> Manifest:
    """The dataset at NAME_out is, byte for byte, what a local run makes; nothing else is in its folder."""
    (folder / "a.csv").write_bytes(CSV)
    local = run(PresampleOptions(input=(f"{folder}/*.csv",), output=f"{folder}/local", label="label"))
    output = f"{bucket}/{name}_out"
    remote = Manifest.from_json(read(f"{output}/manifest.json"))
    assert remote.dataset_id == local.dataset_id
    assert names(f"{output}/**") == sorted(
        [f"{output}/manifest.json", *(f"{output}/{shard.path}" for shard in local.shards())]
    )
    for shard in local.shards():
        assert read(f"{output}/{shard.path}") == (folder / "local" / shard.path).read_bytes()
    return remote


RunHere = Callable[[list[str], int], str]


@pytest.fixture
def run_here(capfd: pytest.CaptureFixture[str]) -> RunHere:
    """run_here(command, code) -> the one message of a command that is to end with the code."""

    def run_command(command: list[str], code: int) -> str:
        assert cli.main(command) == code
        (message,) = [line for line in capfd.readouterr().err.splitlines() if line.startswith("presample:")]
        return message

    return run_command


def test_a_job_from_staged_code_makes_the_local_bytes(
    dataflow_runs: LoopbackDataflow, bucket: str, tmp_path: Path
) -> None:
    service = dataflow_runs.service
    service.fail("get_job", exceptions.Unauthenticated("expired"))
    service.fail("list_job_messages", DroppedConnectionError())
    command = [*flags(dataflow_runs, bucket, "same"), f"--setup_file={ROOT / 'setup.py'}"]
    done = subprocess.run([sys.executable, "-m", "presample.cli", *command], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "The dataset is in" in done.stdout
    manifest = assert_same_as_local(bucket, "same", tmp_path)
    assert manifest.to_document()["producer"]["runner"] == "DataflowRunner"
    (record,) = service.records.values()
    assert record.state == "DONE"
    assert any(message.message_text == "Staged: workflow.tar.gz" for message in record.messages)


def marked(error: PresampleError) -> str:
    """What a worker that met the error leaves in the service's messages."""
    with pytest.raises(WorkerError) as raised, reported():
        raise error
    where = "".join(traceback.format_exception(raised.value))
    return f"Error message from worker: generic::unknown: {where}"


CONFLICT = exceptions.AlreadyExists("(ab12): There is already an active job named nightly.")
DISABLED = exceptions.Forbidden("Dataflow API has not been used in project 1 before or it is disabled.")
REFUSED = [
    (CONFLICT, 1, ("there is one already", "job named nightly", "--job_name")),
    (exceptions.TooManyRequests("Quota exceeded for 'Create requests'"), 1, ("A quota is used up", "Create requests")),
    (DISABLED, 1, ("is not enabled", "gcloud services enable dataflow.googleapis.com")),
    (exceptions.BadRequest("(ab12): The workflow could not be created."), 1, ("refused the request", "ab12")),
]


@pytest.mark.parametrize(("error", "code", "words"), REFUSED, ids=["409", "429", "403", "400"])
def test_a_job_that_is_refused(
    dataflow_rest: LoopbackDataflow, bucket: str, run_here: RunHere, error: Exception, code: int, words: tuple[str, ...]
) -> None:
    dataflow_rest.service.fail("create_job", error)
    message = run_here(flags(dataflow_rest, bucket, "refused"), code)
    assert all(word in message for word in words), message
    assert names(f"{bucket}/refused_out/**") == []


INCOMPLETE = [
    ("--project=", ("--project P",)),
    ("--temp_location=", ("--temp_location gs://BUCKET/temp", "presample dataflow launch")),
    ("--temp_location=/tmp", ("--temp_location gs://BUCKET/temp",)),
    ("--region=us-central1-a", ("--region us-central1-a is a zone",)),
    ("--input=a.csv", ("--input a.csv: this is on this machine, and the workers cannot read it",)),
    ("--output=out", ("--output out is no folder in a bucket",)),
]


@pytest.mark.parametrize(("flag", "words"), INCOMPLETE)
def test_flags_that_dataflow_needs(
    dataflow_rest: LoopbackDataflow, bucket: str, run_here: RunHere, flag: str, words: tuple[str, ...]
) -> None:
    message = run_here([*flags(dataflow_rest, bucket, "incomplete"), flag], 2)
    assert all(word in message for word in words), message
    assert dataflow_rest.service.calls == []


ENDED = [
    (failed(marked(SourceError("a.csv, line 3: 'x' is no number."))), "a.csv, line 3: 'x' is no number."),
    (failed("Root cause: out of memory"), "failed on Dataflow: Workflow failed. Causes: a work item failed 4 times."),
    ((Stage("RUNNING"), Stage("CANCELLED", messages=["Cancel request is committed."])), "was cancelled before"),
]


@pytest.mark.parametrize(("script", "words"), ENDED, ids=["our error", "another error", "cancelled"])
def test_a_job_that_ends_otherwise(
    dataflow_rest: LoopbackDataflow, bucket: str, run_here: RunHere, script: tuple[Stage, ...], words: str
) -> None:
    dataflow_rest.service.scripted = script
    assert words in run_here(flags(dataflow_rest, bucket, "ended"), 1)
    assert names(f"{bucket}/ended_out/**") == []


def test_a_job_is_created_once_in_bad_weather(dataflow_rest: LoopbackDataflow, bucket: str, run_here: RunHere) -> None:
    service = dataflow_rest.service
    service.scripted = failed(marked(SourceError("the end")))
    service.fail("create_job", DroppedConnectionError(served=True))  # the answer is lost: asked again
    service.fail("get_job", exceptions.Unauthenticated("expired"))
    assert run_here(flags(dataflow_rest, bucket, "weather"), 1) == "presample: the end"
    assert (service.called("create_job"), len(service.records)) == (2, 1)


def test_an_interruption_cancels_the_job(dataflow_rest: LoopbackDataflow, bucket: str) -> None:
    service = dataflow_rest.service
    service.scripted = [Stage("RUNNING")]
    command = [sys.executable, "-m", "presample.cli", *flags(dataflow_rest, bucket, "interrupted")]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert service.watched.wait(60)
        process.send_signal(signal.SIGINT)
        _, shown = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted; whether a dataset was published before, `presample inspect gs://" in shown
    (record,) = service.records.values()
    assert record.cancelled.is_set()
