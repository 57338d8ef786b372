"""`presample dataflow watch`, against a Dataflow on loopback whose jobs follow scripts: what is shown."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from google.cloud import dataflow_v1beta3 as api

from beam_jobs.dataflow import watch
from presample.dataflow import main
from tests.dataflow.conftest import LoopbackDataflow
from tests.dataflow.scripts import Counter, Stage
from tests.dataflow.watched import DRAW, ID, OUTPUT, PROFILE, SOURCE, WHOLE, WRITTEN, counted, job, lines_of, watch_job


def test_a_job_that_is_done(dataflow_rest: LoopbackDataflow, capsys: pytest.CaptureFixture[str]) -> None:
    assert watch_job(dataflow_rest, *WHOLE) == 0
    out, err = capsys.readouterr()
    lines = lines_of(out)
    assert lines[:3] == ["RUNNING, counting", "warning: a slow", "RUNNING, drawing"]
    assert lines[3] == "RUNNING, writing: 20 rows, 1.23 kB"
    assert lines[4:6] == ["RUNNING, publishing: 20 rows, 1.23 kB", "DONE: 20 rows, 1.23 kB"]
    assert [line.split() for line in lines if line.strip().startswith("train")] == [
        ["train", "0", "4,988", "10"],
        ["train", "1", "10", "10"],
    ]
    assert lines[-5:] == [
        "counting: 5,000 rows read, 2 rows rejected, 2 MB read",
        "drawing: 5,000 rows read, 20 rows kept, 2 MB read, 900 B shuffled",
        "writing: 20 rows written, 1.23 kB written",
        f"The dataset is in {OUTPUT}",
        f"presample inspect {OUTPUT}",
    ]
    assert not err


def test_json_lines_equal_the_metrics(dataflow_rest: LoopbackDataflow, capsys: pytest.CaptureFixture[str]) -> None:
    assert watch_job(dataflow_rest, *WHOLE, flags=("--json",)) == 0
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    progress = [each for each in events if each["event"] == "progress"]
    assert [each["phase"] for each in progress] == [
        *["counting"] * 3,
        "drawing",
        "writing",
        "publishing",
        "publishing",
    ]
    assert [each["read_fraction"] for each in progress] == [0, 0.25, 0.5, 0.5, 1, 1, 1]
    assert progress[2]["seconds_left"] > 0
    assert progress[2]["rows_per_second"] > 0
    assert progress[-1]["counters"] == {
        "profile": {"rows_read": 5000, "rows_rejected": 2, "bytes_read": SOURCE},
        "draw": {"rows_read": 5000, "rows_kept": 20, "bytes_read": SOURCE, "bytes_shuffled": 900},
        "write": {"rows_written": 20, "bytes_written": 1234},
    }
    assert progress[-1]["classes"] == [
        {"split": "train", "label": "0", "rows_read": 4988, "rows_written": 10},
        {"split": "train", "label": "1", "rows_read": 10, "rows_written": 10},
    ]
    assert (progress[-1]["name"], progress[-1]["source_bytes"]) == ("presample-clicks", SOURCE)
    assert [(each["severity"], each["text"]) for each in events if each["event"] == "message"] == [
        ("warning", "a slow\nworker")
    ]
    end = events[-1]
    assert end.pop("time").endswith("Z")
    assert end == {"event": "end", "state": "DONE", "exit_code": 0, "output": OUTPUT, "error": None}


@pytest.mark.parametrize(
    ("lowest", "expected"),
    [
        ("debug", ["debug", "detailed", "basic", "warning", "error"]),
        ("basic", ["basic", "warning", "error"]),
        ("warning", ["warning", "error"]),
        ("error", ["error"]),
    ],
)
def test_messages_by_severity(
    dataflow_rest: LoopbackDataflow, capsys: pytest.CaptureFixture[str], lowest: str, expected: list[str]
) -> None:
    said = [(severity, "text") for severity in ("DEBUG", "DETAILED", "BASIC", "WARNING", "ERROR")]
    assert (
        watch_job(dataflow_rest, Stage("RUNNING", messages=said), Stage("DONE"), flags=(f"--messages={lowest}",)) == 0
    )
    assert [line.split(":")[0] for line in lines_of(capsys.readouterr().out) if ": text" in line] == expected


def test_a_job_of_others(dataflow_rest: LoopbackDataflow, capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        watch_job(
            dataflow_rest, Stage("RUNNING", counters={("other", "rows_read"): 3}), Stage("DONE"), made=api.Job(name="x")
        )
        == 0
    )
    assert lines_of(capsys.readouterr().out) == ["RUNNING, starting", "DONE", "The job is done."]


def test_the_options_are_learnt_when_the_job_runs(
    dataflow_rest: LoopbackDataflow, capsys: pytest.CaptureFixture[str]
) -> None:
    record = dataflow_rest.service.add_job(ID, Stage("QUEUED"), Stage("RUNNING"), Stage("DONE"), job=api.Job(name="x"))
    known, looked = record.job, dataflow_rest.service.get_job

    def get_job(request: api.GetJobRequest) -> api.Job:
        found = looked(request)
        if record.state == "RUNNING":
            known._pb.environment.sdk_pipeline_options.update({"options": {"presample_output": OUTPUT}})
        return found

    dataflow_rest.service.get_job = get_job
    assert main(["watch", ID, *dataflow_rest.flags, "--interval=0"]) == 0
    assert f"The dataset is in {OUTPUT}" in capsys.readouterr().out


def test_classes_that_do_not_add_up_are_not_shown(
    dataflow_rest: LoopbackDataflow, capsys: pytest.CaptureFixture[str]
) -> None:
    some = {**counted(5000, 10), **WRITTEN, (PROFILE, "class_rows_read/train/0"): 5}
    assert watch_job(dataflow_rest, Stage("DONE", counters=some), flags=("--json",)) == 0
    progress = json.loads(capsys.readouterr().out.splitlines()[0])
    assert [(each["rows_read"], each["rows_written"]) for each in progress["classes"]] == [(None, 10), (None, 10)]


def test_all_is_read_of_a_job_that_is_done(dataflow_rest: LoopbackDataflow, capsys: pytest.CaptureFixture[str]) -> None:
    """Though pass 1 may read a few columns only, and counters may be late."""
    assert watch_job(dataflow_rest, Stage("DONE", counters=counted(5000, 10)), flags=("--json",)) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[0])["read_fraction"] == 1


def test_rows_left_out_belong_to_no_class(dataflow_rest: LoopbackDataflow, capsys: pytest.CaptureFixture[str]) -> None:
    counters = counted(5000, 10) | {(PROFILE, "rows_read"): 5700, (PROFILE, "rows_filtered"): 700}
    assert watch_job(dataflow_rest, Stage("DONE", counters=counters)) == 0
    out = capsys.readouterr().out
    assert "counting: 5,700 rows read, 2 rows rejected, 700 rows filtered, 10 B read\n" in out
    assert "4,988" in out


def test_columns_have_no_estimate_before_pass_2(
    dataflow_rest: LoopbackDataflow, capsys: pytest.CaptureFixture[str]
) -> None:
    """Pass 1 reads some columns of Parquet; how many bytes these are in all, nobody knows."""
    parquet = job(presample_source_bytes=SOURCE, presample_source_format="parquet")
    stages = [
        *(Stage("RUNNING", counters=counted(rows, rows)) for rows in (1000, 5000)),
        *(Stage("RUNNING", counters=counted(5000, 5000) | {(DRAW, "rows_read"): rows}) for rows in (1000, 3000)),
        Stage("DONE"),
    ]
    assert watch_job(dataflow_rest, *stages, flags=("--json",), made=parquet) == 0
    progress = [json.loads(line) for line in capsys.readouterr().out.splitlines()[:-1]]
    assert [each["read_fraction"] for each in progress] == [None, None, 0.6, 0.8, 1]
    assert [each["seconds_left"] is None for each in progress] == [True, True, True, False, True]


def test_twenty_classes_are_shown(dataflow_rest: LoopbackDataflow, capsys: pytest.CaptureFixture[str]) -> None:
    rows: dict[Counter, int] = {(PROFILE, f"class_rows_read/train/c{k}"): 100 + k for k in range(50)}
    total = sum(rows.values())
    assert watch_job(dataflow_rest, Stage("DONE", counters={**rows, (PROFILE, "rows_read"): total})) == 0
    shown = [line.split() for line in capsys.readouterr().out.splitlines() if line.startswith((" train", "         ("))]
    assert [cells[1] for cells in shown[:19]] == [f"c{k}" for k in range(49, 30, -1)]
    assert shown[19] == ["(31", "more)", f"{total - sum(range(131, 150)):,}"]


def test_a_terminal_shows_the_present(
    dataflow_rest: LoopbackDataflow, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from rich.console import Console

    console = Console(record=True, force_terminal=True, width=100, file=(tmp_path / "terminal").open("w"))
    monkeypatch.setattr(watch, "Console", lambda: console)
    assert watch_job(dataflow_rest, *WHOLE) == 0
    text = console.export_text()
    for part in (
        f"presample-clicks  {ID}",
        "RUNNING, counting: 1,000 rows, 1 MB of 2 MB",
        "25% is read",
        "of reading left",
        "  counting  1,000 rows read, 2 rows rejected, 1 MB read",
        "   drawing  5,000 rows read, 20 rows kept, 2 MB read, 900 B shuffled",
        "warning: a slow\n",
        "Ctrl-C ends the watching, not the job.",
        f"presample inspect {OUTPUT}",
    ):
        assert part in text
    assert not capsys.readouterr().out
