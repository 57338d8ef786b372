"""The command line of production, through TLS, tokens and Beam's own checks; and TensorFlow reading what it made."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from google.api_core import exceptions

from tests.dataflow.conftest import LoopbackDataflow
from tests.dataflow.objects import put
from tests.dataflow.scripts import Stage
from tests.dataflow.service import DroppedConnectionError
from tests.dataflow.test_run_on_dataflow import CSV, ROOT, assert_same_as_local

pytestmark = pytest.mark.dataflow

_READ = """
import sys
import numpy as np
from input_fns import InputFn
train = InputFn(sys.argv[1], batch_size=50, mix="stored", shuffle=False)
ids = np.concatenate([features["id"].numpy().ravel() for features, _, _ in train().take(train.steps_per_epoch)])
print(train.num_rows, len(set(ids.tolist())))
"""


def test_one_command_from_launch_to_reading(dataflow_google: LoopbackDataflow, bucket: str, tmp_path: Path) -> None:
    put(f"{bucket}/nightly/a.csv", CSV)
    launch = [
        ROOT / "run_dataflow.sh", *dataflow_google.flags, f"--bucket={bucket}", "--input", f"{bucket}/nightly/*.csv",
        "--output", f"{bucket}/nightly_out", "--label=label", "--watch",
    ]  # fmt: skip
    environment = {**dataflow_google.environment, "VIRTUAL_ENV": sys.prefix}
    done = subprocess.run(launch, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    manifest = assert_same_as_local(bucket, "nightly", tmp_path)
    (record,) = dataflow_google.service.records.values()
    assert record.job.id in done.stdout
    assert dataflow_google.google.refused == []
    assert dict(record.job.labels)["presample"]

    read = [sys.executable, "-c", _READ, f"{bucket}/nightly_out"]
    done = subprocess.run(read, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    rows, different = map(int, done.stdout.split())
    assert rows == different == sum(entry.rows for entry in manifest.split("train").classes)


def test_watching_over_tls(dataflow_google: LoopbackDataflow) -> None:
    service = dataflow_google.service
    service.runs = None
    counters = {("presample.profile", "rows_read"): 7}
    service.add_job("2026-01-01_00_00_00-1", Stage("RUNNING"), Stage("RUNNING", counters=counters), Stage("DONE"))
    service.fail("get_job_metrics", exceptions.Unauthenticated("expired"))
    service.fail("list_job_messages", DroppedConnectionError())
    watch = ["watch", *dataflow_google.flags, "--interval=0.1", "--json", "2026-01-01_00_00_00-1"]
    command = [sys.executable, "-m", "presample", "dataflow", *watch]
    done = subprocess.run(command, capture_output=True, text=True, env=dict(dataflow_google.environment))
    assert done.returncode == 0, done.stderr
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert events[-1]["state"] == "DONE"
    assert [each["counters"] for each in events if each["event"] == "progress"][-1] == {"profile": {"rows_read": 7}}
    assert len(dataflow_google.google.tokens) > 1  # a new one for the expired one
    assert dataflow_google.google.refused == []


def test_no_other_host_is_reached(dataflow_google: LoopbackDataflow) -> None:
    fetch = "import requests; requests.get('https://example.com')"
    done = subprocess.run([sys.executable, "-c", fetch], capture_output=True, env=dict(dataflow_google.environment))
    assert done.returncode != 0
    assert dataflow_google.google.refused == ["example.com"]
