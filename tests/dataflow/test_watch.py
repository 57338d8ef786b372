"""`presample dataflow watch`, against a Dataflow on loopback whose jobs follow scripts."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from google.api_core import exceptions
from google.cloud import dataflow_v1beta3 as api

from beam_jobs.dataflow import watch
from beam_jobs.dataflow.command import main
from beam_jobs.failures import WorkerError, reported
from tests.dataflow.conftest import LoopbackDataflow
from tests.dataflow.scripts import Counter, Stage, failed
from tests.dataflow.service import DroppedConnectionError
from tfrecord_io.errors import SourceError

ID = "2026-01-31_07_00_00-1"
OUTPUT = "gs://bucket/clicks"
SOURCE = 2_000_000
PROFILE, DRAW, WRITE = "presample.profile", "presample.draw", "presample.write"


def job(**options: object) -> api.Job:
    """A job of presample's, as the launcher makes it."""
    made = api.Job(name="presample-clicks", labels={"presample": "0-1-0"})
    made._pb.environment.sdk_pipeline_options.update({"options": options, "display_data": []})
    return made


def ours() -> api.Job:
    return job(presample_output=OUTPUT, presample_source_bytes=SOURCE)


def counted(rows: int, size: int) -> dict[Counter, int | list[int]]:
    """Pass 1 after some rows: two of them bad, ten of class 1."""
    return {
        (PROFILE, "rows_read"): [rows - 100, 100],
        (PROFILE, "rows_rejected"): 2,
        (PROFILE, "bytes_read"): size,
        (PROFILE, "class_rows_read/train/0"): [rows - 112, 100],
        (PROFILE, "class_rows_read/train/1"): 10,
    }


