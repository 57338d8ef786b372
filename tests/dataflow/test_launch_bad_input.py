"""What is wrong with a command line is said at once, all of it, and no service is asked."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.dataflow.conftest import LoopbackDataflow
from tests.dataflow.launching import Launch, launcher

_CASES: dict[str, tuple[dict[str, str | None], list[str]]] = {
    "no region": ({"region": None}, [r"--region is missing"]),
    "a zone": ({"region": "us-central1-a"}, [r"us-central1-a is a zone; its region is us-central1"]),
    "no such region": ({"region": "Iowa"}, [r"--region 'Iowa' is no region"]),
    "no bucket": ({"bucket": None}, [r"--bucket is missing"]),
    "not a bucket": ({"bucket": "mine"}, [r"--bucket 'mine' is not the name of a bucket"]),
    "a bad bucket": ({"bucket": "gs://Mine"}, [r"--bucket 'gs://Mine' is not the name of a bucket"]),
    "local input": ({"input": "rows.csv"}, [r"--input rows\.csv: this is on this machine.*gcloud storage cp"]),
    "local output": ({"output": "out"}, [r"--output out is no folder in a bucket"]),
    "temp in output": (
        {"output": "gs://not-there/d", "temp_location": "gs://not-there/d/temp"},
        [r"--output gs://not-there/d lies in --temp_location gs://not-there/d/temp, or around"],
    ),
    "output is temp": (
        {"output": "gs://not-there/t/", "temp_location": "gs://not-there/t", "staging_location": "gs://not-there/t"},
        [r"--temp_location gs://not-there/t and --staging_location gs://not-there/t"],
    ),
    "another Beam": (
        {"sdk_container_image": "apache/beam_python3.11_sdk:2.60.0"},
        [r"has Apache Beam 2\.60\.0, this launcher has 2\.77\.0.*install apache-beam==2\.60\.0"],
    ),
    "another Beam in an image of ours": (
        {"sdk_container_image": "r/p/presample:0.1.0-beam2.60.0-py3.11"},
        [r"has Apache Beam 2\.60\.0, this launcher has 2\.77\.0"],
    ),
    "another Python": ({"sdk_container_image": "apache/beam_python3.9_sdk:2.77.0"}, [r"has Python 3\.9, this"]),
    "a bad name": ({"job_name": "Nightly_1"}, [r"--job_name 'Nightly_1' must be small letters"]),
    "another runner": ({"runner": "FlinkRunner"}, [r"--runner FlinkRunner: this command starts jobs on Dataflow"]),
    "plan only": ({"plan_only": "true"}, [r"`presample run --plan_only` does that"]),
    "no setup file": ({"setup_file": "gone/setup.py"}, [r"--setup_file gone/setup\.py is no file named setup\.py"]),
    "a local template": ({"template": "presample.json"}, [r"--template presample\.json is no file in a bucket"]),
    "a flag of nobody": ({"machine_typ": "e2"}, [r"Unknown flag --machine_typ: .*Did you mean --machine_type\?"]),
    "Beam's check": ({"project": "123"}, [r"do not pass Beam's check: Invalid Project ID \(123\)"]),
    "a bad option": ({"strategy": "ratio=0"}, [r"ratio=0"]),
    "all at once": (
        {"region": "moon", "bucket": "mine", "input": "a.csv", "output": "out", "job_name": "-"},
        [r"--region", r"--bucket", r"--input a\.csv", r"--output out", r"--job_name"],
    ),
}


@pytest.fixture
def launch(dataflow_rest: LoopbackDataflow, bucket: str, capsys: pytest.CaptureFixture[str]) -> Launch:
    return launcher(dataflow_rest, bucket, capsys)


@pytest.mark.parametrize(("given", "messages"), _CASES.values(), ids=_CASES.keys())
def test_each_offence_is_one_message(
    launch: Launch, dataflow_rest: LoopbackDataflow, given: dict[str, str | None], messages: list[str]
) -> None:
    code, out, err = launch(**({"bucket": "gs://not-there"} | given))  # a service would say that it is not there
    assert (code, out) == (2, "")
    lines = err.splitlines()
    assert len(lines) == len(messages)
    for line, message in zip(lines, messages, strict=True):
        assert line.startswith("presample: ")
        assert re.search(message, line), line
    assert dataflow_rest.service.calls == []


def test_a_missing_project_is_looked_for_and_missed(
    launch: Launch, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("GOOGLE_CLOUD_PROJECT")
    key = tmp_path / "user.json"
    key.write_text('{"type": "authorized_user", "client_id": "c", "client_secret": "s", "refresh_token": "r"}')
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(key))
    code, _, err = launch(project=None)
    assert (code, err.count("\n")) == (2, 1)
    assert "--project is missing" in err


def test_credentials_that_are_not_there(launch: Launch, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "gone.json"))
    code, _, err = launch(region="moon")
    assert (code, len(err.splitlines())) == (2, 2)
    assert "--region 'moon'" in err
    assert "no usable Google Cloud credentials" in err
    assert "gcloud auth application-default login" in err


def test_no_credentials_at_all(tmp_path: Path) -> None:
    """In a process of its own, whose home has none; nor is there a machine of Google's around it."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("GOOGLE_", "CLOUDSDK_"))}
    environment |= {"HOME": str(tmp_path), "GCE_METADATA_HOST": "127.0.0.1:9", "GCE_METADATA_IP": "127.0.0.1:9"}
    flags = "--project=p --region=us-central1 --bucket=gs://mine --input=gs://mine/a --output=gs://mine/d --label=y"
    ended = subprocess.run(
        [sys.executable, "-m", "presample", "dataflow", "launch", *flags.split()],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert (ended.returncode, ended.stderr.count("\n")) == (2, 1)
    assert "no usable Google Cloud credentials" in ended.stderr
