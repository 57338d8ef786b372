"""Dataflow's jobs: read, listed and cancelled, with patience where the service or the network fails for a while."""

from __future__ import annotations

import argparse
import datetime
import re
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import google.auth.exceptions
import requests.exceptions
from google.api_core import client_options, exceptions
from google.api_core.retry import Retry
from google.auth.transport.requests import Request
from google.cloud import dataflow_v1beta3 as dataflow

from beam_jobs.dataflow.credentials import credentials_and_project
from beam_jobs.dataflow.place import Place, checked_region
from tfrecord_io.errors import UsageError

Answer = TypeVar("Answer")

PATIENCE = 60.0
"""Seconds for which a call is tried again."""

_CALL_SECONDS = 30.0
_LONGEST_PAUSE = 30.0
_TRANSIENT = (
    exceptions.TooManyRequests,
    exceptions.InternalServerError,
    exceptions.BadGateway,
    exceptions.ServiceUnavailable,
    exceptions.GatewayTimeout,
    requests.exceptions.ConnectionError,
    requests.exceptions.Timeout,
    requests.exceptions.ChunkedEncodingError,
    google.auth.exceptions.TransportError,
)


class Jobs:
    """The jobs of one project and region.

    Every method may raise what the client library raises: call it inside `explained`. What passes
    (429, 5xx, dropped connections) is tried again for `patience` seconds, with growing pauses that
    begin at `pause`; `on_trouble` hears of an outage once when it begins, with the error, and once
    when it is over, with None.
    """

    def __init__(self, place: Place, credentials: Any, *, patience: float = PATIENCE, pause: float = 1.0) -> None:
        self.place = place
        self.patience = patience
        self.on_trouble: Callable[[Exception | None], None] = lambda _: None
        self._pause = max(pause, 0.01)
        self._credentials = credentials
        transport, options = address_of(place.endpoint)
        common = {"credentials": credentials, "client_options": options, "transport": transport}
        self._jobs = dataflow.JobsV1Beta3Client(**common)
        self._messages = dataflow.MessagesV1Beta3Client(**common)
        self._metrics = dataflow.MetricsV1Beta3Client(**common)

    @classmethod
    def of(cls, arguments: argparse.Namespace, *, pause: float = 1.0) -> Jobs:
        """From the flags of `add_place_flags`.

        Raises:
          UsageError: a flag is missing or wrong.
        """
        region = checked_region(arguments.region)
        credentials, project = credentials_and_project(arguments.project)
        return cls(Place(project, region, arguments.dataflow_endpoint), credentials, pause=pause)

    def get(self, job_id: str, *, described: bool = False, whole: bool = False) -> Any:
        """A Job; `described` with its labels, `whole` with its options too, which cost the service more."""
        views = dataflow.JobView
        view = views.JOB_VIEW_ALL if whole else views.JOB_VIEW_DESCRIPTION if described else views.JOB_VIEW_SUMMARY
        return self._call(self._jobs.get_job, dataflow.GetJobRequest(job_id=job_id, view=view, **self._where()))

    def messages(self, job_id: str, lowest: Any, since: datetime.datetime | None) -> list[Any]:
        """JobMessages of importance `lowest` and above, oldest first, from a time on."""
        request = dataflow.ListJobMessagesRequest(
            job_id=job_id, minimum_importance=lowest, start_time=since, **self._where()
        )
        return self._call(lambda _, **timeout: list(self._messages.list_job_messages(request, **timeout)), None)

    def metrics(self, job_id: str) -> Any:
        """The JobMetrics as of now."""
        request = dataflow.GetJobMetricsRequest(job_id=job_id, **self._where())
        return self._call(self._metrics.get_job_metrics, request)

    def listed(self, *, active: bool = False) -> Iterator[Any]:
        """Jobs without their options: first those that run, then those that have ended; page by page."""
        kinds = dataflow.ListJobsRequest.Filter
        request = dataflow.ListJobsRequest(filter=kinds.ACTIVE if active else kinds.ALL, **self._where())
        while True:
            page = self._call(lambda each, **timeout: next(self._jobs.list_jobs(each, **timeout).pages), request)
            yield from page.jobs
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    def cancel(self, job_id: str) -> None:
        """Asks for the end of a job; it takes a while.

        Raises:
          google.api_core.exceptions.BadRequest: the job has ended already, among others.
        """
        wanted = dataflow.Job(requested_state=dataflow.JobState.JOB_STATE_CANCELLED)
        self._call(self._jobs.update_job, dataflow.UpdateJobRequest(job_id=job_id, job=wanted, **self._where()))

    def _where(self) -> dict[str, str]:
        return {"project_id": self.place.project, "location": self.place.region}

    def _call(self, method: Callable[..., Answer], request: Any) -> Answer:
        troubled: list[Exception] = []

        def trouble(error: Exception) -> None:
            if not troubled:
                self.on_trouble(error)
            troubled.append(error)

        again = Retry(
            predicate=_is_transient,
            initial=self._pause,
            maximum=_LONGEST_PAUSE,
            timeout=self.patience,
            on_error=trouble,
        )
        answer = again(self._attempt)(method, request)
        if troubled:
            self.on_trouble(None)
        return answer

    def _attempt(self, method: Callable[..., Answer], request: Any) -> Answer:
        """One call with a token that is valid, as far as both sides can tell."""
        if not self._credentials.valid:
            self._credentials.refresh(Request())
        try:
            return method(request, timeout=_CALL_SECONDS)
        except exceptions.Unauthorized:  # the service deems it expired: clocks differ
            self._credentials.refresh(Request())
            return method(request, timeout=_CALL_SECONDS)


def checked_job_id(text: str) -> str:
    """The id itself.

    Raises:
      UsageError: it cannot be one, like a job's name or address.
    """
    if not re.fullmatch(r"[0-9][A-Za-z0-9_:-]+", text):
        raise UsageError(
            f"{text!r} is no job id. They look like 2026-01-31_07_00_00-1234567890123456789; "
            "`presample dataflow list` shows those that there are, beside the jobs' names."
        )
    return text


def _is_transient(error: Exception) -> bool:
    passing = isinstance(error, google.auth.exceptions.GoogleAuthError) and error.retryable
    return passing or isinstance(error, _TRANSIENT)


def address_of(endpoint: str | None) -> tuple[str | None, client_options.ClientOptions | None]:
    """Transport and options for an endpoint, chosen as Beam's runner does."""
    address = (endpoint or "").strip().rstrip("/")
    if not address:
        return None, None
    if "localhost" in address or "sandbox" in address:
        return "rest", client_options.ClientOptions(api_endpoint=address)
    return None, client_options.ClientOptions(api_endpoint=re.sub("^https?://", "", address))
