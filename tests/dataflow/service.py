"""Dataflow's service as its clients see it: jobs, their states, messages and metrics. REST and gRPC are fronts of it.

Methods take and give the client library's own requests and answers, and raise the errors of
`google.api_core.exceptions` that the client is to see. A job follows a script (`add_job`, `scripted`), or is
run from what was staged (`runs`). `fail` lets the next calls of a method fail.
"""

from __future__ import annotations

import datetime
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import grpc
from google.api_core import exceptions
from google.cloud import dataflow_v1beta3 as api

from tests.dataflow.scripts import DONE, SEVERITIES, Stage

PROJECT = "project"
REGION = "us-central1"
TERMINAL = ("DONE", "FAILED", "CANCELLED", "UPDATED", "DRAINED")
_PAGE = 100
_SUMMARY = ("id", "project_id", "name", "type_", "current_state", "current_state_time", "create_time", "location")
_RANKS = {0: 0, **{int(api.JobMessageImportance[f"JOB_MESSAGE_{name}"]): i for i, name in enumerate(SEVERITIES)}}


class DroppedConnectionError(Exception):
    """Not an answer: the connection ends."""


def status_of(error: exceptions.GoogleAPICallError) -> grpc.StatusCode:
    """The code that an error has in gRPC, and as `status` in REST."""
    known = {400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 429: "RESOURCE_EXHAUSTED"}
    return error.grpc_status_code or grpc.StatusCode[known.get(error.code, "UNKNOWN")]


@dataclass
class Record:
    """A job and what it has shown so far."""

    job: api.Job
    script: list[Stage] = field(default_factory=list)
    messages: list[api.JobMessage] = field(default_factory=list)
    metrics: list[api.MetricUpdate] = field(default_factory=list)
    cancelled: threading.Event = field(default_factory=threading.Event)

    @property
    def state(self) -> str:
        return self.job.current_state.name.removeprefix("JOB_STATE_")

    def show(self, stage: Stage) -> None:
        """Moves to a stage. A job that has ended stays as it is."""
        if self.state in TERMINAL:
            return
        for severity, text in stage.texts():
            self.say(severity, text)
        metrics = stage.metrics()
        self.metrics = self.metrics if metrics is None else metrics
        self.job.current_state = stage.job_state
        self.job.current_state_time = _now()

    def say(self, severity: str, text: str) -> None:
        importance = api.JobMessageImportance[f"JOB_MESSAGE_{severity}"]
        number = f"m{len(self.messages):05d}"
        self.messages.append(api.JobMessage(id=number, time=_now(), message_text=text, message_importance=importance))


