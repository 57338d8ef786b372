"""`presample dataflow watch JOB_ID`: follows a job to its end; the exit code is the job's fate."""

from __future__ import annotations

import argparse
import sys
import threading
from collections import deque
from collections.abc import Sequence

from rich.console import Console

from beam_jobs.dataflow.counters import counters_of
from beam_jobs.dataflow.exits import FAILED, INTERRUPTED, fail
from beam_jobs.dataflow.explained import explained
from beam_jobs.dataflow.jobs import Jobs, checked_job_id
from beam_jobs.dataflow.messages import SEVERITIES, Inbox, Message, why_failed
from beam_jobs.dataflow.place import add_place_flags
from beam_jobs.dataflow.progress import Snapshot, Tracker, state_of
from beam_jobs.dataflow.seconds import seconds
from beam_jobs.dataflow.view import JsonView, LinesView, LiveView, View
from beam_jobs.parser import Parser
from tfrecord_io.cloud_errors import said
from tfrecord_io.errors import PresampleError

DONE = 0
INTERVAL = 5.0
"""Seconds between polls."""

_PATIENCE = 900.0
"""Seconds for which a job that was seen is watched on while the service does not answer."""

_LATE_POLLS = 5
"""How often a failed job is asked again for its error message, which may come after its state."""

_MOST_ERRORS = 200


def main(argv: Sequence[str] | None = None) -> int:
    """Returns 0 if the job is done, 1 if it failed or was cancelled, 2 if it is not there, 130 after Ctrl-C."""
    try:
        arguments = _parser().parse_args(argv)
        checked_job_id(arguments.job_id)
        with explained(arguments.project, arguments.region):
            jobs = Jobs.of(arguments, pause=min(1.0, arguments.interval))
        return follow(
            jobs,
            arguments.job_id,
            interval=arguments.interval,
            lowest=arguments.messages,
            as_json=arguments.json,
        )
    except PresampleError as error:
        return fail(error)
    except KeyboardInterrupt:
        return INTERRUPTED


def follow(
    jobs: Jobs, job_id: str, *, interval: float = INTERVAL, lowest: str = "warning", as_json: bool = False
) -> int:
    """Shows a job until it ends.

    Args:
      jobs: of the job's project and region.
      job_id: the job.
      interval: seconds between polls; each is three calls of the service.
      lowest: the least severe messages that are shown.
      as_json: JSON lines; else a live view if stdout is a terminal, and plain lines if it is none.

    Returns:
      0 done; 1 failed or cancelled; 130 after a KeyboardInterrupt, which leaves the job alone.

    Raises:
      UsageError: there is no such job.
      ServiceError: the service refuses, or could not be reached for a minute at first, or 15 later.
    """
    console = Console()
    view: View = JsonView() if as_json else LiveView(console) if console.is_terminal else LinesView()
    watcher = _Watcher(jobs, job_id, view, lowest)
    try:
        with explained(jobs.place.project, jobs.place.region, job_id), view.shown():
            return watcher.watch(interval)
    except KeyboardInterrupt:
        place = jobs.place.flags()
        print(
            f"\nThe job goes on. Watch it again with: presample dataflow watch {place} {job_id}\n"
            f"or end it with: presample dataflow cancel {place} {job_id}",
            file=sys.stderr,
        )
        return INTERRUPTED


class _Watcher:
    """Polls a job, and shows what it finds."""

    def __init__(self, jobs: Jobs, job_id: str, view: View, lowest: str) -> None:
        self._jobs, self._job_id, self._view, self._lowest = jobs, job_id, view, lowest
        self._tracker = Tracker(job_id)
        # Phases are told at the level `basic`, whatever is shown.
        self._inbox = Inbox(jobs, job_id, min(lowest, "basic", key=SEVERITIES.index))
        self._errors: deque[Message] = deque(maxlen=_MOST_ERRORS)
        self._whole = False

    def watch(self, interval: float) -> int:
        """Until the end. Returns the exit code."""
        self._jobs.on_trouble = self._trouble
        pause = threading.Event()
        seen = self._poll()
        self._jobs.patience = _PATIENCE
        while not seen.ended:
            pause.wait(interval)
            seen = self._poll()
        for _ in range(_LATE_POLLS):
            if seen.state != "FAILED" or self._errors:
                break
            pause.wait(interval)
            seen = self._poll()
        return self._end(seen)

    def _poll(self) -> Snapshot:
        job = self._jobs.get(self._job_id, whole=not self._whole)
        if not self._whole:
            self._tracker.learn(job)
            self._whole = state_of(job) not in ("QUEUED", "PENDING", "STOPPED")  # before, not all of it is known
        messages = self._inbox.fetch()
        counters = counters_of(self._jobs.metrics(self._job_id))
        for message in messages:
            if message.severity == "error":
                self._errors.append(message)
            if message.at_least(self._lowest):
                self._view.message(message)
        seen = self._tracker.snapshot(job, counters, messages)
        self._view.progress(seen)
        return seen

    def _trouble(self, error: Exception | None) -> None:
        if error is None:
            self._view.note("The service answers again.")
        else:
            self._view.note(f"The service does not answer ({said(error)}); still watching, the job goes on.")

    def _end(self, seen: Snapshot) -> int:
        code = DONE if seen.state == "DONE" else FAILED
        error = None if code == DONE else self._why(seen)
        self._view.end(seen, code, error, self._what_next(seen))
        if error is not None:
            print(f"presample: {error}", file=sys.stderr)
        return code

    def _why(self, seen: Snapshot) -> str:
        if seen.state != "FAILED":
            return f"The job was not done: its state is {seen.state}."
        why = why_failed(list(self._errors))
        return why or f"The job failed, and says no more than that. Its log: {self._jobs.place.console(self._job_id)}"

    def _what_next(self, seen: Snapshot) -> list[str]:
        output = seen.about.output
        if seen.state == "DONE":
            return [f"The dataset is in {output}", f"presample inspect {output}"] if output else ["The job is done."]
        lines = [f"The job's page: {self._jobs.place.console(self._job_id)}"]
        if output and seen.phase == "publishing":
            lines.insert(0, f"It ended while publishing; presample inspect {output} says what is there.")
        elif output:
            lines.insert(0, f"Nothing was published. presample clean {output} removes what is left.")
        return lines


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="presample dataflow watch",
        description="Follows a job to its end. The exit code is the job's fate: 0 done, 1 failed or cancelled.",
        allow_abbrev=False,
    )
    parser.add_argument("job_id", metavar="JOB_ID", help="as `launch` printed it; `presample dataflow list` shows it")
    add_place_flags(parser)
    parser.add_argument(
        "--interval", type=seconds, default=INTERVAL, metavar="SECONDS", help="between polls (default: %(default)g)"
    )
    parser.add_argument(
        "--messages", choices=SEVERITIES, default="warning", help="show messages this severe (default: %(default)s)"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object a line, for scripts")
    return parser
