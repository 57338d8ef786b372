"""`presample dataflow watch`: how jobs end, and what happens on the way."""

from __future__ import annotations

import json
import signal

import pytest
from google.api_core import exceptions
from google.cloud import dataflow_v1beta3 as api

from beam_jobs.dataflow import watch
from beam_jobs.failures import WorkerError, reported
from presample.dataflow import main
from tests.dataflow.conftest import LoopbackDataflow
from tests.dataflow.scripts import Stage, failed
from tests.dataflow.service import DroppedConnectionError
from tests.dataflow.watched import ID, OUTPUT, WHOLE, lines_of, ours, watch_job
from tfrecord_io.errors import SourceError


def test_an_error_of_ours_is_one_clean_message(
    dataflow_rest: LoopbackDataflow, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(WorkerError) as raised, reported():
        raise SourceError("The files hold no usable rows.")
    text = f'Traceback (most recent call last):\n  File "x"\nWorkerError: {raised.value} [while running Profile]\n'
    assert watch_job(dataflow_rest, *failed(text)) == 1
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
    dataflow_rest: LoopbackDataflow, capsys: pytest.CaptureFixture[str], stages: tuple[Stage, ...], error: str
) -> None:
    assert watch_job(dataflow_rest, *stages, flags=("--json",)) == 1
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


def test_a_job_that_ends_while_publishing(dataflow_rest: LoopbackDataflow, capsys: pytest.CaptureFixture[str]) -> None:
    assert watch_job(dataflow_rest, Stage("RUNNING", messages=["Executing operation Publish"]), Stage("CANCELLED")) == 1
    out = capsys.readouterr().out
    assert f"presample inspect {OUTPUT} says what is there" in out
    assert "Nothing was published" not in out


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
    dataflow_rest: LoopbackDataflow,
    capsys: pytest.CaptureFixture[str],
    method: str,
    error: Exception,
) -> None:
    dataflow_rest.service.fail(method, error, times=3)
    assert watch_job(dataflow_rest, *WHOLE) == 0
    out = capsys.readouterr().out
    assert out.count("The service does not answer (") == 1
    assert "http://" not in out
    assert out.count("The service answers again.") == 1
    assert dataflow_rest.service.called(method) == len(WHOLE) + 3


def test_an_expired_token_is_renewed(dataflow_rest: LoopbackDataflow, capsys: pytest.CaptureFixture[str]) -> None:
    for method in ("get_job", "get_job_metrics"):
        # Three times on end: google-auth renews a token twice for one call.
        dataflow_rest.service.fail(method, exceptions.Unauthenticated("Request had invalid credentials."), times=3)
    assert watch_job(dataflow_rest, *WHOLE) == 0
    assert "does not answer" not in capsys.readouterr().out


def test_a_service_that_stays_away(
    dataflow_rest: LoopbackDataflow, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    service = dataflow_rest.service
    answer = service.get_job_metrics

    def the_last_one(request: api.GetJobMetricsRequest) -> api.JobMetrics:
        service.fail("get_job", DroppedConnectionError(), times=1000)
        return answer(request)

    service.get_job_metrics = the_last_one
    monkeypatch.setattr(watch, "_PATIENCE", 0.05)
    assert watch_job(dataflow_rest, Stage("RUNNING")) == 1
    err = capsys.readouterr().err
    assert err.startswith("presample: The service could not be reached, or failed: ")
    assert "Jobs that run go on regardless." in err


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
