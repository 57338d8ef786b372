"""`presample dataflow cancel` and `list`, against a Dataflow on loopback."""

from __future__ import annotations

import json

import pytest
from google.api_core import exceptions
from google.cloud import dataflow_v1beta3 as api

from presample.dataflow import main
from tests.dataflow.conftest import LoopbackDataflow
from tests.dataflow.scripts import Stage

ONE, TWO, THREE = (f"2026-01-31_07_00_00-{number}" for number in (1, 2, 3))
LONG_NAME = "presample-clicks-of-a-shop-with-a-long-name-20260131-070000"


def cancel(dataflow: LoopbackDataflow, *job_ids: str) -> int:
    return main(["cancel", *job_ids, *dataflow.flags, "--interval=0"])


def test_cancelling_waits_until_it_is_so(dataflow_rest: LoopbackDataflow, capsys: pytest.CaptureFixture[str]) -> None:
    job = api.Job(labels={"presample": "0-1-0"})
    job._pb.environment.sdk_pipeline_options.update({"options": {"presample_output": "gs://bucket/clicks"}})
    records = [dataflow_rest.service.add_job(each, Stage("RUNNING"), job=job, name=each) for each in (ONE, TWO)]
    assert cancel(dataflow_rest, ONE, TWO) == 0
    assert [record.state for record in records] == ["CANCELLED", "CANCELLED"]
    assert capsys.readouterr().out.splitlines() == [
        f"{ONE} is asked to end; that may take some minutes.",
        f"{TWO} is asked to end; that may take some minutes.",
        *(f"{ONE} is cancelled.", "presample clean gs://bucket/clicks removes what it left."),
        *(f"{TWO} is cancelled.", "presample clean gs://bucket/clicks removes what it left."),
    ]


def test_cancelling_takes_a_while(dataflow_rest: LoopbackDataflow, capsys: pytest.CaptureFixture[str]) -> None:
    service = dataflow_rest.service
    record = service.add_job(ONE, Stage("RUNNING"))
    looked, still = service.get_job, iter(range(3))

    def get_job(request: api.GetJobRequest) -> api.Job:
        if record.cancelled.is_set() and next(still, None) is not None:
            return record.job
        return looked(request)

    service.get_job = get_job
    assert cancel(dataflow_rest, ONE) == 0
    assert record.state == "CANCELLED"
    assert capsys.readouterr().out.endswith(f"{ONE} is cancelled.\n")


@pytest.mark.parametrize(("state", "code"), [("CANCELLED", 0), ("DONE", 1), ("FAILED", 1)])
def test_a_job_that_has_ended(
    dataflow_rest: LoopbackDataflow, capsys: pytest.CaptureFixture[str], state: str, code: int
) -> None:
    dataflow_rest.service.add_job(ONE, Stage(state))
    assert cancel(dataflow_rest, ONE) == code
    assert capsys.readouterr()[code] == f"{ONE} had ended before: {state}.\n"
    assert dataflow_rest.service.called("update_job") == 0


def test_a_job_that_ends_before_it_is_cancelled(
    dataflow_rest: LoopbackDataflow, capsys: pytest.CaptureFixture[str]
) -> None:
    dataflow_rest.service.add_job(ONE, Stage("RUNNING"), Stage("RUNNING"), Stage("DONE"))
    dataflow_rest.service.fail("update_job", exceptions.FailedPrecondition("Job is already in a terminal state."))
    assert cancel(dataflow_rest, ONE) == 1
    assert capsys.readouterr().err == f"presample: {ONE} was not cancelled: it ended as DONE.\n"


def test_all_jobs_are_there_or_none_is_cancelled(
    dataflow_rest: LoopbackDataflow, capsys: pytest.CaptureFixture[str]
) -> None:
    record = dataflow_rest.service.add_job(ONE, Stage("RUNNING"))
    assert cancel(dataflow_rest, ONE, TWO) == 2
    assert f"There is no job {TWO} in project project, region us-central1." in capsys.readouterr().err
    assert record.state == "RUNNING"


@pytest.fixture
def three(dataflow_rest: LoopbackDataflow) -> LoopbackDataflow:
    """One of presample's that has ended, one that runs, and one of others that runs."""
    service = dataflow_rest.service
    labelled = api.Job(labels={"presample": "0-1-0"})
    service.add_job(ONE, Stage("RUNNING"), job=labelled, name="night").script.clear()
    service.records[ONE].show(Stage("DONE"))
    service.add_job(TWO, job=labelled, name=LONG_NAME).script.clear()
    service.add_job(THREE, name="of-others").script.clear()
    return dataflow_rest


@pytest.mark.parametrize(
    ("flags", "expected"),
    [([], [TWO, ONE]), (["--active"], [TWO]), (["--all"], [TWO, THREE, ONE]), (["--all", "--active"], [TWO, THREE])],
)
def test_listing(
    three: LoopbackDataflow, capsys: pytest.CaptureFixture[str], flags: list[str], expected: list[str]
) -> None:
    assert main(["list", *three.flags, *flags]) == 0
    table = [line.split() for line in capsys.readouterr().out.splitlines() if line.strip()]
    assert table[0] == ["id", "name", "state", "created", "presample"]
    assert [row[0] for row in table[2:]] == expected
    row = next(row for row in table[2:] if row[0] == TWO)
    assert main(["list", *three.flags, *flags, "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["id"] for line in lines] == expected
    ours = next(line for line in lines if line["id"] == TWO)
    assert row == list(ours.values())  # whole, however wide the terminal is
    assert ours.pop("created").endswith("Z")
    assert ours == {"id": TWO, "name": LONG_NAME, "state": "PENDING", "presample": "0.1.0"}


def test_listing_stops_at_a_limit(three: LoopbackDataflow, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", *three.flags, "--json", "--limit=2"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["id"] == TWO
    assert "There are more: --limit N looks at more than the first 2." in err


def test_listing_nothing(dataflow_rest: LoopbackDataflow, capsys: pytest.CaptureFixture[str]) -> None:
    dataflow_rest.service.add_job(ONE)
    assert main(["list", *dataflow_rest.flags]) == 0
    assert capsys.readouterr().err == "No jobs in project project, region us-central1 (1 of others: --all).\n"


def test_pages(dataflow_rest: LoopbackDataflow, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(105):
        dataflow_rest.service.add_job(f"1-{number}", name=f"job-{number}")
    assert main(["list", *dataflow_rest.flags, "--all", "--json", "--limit=200"]) == 0
    ids = [json.loads(line)["id"] for line in capsys.readouterr().out.splitlines()]
    assert sorted(ids) == sorted(dataflow_rest.service.records)
    assert dataflow_rest.service.called("list_jobs") == 2
