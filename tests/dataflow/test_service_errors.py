"""What cannot be done is one message that says what to do, whichever command meets it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from google.api_core import exceptions
from google.auth import exceptions as auth_exceptions
from google.rpc import error_details_pb2

from beam_jobs.dataflow.explained import ServiceError, explained
from presample.dataflow import main
from tests.dataflow.conftest import LoopbackDataflow
from tfrecord_io.errors import UsageError

ID = "2026-01-31_07_00_00-1"
PLACE = ["--project=project", "--region=us-central1"]


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (
            ["watch", ID, "--project=p"],
            "--region is missing, and $CLOUDSDK_COMPUTE_REGION names none: give the region that the job runs in",
        ),
        (["list", "--project=p", "--region=us-central1-a"], "is a zone; its region is us-central1: give --region us-c"),
        (["cancel", ID, "--project=p", "--region=here"], "--region 'here' is no region. They look like us-central1"),
        (["watch", "presample-clicks", *PLACE], "'presample-clicks' is no job id. They look like 2026-01-31_07_00_00"),
        (["cancel", "https://x", *PLACE], "'https://x' is no job id."),
        (["watch", ID, "--interval=x"], "argument --interval: 'x' is no"),
        (["list", "--limit=0"], "argument --limit: '0' is no number of jobs (presample dataflow list --help lists"),
        (["cancel"], "the following arguments are required: JOB_ID (presample dataflow cancel --help lists the flags)"),
    ],
)
def test_wrong_flags(
    argv: list[str], message: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("CLOUDSDK_COMPUTE_REGION", "GOOGLE_CLOUD_REGION"):
        monkeypatch.delenv(name, raising=False)
    assert main(argv) == 2
    out, err = capsys.readouterr()
    assert err.startswith("presample: ")
    assert message in err
    assert err.count("\n") == 1
    assert not out


def test_project_and_region_of_the_environment(
    dataflow_rest: LoopbackDataflow, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    dataflow_rest.service.add_job(ID)
    monkeypatch.setenv("CLOUDSDK_COMPUTE_REGION", "us-central1")  # and GOOGLE_CLOUD_PROJECT is set beside the bucket
    assert main(["watch", ID, f"--dataflow_endpoint={dataflow_rest.endpoint}", "--interval=0"]) == 0


@pytest.mark.parametrize("command", ["watch", "cancel"])
def test_no_such_job(dataflow_rest: LoopbackDataflow, command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, ID, *dataflow_rest.flags]) == 2
    assert capsys.readouterr().err == (
        f"presample: There is no job {ID} in project project, region us-central1. Jobs are known in their own region "
        "only; `presample dataflow list --all --project project --region us-central1` shows those that there are.\n"
    )


@pytest.mark.parametrize("command", [["watch", ID], ["cancel", ID], ["list"]])
def test_no_permission(dataflow_rest: LoopbackDataflow, command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    dataflow_rest.service.fail(
        "*", exceptions.Forbidden("(0123456789abcdef): Could not read; lacks dataflow.jobs.get.")
    )
    assert main([*command, *dataflow_rest.flags]) == 1
    err = capsys.readouterr().err
    assert err.startswith("presample: No permission in project project: Could not read; lacks dataflow.jobs.get. Ask ")
    assert "roles/dataflow.viewer" in err


def _disabled() -> exceptions.Forbidden:
    info = error_details_pb2.ErrorInfo(reason="SERVICE_DISABLED", metadata={"service": "storage.googleapis.com"})
    return exceptions.Forbidden("no", error_info=info)


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (_disabled(), ServiceError, "gcloud services enable storage.googleapis.com --project p"),
        (
            exceptions.Forbidden("Dataflow API has not been used in project 1 before or it is disabled."),
            ServiceError,
            "The API dataflow.googleapis.com is not enabled in project p.",
        ),
        (exceptions.Conflict("an active job named x"), ServiceError, "--job_name"),
        (exceptions.TooManyRequests("CPUS"), ServiceError, "A quota is used up in project p: CPUS"),
        (exceptions.ServiceUnavailable("later"), ServiceError, "could not be reached, or failed: later"),
        (exceptions.RetryError("60 s", exceptions.ServiceUnavailable("later")), ServiceError, "or failed: later"),
        (exceptions.RetryError("60 s", auth_exceptions.TransportError("no route")), ServiceError, "failed: no route"),
        (exceptions.Unauthorized("expired"), ServiceError, "does not accept the credentials: expired"),
        (exceptions.InvalidArgument("what?"), ServiceError, "The service refused the request in project p: what?"),
        (auth_exceptions.DefaultCredentialsError("were not found"), UsageError, "no usable Google Cloud credentials."),
        (auth_exceptions.DefaultCredentialsError("bad file"), UsageError, "usable Google Cloud credentials (bad file)"),
        (auth_exceptions.RefreshError("invalid_grant"), ServiceError, "no longer good: invalid_grant"),
    ],
)
def test_every_error_says_what_to_do(error: Exception, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind) as raised, explained("p"):
        raise error
    assert message in str(raised.value)


def test_no_credentials(tmp_path: Path) -> None:
    """In a process of its own: google-auth remembers. Without a route to Google's metadata it takes no time."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("GOOGLE_", "GCE_"))}
    environment |= {"HOME": str(tmp_path), "CLOUDSDK_CONFIG": str(tmp_path), "GCE_METADATA_IP": "127.0.0.1:1"}
    command = [sys.executable, "-m", "presample", "dataflow", "list", *PLACE]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("presample: There are no usable Google Cloud credentials. Log in with `gcloud auth")
    assert done.stderr.count("\n") == 1
