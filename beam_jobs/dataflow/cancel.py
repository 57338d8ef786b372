"""`presample dataflow cancel JOB_ID ...`: ends jobs, and waits until they have ended."""

from __future__ import annotations

import argparse
import sys
import threading
from collections.abc import Sequence
from typing import Any

from google.api_core import exceptions

from beam_jobs.dataflow.exits import INTERRUPTED, fail
from beam_jobs.dataflow.explained import explained
from beam_jobs.dataflow.jobs import Jobs, checked_job_id
from beam_jobs.dataflow.place import add_place_flags
from beam_jobs.dataflow.progress import ENDED, About, state_of
from beam_jobs.dataflow.seconds import seconds
from beam_jobs.parser import Parser
from tfrecord_io.errors import PresampleError

_INTERVAL = 3.0
_CANCELLED = "CANCELLED"


def main(argv: Sequence[str] | None = None) -> int:
    """Returns 0 if all are cancelled, 1 if one ended otherwise, 2 if one is not there, 130 after Ctrl-C."""
    try:
        arguments = _parser().parse_args(argv)
        with explained(arguments.project, arguments.region):
            job_ids = [checked_job_id(each) for each in dict.fromkeys(arguments.job_ids)]
            jobs = Jobs.of(arguments, pause=min(1.0, arguments.interval))
        asked = {job_id: _ask(jobs, job_id) for job_id in _present(jobs, job_ids)}
        return max(_wait(jobs, job_id, job, arguments.interval) for job_id, job in asked.items())
    except PresampleError as error:
        return fail(error)
    except KeyboardInterrupt:
        print("\nNo longer waiting. What was asked for stands: `presample dataflow list` shows it.", file=sys.stderr)
        return INTERRUPTED


def _present(jobs: Jobs, job_ids: list[str]) -> list[str]:
    """All of them, or none is asked for.

    Raises:
      UsageError: one is not there.
    """
    for job_id in job_ids:
        with explained(jobs.place.project, jobs.place.region, job_id):
            jobs.get(job_id)
    return job_ids


def _ask(jobs: Jobs, job_id: str) -> Any:
    """Asks for the end of a job that runs. Returns the Job as it was before."""
    with explained(jobs.place.project, jobs.place.region, job_id):
        job = jobs.get(job_id, whole=True)
        if state_of(job) in ENDED:
            return job
        try:
            jobs.cancel(job_id)
        except exceptions.BadRequest:
            if state_of(jobs.get(job_id)) not in ENDED:  # it may have ended just now
                raise
        else:
            print(f"{job_id} is asked to end; that may take some minutes.", flush=True)
    return job


def _wait(jobs: Jobs, job_id: str, job: Any, interval: float) -> int:
    before = state_of(job)
    if before in ENDED:
        print(f"{job_id} had ended before: {before}.", file=sys.stdout if before == _CANCELLED else sys.stderr)
        return 0 if before == _CANCELLED else 1
    pause = threading.Event()
    with explained(jobs.place.project, jobs.place.region, job_id):
        state = state_of(jobs.get(job_id))
        while state not in ENDED:
            pause.wait(interval)
            state = state_of(jobs.get(job_id))
    if state != _CANCELLED:
        print(f"presample: {job_id} was not cancelled: it ended as {state}.", file=sys.stderr)
        return 1
    print(f"{job_id} is cancelled.")
    output = About.of(job).output
    if output:
        print(f"presample clean {output} removes what it left.")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="presample dataflow cancel",
        description="Ends jobs, and waits until they have ended. Exit code: 0 cancelled, 1 one ended otherwise.",
        allow_abbrev=False,
    )
    parser.add_argument("job_ids", nargs="+", metavar="JOB_ID", help="`presample dataflow list --active` shows them")
    add_place_flags(parser)
    parser.add_argument(
        "--interval", type=seconds, default=_INTERVAL, metavar="SECONDS", help="between polls (default: %(default)g)"
    )
    return parser