DRAWN: dict[Counter, int] = {
    (DRAW, "rows_read"): 5000,
    (DRAW, "rows_kept"): 20,
    (DRAW, "bytes_read"): SOURCE,
    (DRAW, "bytes_shuffled"): 900,
}
WRITTEN: dict[Counter, int] = {
    (WRITE, "rows_written"): 20,
    (WRITE, "bytes_written"): 1234,
    (WRITE, "class_rows_written/train/0"): 10,
    (WRITE, "class_rows_written/train/1"): 10,
}
WHOLE = (
    Stage("RUNNING", messages=["Executing operation Parts+Profile"]),
    Stage("RUNNING", counters=counted(1000, SOURCE // 2)),
    Stage("RUNNING", counters=counted(5000, SOURCE), messages=[("WARNING", "a slow\nworker")]),
    Stage("RUNNING", messages=["Executing operation ref_AppliedPTransform_Draw_5+Buckets/Write"]),
    Stage("RUNNING", counters={**counted(5000, SOURCE), **DRAWN, **WRITTEN}),
    Stage("RUNNING", messages=["Executing operation Publish", ("DEBUG", "of no interest")]),
    Stage("DONE"),
)
"""A job from its start to its end."""


@pytest.fixture
def run(dataflow_rest: LoopbackDataflow) -> Callable[..., int]:
    """Watches a job that goes through stages."""

    def watched(*stages: Stage, flags: tuple[str, ...] = (), made: api.Job | None = None) -> int:
        dataflow_rest.service.add_job(ID, *stages, job=made or ours())
        return main(["watch", ID, *dataflow_rest.flags, "--interval=0", *flags])

    return watched


def lines_of(text: str) -> list[str]:
    """Without the time before them."""
    return [line.partition(" ")[2] if line[:2] == "20" else line for line in text.splitlines()]


def test_a_job_that_is_done(run: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*WHOLE) == 0
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


def test_json_lines_equal_the_metrics(run: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*WHOLE, flags=("--json",)) == 0
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
    run: Callable[..., int], capsys: pytest.CaptureFixture[str], lowest: str, expected: list[str]
) -> None:
    said = [(severity, "text") for severity in ("DEBUG", "DETAILED", "BASIC", "WARNING", "ERROR")]
    assert run(Stage("RUNNING", messages=said), Stage("DONE"), flags=(f"--messages={lowest}",)) == 0
    assert [line.split(":")[0] for line in lines_of(capsys.readouterr().out) if ": text" in line] == expected


def test_an_error_of_ours_is_one_clean_message(run: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(WorkerError) as raised, reported():
        raise SourceError("The files hold no usable rows.")
    text = f'Traceback (most recent call last):\n  File "x"\nWorkerError: {raised.value} [while running Profile]\n'
    assert run(*failed(text)) == 1
    out, err = capsys.readouterr()
    assert err == "presample: The files hold no usable rows.\n"
    assert "error: The files hold no usable rows." in lines_of(out)
    assert f"Nothing was published. presample clean {OUTPUT} removes what is left." in out
    assert "https://console.cloud.google.com/dataflow/jobs/us-central1/" in out


@pytest.mark.parametrize(
    ("stages", "error"),
    [
        (failed("Traceback (most recent call last):\n  x\nMemoryError: too much\n"), "MemoryError: too much"),
        (
            failed("(0123456789abcdef): The zone has no machines left."),
            "Workflow failed. Causes: a work item failed 4 times.",
        ),
        ((Stage("FAILED"),), "The job failed, and says no more than that."),
        ((Stage("RUNNING"), Stage("CANCELLED")), "The job was not done: its state is CANCELLED."),
        ((Stage("UPDATED"),), "The job was not done: its state is UPDATED."),
    ],
)
def test_other_ends(
    run: Callable[..., int], capsys: pytest.CaptureFixture[str], stages: tuple[Stage, ...], error: str
) -> None:
    assert run(*stages, flags=("--json",)) == 1
    out, err = capsys.readouterr()
    assert err.startswith(f"presample: {error}")
    end = json.loads(out.splitlines()[-1])
    assert end["exit_code"] == 1
    assert f"presample: {end['error']}\n" == err


def test_an_error_that_is_told_late(dataflow_rest: LoopbackDataflow, capsys: pytest.CaptureFixture[str]) -> None:
    record = dataflow_rest.service.add_job(ID, Stage("FAILED"))
    answer = dataflow_rest.service.get_job_metrics

    def tells_late(request: api.GetJobMetricsRequest) -> api.JobMetrics:
        if dataflow_rest.service.called("get_job") == 3:
            record.say("ERROR", "said late")
        return answer(request)

    dataflow_rest.service.get_job_metrics = tells_late
    assert main(["watch", ID, *dataflow_rest.flags, "--interval=0"]) == 1
    assert capsys.readouterr().err == "presample: said late\n"


def test_a_job_that_ends_while_publishing(run: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(Stage("RUNNING", messages=["Executing operation Publish"]), Stage("CANCELLED")) == 1
    out = capsys.readouterr().out
    assert f"presample inspect {OUTPUT} says what is there" in out
    assert "Nothing was published" not in out


def test_a_job_of_others(run: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(Stage("RUNNING", counters={("other", "rows_read"): 3}), Stage("DONE"), made=api.Job(name="x")) == 0
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


def test_classes_that_do_not_add_up_are_not_shown(run: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    some = {**counted(5000, 10), **WRITTEN, (PROFILE, "class_rows_read/train/0"): 5}
    assert run(Stage("DONE", counters=some), flags=("--json",)) == 0
    progress = json.loads(capsys.readouterr().out.splitlines()[0])
    assert [(each["rows_read"], each["rows_written"]) for each in progress["classes"]] == [(None, 10), (None, 10)]


def test_twenty_classes_are_shown(run: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    rows: dict[Counter, int] = {(PROFILE, f"class_rows_read/train/c{k}"): 100 + k for k in range(50)}
    total = sum(rows.values())
    assert run(Stage("DONE", counters={**rows, (PROFILE, "rows_read"): total})) == 0
    shown = [line.split() for line in capsys.readouterr().out.splitlines() if line.startswith((" train", "         ("))]
    assert [cells[1] for cells in shown[:19]] == [f"c{k}" for k in range(49, 30, -1)]
    assert shown[19] == ["(31", "more)", f"{total - sum(range(131, 150)):,}"]


@pytest.mark.parametrize(
    ("method", "error"),
    [
        ("get_job", exceptions.ServiceUnavailable("later")),
        ("get_job", DroppedConnectionError()),
        ("get_job_metrics", exceptions.InternalServerError("oops")),
        ("list_job_messages", exceptions.TooManyRequests("slowly")),
        ("list_job_messages", DroppedConnectionError()),
    ],
)
def test_it_survives_what_passes(
    run: Callable[..., int],
    dataflow_rest: LoopbackDataflow,
    capsys: pytest.CaptureFixture[str],
    method: str,
    error: Exception,
) -> None:
    dataflow_rest.service.fail(method, error, times=3)
    assert run(*WHOLE) == 0
    out = capsys.readouterr().out
    assert out.count("The service does not answer (") == 1
    assert "http://" not in out
    assert out.count("The service answers again.") == 1
    assert dataflow_rest.service.called(method) == len(WHOLE) + 3


def test_an_expired_token_is_renewed(
    run: Callable[..., int], dataflow_rest: LoopbackDataflow, capsys: pytest.CaptureFixture[str]
) -> None:
    for method in ("get_job", "get_job_metrics"):
        dataflow_rest.service.fail(method, exceptions.Unauthenticated("Request had invalid credentials."))
    assert run(*WHOLE) == 0
    assert "does not answer" not in capsys.readouterr().out


def test_ctrl_c_leaves_the_job_alone(dataflow_rest: LoopbackDataflow, capsys: pytest.CaptureFixture[str]) -> None:
    service = dataflow_rest.service
    record = service.add_job(ID, Stage("RUNNING"), job=ours())

    def interrupted(_: api.GetJobMetricsRequest) -> api.JobMetrics:
        signal.raise_signal(signal.SIGINT)
        raise DroppedConnectionError

    service.get_job_metrics = interrupted
    assert main(["watch", ID, *dataflow_rest.flags, "--interval=60"]) == 130
    err = capsys.readouterr().err
    place = f"--project project --region us-central1 --dataflow_endpoint {dataflow_rest.endpoint} {ID}"
    assert f"presample dataflow watch {place}\n" in err
    assert f"presample dataflow cancel {place}\n" in err
    assert (record.state, service.called("update_job")) == ("RUNNING", 0)


def test_a_terminal_shows_the_present(
    run: Callable[..., int], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from rich.console import Console

    console = Console(record=True, force_terminal=True, width=100, file=(tmp_path / "terminal").open("w"))
    monkeypatch.setattr(watch, "Console", lambda: console)
    assert run(*WHOLE) == 0
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
