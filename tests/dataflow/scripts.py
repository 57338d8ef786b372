"""What a job shows to those who watch it, written down beforehand.

    service.add_job(
        "2026-01-01_00_00_00-1",
        Stage("RUNNING", messages=["2 workers have started"], counters={("presample.profile", "rows_read"): 10}),
        Stage("DONE", counters={("presample.profile", "rows_read"): 20}),
    )

The first GetJob shows the first stage, each further one the next, and the last stage stays. So it is
the client's own polling that lets a scripted job go on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from google.cloud import dataflow_v1beta3 as api

Counter = tuple[str, str]
"""Namespace and name."""

SEVERITIES = ("DEBUG", "DETAILED", "BASIC", "WARNING", "ERROR")
"""From least to most. The numbers of the API's enumeration are in another order."""


@dataclass(frozen=True)
class Stage:
    """What a job shows from one GetJob to the next.

    Args:
      state: without JOB_STATE_: PENDING, RUNNING, DONE, FAILED, CANCELLED ...
      messages: come with this stage, those of earlier stages remain. A text is a BASIC message; (severity, text)
        any other.
      counters: (namespace, name) -> value, instead of those of earlier stages; None leaves them. A sequence of values
        is the counter of that many steps.
      more: other metrics, like those of the service itself.
    """

    state: str
    messages: Sequence[str | tuple[str, str]] = ()
    counters: Mapping[Counter, int | Sequence[int]] | None = None
    more: Sequence[api.MetricUpdate] = field(default=())

    @property
    def job_state(self) -> api.JobState:
        return api.JobState[f"JOB_STATE_{self.state}"]

    def texts(self) -> list[tuple[str, str]]:
        """(severity, text) of each message."""
        return [("BASIC", each) if isinstance(each, str) else each for each in self.messages]

    def metrics(self) -> list[api.MetricUpdate] | None:
        """All counters as the service gives them; None where the earlier ones stay."""
        if self.counters is None and not self.more:
            return None
        found = list(self.more)
        for (namespace, name), values in (self.counters or {}).items():
            for step, value in enumerate([values] if isinstance(values, int) else values):
                found += counter(namespace, name, value, f"s{step + 1}")
        return found


def counter(namespace: str, name: str, value: int, step: str = "s1") -> list[api.MetricUpdate]:
    """A counter of the user's code: first its tentative value, then the committed one."""
    found = []
    for context in ({"tentative": "true"}, {}):
        origin = api.MetricStructuredName(
            origin="user", name=name, context={"namespace": namespace, "step": step, **context}
        )
        found.append(api.MetricUpdate(name=origin))
        found[-1]._pb.scalar.number_value = value
    return found


DONE = (Stage("RUNNING"), Stage("DONE"))
"""A job that does nothing, and succeeds."""


def failed(text: str) -> tuple[Stage, ...]:
    """A job that fails with the text, as a worker's error comes back."""
    return (
        Stage("RUNNING"),
        Stage("FAILED", messages=[("ERROR", text), ("ERROR", "Workflow failed. Causes: a work item failed 4 times.")]),
    )