class DataflowService:
    """The jobs of all projects and regions, and what its clients asked."""

    def __init__(self) -> None:
        self.records: dict[str, Record] = {}
        self.calls: list[str] = []
        self.scripted: Sequence[Stage] = DONE
        """What jobs that are created go through."""
        self.runs: Callable[[Record], None] | None = None
        """Runs jobs that are created, in a thread of their own, instead of the script."""
        self.flex_launches: list[api.LaunchFlexTemplateRequest] = []
        self._faults: list[tuple[str, Exception]] = []
        self._lock = threading.RLock()

    def add_job(self, job_id: str, *stages: Stage, name: str = "presample-job", job: api.Job | None = None) -> Record:
        """A job that was started by somebody else, and follows a script.

        Args:
          job: its labels, environment and all else that GetJob is to give.
        """
        job = api.Job(job or {})
        job.id, job.name = job_id, job.name or name
        job.project_id, job.location = job.project_id or PROJECT, job.location or REGION
        record = self._add(job)
        record.script = list(stages or DONE)
        return record

    def fail(self, method: str, error: Exception, times: int = 1) -> None:
        """Lets the next calls fail: `method` is like "create_job", or "*" for any."""
        self._faults += [(method, error)] * times

    def called(self, method: str) -> int:
        """How often a method was called, failures included."""
        return self.calls.count(method)

    def before(self, method: str) -> None:
        """The fronts call it first: notes the call, and fails it if that was asked for."""
        with self._lock:
            self.calls.append(method)
            for index, (name, error) in enumerate(self._faults):
                if name in (method, "*"):
                    del self._faults[index]
                    raise error

    def create_job(self, request: api.CreateJobRequest) -> api.Job:
        job = api.Job(request.job)
        with self._lock:
            for record in self.records.values():
                if record.job.client_request_id and record.job.client_request_id == job.client_request_id:
                    return record.job  # asked again
                if record.job.name == job.name and record.state not in TERMINAL:
                    raise exceptions.AlreadyExists(
                        f"(0123456789abcdef): The workflow could not be created. Causes: (0123456789abcdef): There is "
                        f"already an active job named {job.name}. If you want to submit a second job, try again by "
                        "setting a different name."
                    )
            job.id = f"{_now():%Y-%m-%d_%H_%M_%S}-{len(self.records) + 1:019d}"
            job.project_id, job.location = request.project_id, request.location
            record = self._add(job)
        if self.runs is None:
            record.script = list(self.scripted)
        else:
            threading.Thread(target=self.runs, args=(record,), daemon=True).start()
        return record.job

    def get_job(self, request: api.GetJobRequest) -> api.Job:
        with self._lock:
            record = self._record(request)
            if record.cancelled.is_set() and self.runs is None:
                record.show(Stage("CANCELLED"))
            elif record.script:
                record.show(record.script.pop(0))
            return record.job if request.view == api.JobView.JOB_VIEW_ALL else _summary(record.job, request.view)

    def list_jobs(self, request: api.ListJobsRequest) -> api.ListJobsResponse:
        """Summaries, which hold no labels, as the reference has it."""
        kind = api.ListJobsRequest.Filter(request.filter).name
        here = [
            record.job
            for record in self.records.values()
            if record.job.project_id == request.project_id
            and (not request.location or record.job.location == request.location)
            and (not request.name or record.job.name == request.name)
            and (kind != "ACTIVE" or record.state not in TERMINAL)
            and (kind != "TERMINATED" or record.state in TERMINAL)
        ]
        here.sort(key=lambda job: self.records[job.id].state in TERMINAL)
        page, following = _page(here, request)
        return api.ListJobsResponse(jobs=[_summary(job) for job in page], next_page_token=following)

    def update_job(self, request: api.UpdateJobRequest) -> api.Job:
        """Cancels; nothing else can be asked for."""
        with self._lock:
            record = self._record(request)
            if request.job.requested_state != api.JobState.JOB_STATE_CANCELLED:
                raise exceptions.InvalidArgument("(0123456789abcdef): only JOB_STATE_CANCELLED may be requested here.")
            if record.state in TERMINAL:
                raise exceptions.FailedPrecondition(
                    "(0123456789abcdef): Workflow modification failed. Causes: (0123456789abcdef): Operation cancel "
                    f"not allowed for job {record.job.id}. Job is already in a terminal state."
                )
            record.job.requested_state = request.job.requested_state
            record.show(Stage("CANCELLING", messages=["Cancel request is committed for workflow job."]))
            record.script.clear()
            record.cancelled.set()
            return record.job

    def list_job_messages(self, request: api.ListJobMessagesRequest) -> api.ListJobMessagesResponse:
        least = _RANKS[int(request.minimum_importance)]
        found = [each for each in self._record(request).messages if _RANKS[int(each.message_importance)] >= least]
        if request.start_time:
            found = [each for each in found if each.time >= request.start_time]
        page, following = _page(found, request)
        return api.ListJobMessagesResponse(job_messages=page, next_page_token=following)

    def get_job_metrics(self, request: api.GetJobMetricsRequest) -> api.JobMetrics:
        return api.JobMetrics(metrics=self._record(request).metrics, metric_time=_now())

    def launch_flex_template(self, request: api.LaunchFlexTemplateRequest) -> api.LaunchFlexTemplateResponse:
        self.flex_launches.append(request)
        if request.validate_only:
            return api.LaunchFlexTemplateResponse()
        job = api.Job(name=request.launch_parameter.job_name, type_=api.JobType.JOB_TYPE_BATCH)
        asked = api.CreateJobRequest(project_id=request.project_id, location=request.location, job=job)
        return api.LaunchFlexTemplateResponse(job=self.create_job(asked))

    def _add(self, job: api.Job) -> Record:
        job.create_time = _now()
        record = self.records[job.id] = Record(job)
        record.show(Stage("PENDING"))
        return record

    def _record(self, request: object) -> Record:
        record = self.records.get(request.job_id)
        if record is None or record.job.project_id != request.project_id or record.job.location != request.location:
            raise exceptions.NotFound(
                f"(0123456789abcdef): Information about job {request.job_id} could not be found in our system. Please "
                "double check the id is correct. If it is please contact customer support."
            )
        return record


def _summary(job: api.Job, view: api.JobView = api.JobView.JOB_VIEW_SUMMARY) -> api.Job:
    described = ("labels",) if view == api.JobView.JOB_VIEW_DESCRIPTION else ()
    return api.Job({name: getattr(job, name) for name in (*_SUMMARY, *described)})


def _page(items: list, request: object) -> tuple[list, str]:
    start = int(request.page_token or 0)
    end = start + (request.page_size or _PAGE)
    return items[start:end], str(end) if end < len(items) else ""


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.timezone.utc)
