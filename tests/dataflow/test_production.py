"""The command line of production, through TLS, tokens and Beam's own checks; and TensorFlow reading what it made."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.dataflow.conftest import LoopbackDataflow
from tests.dataflow.test_run_on_dataflow import CSV, ROOT, assert_same_as_local, put

pytestmark = pytest.mark.dataflow

_READ = """
import sys
import numpy as np
from input_fns import InputFn
train = InputFn(sys.argv[1], batch_size=50, mix="stored", shuffle=False)
ids = np.concatenate([features["id"].numpy().ravel() for features, _, _ in train().take(train.steps_per_epoch)])
print(train.num_rows, len(set(ids.tolist())), int(ids.sum()))
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
    assert f"projects/project/jobs/{record.job.id}" in done.stdout or record.job.id in done.stdout
    assert dataflow_google.google.refused == []
    assert dict(record.job.labels)["presample"]

    read = [sys.executable, "-c", _READ, f"{bucket}/nightly_out"]
    done = subprocess.run(read, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    rows, different, _ = map(int, done.stdout.split())
    assert rows == different == sum(entry.rows for entry in manifest.split("train").classes)
