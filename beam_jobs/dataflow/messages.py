"""A job's messages: each one once, ranked by severity, in words for people."""

from __future__ import annotations

import datetime
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from google.cloud import dataflow_v1beta3 as dataflow

from beam_jobs.dataflow.jobs import Jobs
from beam_jobs.failures import cause_of

SEVERITIES = ("debug", "detailed", "basic", "warning", "error")
"""From least to most; the numbers of the API's enumeration are in another order."""

_OVERLAP = datetime.timedelta(minutes=1)
_TRACEBACK = "Traceback (most recent call last)"
_ID = re.compile(r"\([0-9a-f]{16}\): ")


@dataclass(frozen=True)
class Message:
    """One message; `severity` is one of SEVERITIES."""

    time: datetime.datetime
    severity: str
    text: str

    def at_least(self, severity: str) -> bool:
        """Whether it is that severe."""
        return SEVERITIES.index(self.severity) >= SEVERITIES.index(severity)

    def brief(self) -> str:
        """One line: our own error's message, the last line of a traceback, or the first line of another text."""
        ours = cause_of(RuntimeError(self.text))
        if ours is not None:
            return " ".join(str(ours).split())
        lines = [line.strip() for line in self.text.splitlines() if line.strip()] or [""]
        return _ID.sub("", lines[-1] if _TRACEBACK in self.text else lines[0])


class Inbox:
    """Gives a job's messages from a severity on, each one once.

    Messages may arrive late, so each call asks for the last minute again, and leaves out what it gave.
    """

    def __init__(self, jobs: Jobs, job_id: str, lowest: str) -> None:
        self._jobs, self._job_id = jobs, job_id
        self._lowest = dataflow.JobMessageImportance[f"JOB_MESSAGE_{lowest.upper()}"]
        self._given: dict[tuple[str, datetime.datetime, str], datetime.datetime] = {}
        self._newest: datetime.datetime | None = None

    def fetch(self) -> list[Message]:
        """What is new, oldest first. One call of the service, and one more for each further page."""
        since = self._newest - _OVERLAP if self._newest else None
        new = []
        for each in self._jobs.messages(self._job_id, self._lowest, since):
            key = (each.id, each.time, each.message_text)
            if key not in self._given:
                self._given[key] = each.time
                new.append(Message(each.time, _severity(each.message_importance), each.message_text))
        self._newest = max(self._given.values(), default=None)
        if self._newest:
            self._given = {key: time for key, time in self._given.items() if time >= self._newest - _OVERLAP}
        return sorted(new, key=lambda message: message.time)


def why_failed(messages: Sequence[Message]) -> str | None:
    """The message of a failed job that says most: an error of ours, else of a worker, else the service's last."""
    errors = [message for message in messages if message.severity == "error"]
    for error in errors:
        ours = cause_of(RuntimeError(error.text))
        if ours is not None:
            return str(ours)
    of_workers = [error for error in errors if _TRACEBACK in error.text]
    return (of_workers or errors)[-1].brief() if errors else None


def _severity(importance: Any) -> str:
    name = dataflow.JobMessageImportance(importance).name.removeprefix("JOB_MESSAGE_").lower()
    return name if name in SEVERITIES else "basic"
