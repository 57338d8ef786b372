"""The loopback Dataflow itself, asked through Google's client over both of its fronts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import grpc
import pytest
from google.api_core import exceptions
from google.cloud import dataflow_v1beta3 as api

from tests.dataflow.conftest import LoopbackDataflow
from tests.dataflow.scripts import Stage
from tests.dataflow.service import DroppedConnectionError

WHERE = {"project_id": "project", "location": "us-central1"}
ROWS = ("presample.profile", "rows_read")


@dataclass(frozen=True)
class Clients:
    """Google's clients, and the service that they talk to."""

    loopback: LoopbackDataflow
    jobs: api.JobsV1Beta3Client
    messages: api.MessagesV1Beta3Client
    metrics: api.MetricsV1Beta3Client

    def get(self, job_id: str = "1", **more: object) -> api.Job:
        return self.jobs.get_job(api.GetJobRequest(job_id=job_id, **WHERE, **more))

    def texts(self, least: str = "UNKNOWN") -> list[str]:
        asked = api.ListJobMessagesRequest(job_id="1", **WHERE, page_size=1)
        if least != "UNKNOWN":
            asked.minimum_importance = api.JobMessageImportance[f"JOB_MESSAGE_{least}"]
        return [message.message_text for message in self.messages.list_job_messages(asked)]


_KINDS = (api.JobsV1Beta3Client, api.MessagesV1Beta3Client, api.MetricsV1Beta3Client)


def _over_grpc(loopback: LoopbackDataflow) -> list[object]:
    channel = grpc.insecure_channel(loopback.endpoint)
    return [kind(transport=kind.get_transport_class("grpc")(channel=channel)) for kind in _KINDS]


def _over_rest(loopback: LoopbackDataflow) -> list[object]:
    return [kind(transport="rest", client_options={"api_endpoint": loopback.endpoint}) for kind in _KINDS]


@pytest.fixture(params=[("dataflow_rest", _over_rest), ("dataflow_grpc", _over_grpc)], ids=["rest", "grpc"])
def clients(request: pytest.FixtureRequest) -> Clients:
    name, make = request.param
    loopback = request.getfixturevalue(name)
    connect: Callable[[LoopbackDataflow], list] = make
    return Clients(loopback, *connect(loopback))


def test_a_script_goes_on_with_each_look(clients: Clients) -> None:
    clients.loopback.service.add_job(
        "1",
        Stage("RUNNING", messages=["begun", ("DEBUG", "detail"), ("WARNING", "slow")], counters={ROWS: 5}),
        Stage("DONE", messages=[("ERROR", "ended")], counters={ROWS: [6, 7]}),
    )
    assert clients.get().current_state.name == "JOB_STATE_RUNNING"
    assert clients.texts() == ["begun", "detail", "slow"]
    assert [clients.get().current_state.name for _ in range(2)] == ["JOB_STATE_DONE"] * 2
    assert clients.texts("BASIC") == ["begun", "slow", "ended"]
    assert clients.texts("WARNING") == ["slow", "ended"]
    metrics = clients.metrics.get_job_metrics(api.GetJobMetricsRequest(job_id="1", **WHERE)).metrics
    found = [(m.name.context["step"], "tentative" in m.name.context, m._pb.scalar.number_value) for m in metrics]
    assert found == [("s1", True, 6), ("s1", False, 6), ("s2", True, 7), ("s2", False, 7)]


def test_views_lists_and_pages(clients: Clients) -> None:
    for number in range(5):
        stages = [Stage("DONE")] if number % 2 else [Stage("RUNNING")]
        clients.loopback.service.add_job(str(number), *stages, job=api.Job(labels={"a": "b"}))
        clients.get(str(number))
    assert [job.id for job in clients.jobs.list_jobs(api.ListJobsRequest(**WHERE, page_size=2))] == list("02413")
    active = api.ListJobsRequest(**WHERE, filter=api.ListJobsRequest.Filter.ACTIVE)
    assert [job.id for job in clients.jobs.list_jobs(active)] == list("024")
    assert not clients.get().labels
    assert dict(clients.get(view=api.JobView.JOB_VIEW_ALL).labels) == {"a": "b"}
    assert dict(clients.get(view=api.JobView.JOB_VIEW_DESCRIPTION).labels) == {"a": "b"}


def test_jobs_are_created_once_and_cancelled(clients: Clients) -> None:
    asked = api.CreateJobRequest(job=api.Job(name="a", client_request_id="x"), **WHERE)
    job = clients.jobs.create_job(asked)
    assert clients.jobs.create_job(asked).id == job.id  # asked again after an answer was lost
    with pytest.raises(exceptions.Conflict, match="already an active job named a"):
        clients.jobs.create_job(api.CreateJobRequest(job=api.Job(name="a"), **WHERE))
    cancel = api.UpdateJobRequest(job_id=job.id, job=api.Job(requested_state="JOB_STATE_CANCELLED"), **WHERE)
    assert clients.jobs.update_job(cancel).current_state.name == "JOB_STATE_CANCELLING"
    assert clients.get(job.id).current_state.name == "JOB_STATE_CANCELLED"
    with pytest.raises(exceptions.BadRequest, match="cancel not allowed"):
        clients.jobs.update_job(cancel)


def test_failures_on_request(clients: Clients) -> None:
    service = clients.loopback.service
    service.add_job("1", Stage("RUNNING"))
    service.fail("get_job", exceptions.ServiceUnavailable("later"), times=2)
    service.fail("*", exceptions.TooManyRequests("quota"))
    for expected in (exceptions.ServiceUnavailable, exceptions.ServiceUnavailable, exceptions.TooManyRequests):
        with pytest.raises(expected):
            clients.get()
    service.fail("get_job", DroppedConnectionError())
    with pytest.raises(Exception, match=r"Socket closed|without response|Connection aborted"):
        clients.get()
    assert clients.get().current_state.name == "JOB_STATE_RUNNING"
    with pytest.raises(exceptions.NotFound, match="job 2 could not be found"):
        clients.get("2")


def test_unknown_fields_are_refused(dataflow_rest: LoopbackDataflow) -> None:
    import urllib.error
    import urllib.request

    url = f"{dataflow_rest.endpoint}/v1b3/projects/project/locations/us-central1/jobs"
    request = urllib.request.Request(url, b'{"nmae": "a"}', {"Authorization": "Bearer t"}, method="POST")
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request)
    assert refused.value.code == 400
    assert b"nmae" in refused.value.read()


def test_a_new_token_for_an_expired_one(dataflow_rest: LoopbackDataflow) -> None:
    clients = Clients(dataflow_rest, *_over_rest(dataflow_rest))
    dataflow_rest.service.add_job("1", Stage("RUNNING"))
    dataflow_rest.service.fail("get_job", exceptions.Unauthenticated("expired"))
    assert clients.get().current_state.name == "JOB_STATE_RUNNING"
    assert dataflow_rest.service.called("get_job") == 2
