"""Launched, watched, cancelled: `presample dataflow` with jobs that are run for real from what was staged."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest
from apache_beam.io.filesystems import FileSystems

from presample import cli
from tests.dataflow.conftest import LoopbackDataflow
from tests.dataflow.objects import names, put, read
from tests.dataflow.test_run_on_dataflow import CSV
from tfrecord_io.manifest import Manifest

Launch = Callable[..., str]


@pytest.fixture
def launch(dataflow_runs: LoopbackDataflow, bucket: str, capsys: pytest.CaptureFixture[str]) -> Launch:
    """launch(name, *flags) -> id of the job, which reads NAME/ and writes NAME_out/."""

    def start(name: str, *flags: str) -> str:
        put(f"{bucket}/{name}/a.csv", CSV)
        where = [*dataflow_runs.flags, f"--bucket={bucket}"]
        what = [f"--input={bucket}/{name}/*.csv", f"--output={bucket}/{name}_out", "--label=label", *flags]
        code = cli.main(["dataflow", "launch", *where, *what])
        shown = capsys.readouterr()
        assert code == 0, shown.err
        (found,) = re.findall(r"^Id +(\S+)$", shown.out, re.MULTILINE)
        return str(found)

    return start


def test_counters_equal_the_manifest(
    launch: Launch, dataflow_runs: LoopbackDataflow, bucket: str, capsys: pytest.CaptureFixture[str]
) -> None:
    job = launch("counted", "--splits=train=0.8,eval=0.2")
    assert cli.main(["dataflow", "watch", *dataflow_runs.flags, "--interval=0.5", "--json", job]) == 0
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert (events[-1]["event"], events[-1]["exit_code"]) == ("end", 0)
    progress = [event for event in events if event["event"] == "progress"][-1]
    manifest = Manifest.from_json(read(f"{bucket}/counted_out/manifest.json"))
    assert sorted(progress["classes"], key=lambda each: (each["split"], each["label"])) == [
        {
            "split": name,
            "label": str(entry.label),
            "rows_read": entry.source_rows,
            "rows_written": sum(shard.rows for shard in entry.shards),
        }
        for name, split in sorted(manifest.splits.items())
        for entry in split.classes
    ]
    counters = progress["counters"]
    assert counters["profile"]["rows_read"] == counters["draw"]["rows_read"] == manifest.source["rows"] == 2_000
    assert counters["profile"]["rows_rejected"] == manifest.source["rejected_rows"]
    assert counters["write"]["rows_written"] == sum(shard.rows for shard in manifest.shards())
    assert counters["write"]["bytes_written"] == sum(shard.bytes for shard in manifest.shards())
    assert progress["source_bytes"] == manifest.source["bytes"] == len(CSV)


@pytest.mark.dataflow
def test_a_failure_inside_the_job(
    launch: Launch, dataflow_runs: LoopbackDataflow, bucket: str, capsys: pytest.CaptureFixture[str]
) -> None:
    job = launch("failing", "--strategy=counts:7=5")
    assert cli.main(["dataflow", "watch", *dataflow_runs.flags, "--interval=0.5", job]) == 1
    shown = capsys.readouterr()
    assert "--strategy names '7', not found in the data. The classes found are 0, 1." in shown.out + shown.err
    assert "Traceback" not in shown.out + shown.err
    assert not FileSystems.exists(f"{bucket}/failing_out/manifest.json")
    assert cli.main(["clean", f"{bucket}/failing_out"]) == 0
    assert names(f"{bucket}/failing_out/**") == []


@pytest.mark.dataflow
def test_a_job_that_is_cancelled_while_it_runs(
    launch: Launch, dataflow_runs: LoopbackDataflow, bucket: str, capsys: pytest.CaptureFixture[str]
) -> None:
    job = launch("cancelled")
    assert cli.main(["dataflow", "cancel", *dataflow_runs.flags, job]) == 0
    assert dataflow_runs.service.records[job].state == "CANCELLED"
    assert cli.main(["dataflow", "watch", *dataflow_runs.flags, job]) == 1
    assert not FileSystems.exists(f"{bucket}/cancelled_out/manifest.json")


@pytest.mark.dataflow
def test_a_package_that_is_not_staged_is_not_there(
    launch: Launch, dataflow_runs: LoopbackDataflow, capsys: pytest.CaptureFixture[str]
) -> None:
    job = launch("unstaged", "--sdk_container_image=r/p/presample:0.1.0-beam2.77.0-py3.11")
    assert cli.main(["dataflow", "watch", *dataflow_runs.flags, "--interval=0.5", job]) == 1
    shown = capsys.readouterr()
    assert re.search(r"No module named '(beam_jobs|tfrecord_io)'", shown.out + shown.err)
