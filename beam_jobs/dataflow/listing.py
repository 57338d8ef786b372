"""`presample dataflow list`: the jobs of a project and region."""

from __future__ import annotations

import argparse
import itertools
import json
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from beam_jobs.dataflow.exits import INTERRUPTED, fail
from beam_jobs.dataflow.explained import explained
from beam_jobs.dataflow.jobs import Jobs
from beam_jobs.dataflow.place import add_place_flags
from beam_jobs.dataflow.progress import state_of, version_of
from beam_jobs.dataflow.words import moment
from beam_jobs.parser import Parser
from tfrecord_io.errors import PresampleError

_LIMIT = 100
_CALLS_AT_ONCE = 8
_WIDE = 1000
"""Columns to have room in: names are shown whole, a narrow terminal breaks the lines."""


def main(argv: Sequence[str] | None = None) -> int:
    """Prints a table, or with --json a line for each job. Returns 0; 1 if the service fails; 2 on wrong flags."""
    try:
        arguments = _parser().parse_args(argv)
        with explained(arguments.project, arguments.region):
            jobs = Jobs.of(arguments)
        with explained(jobs.place.project, jobs.place.region):
            listed = jobs.listed(active=arguments.active)
            looked_at = list(itertools.islice(listed, arguments.limit))
            more = next(listed, None) is not None
            found = list(_described(jobs, looked_at))
    except PresampleError as error:
        return fail(error)
    except KeyboardInterrupt:
        return INTERRUPTED
    shown = [each for each in found if arguments.all or each["presample"]]
    _show(shown, arguments.json)
    if more:
        print(f"There are more: --limit N looks at more than the first {arguments.limit:,}.", file=sys.stderr)
    elif not shown and not arguments.json:
        hidden = f" ({len(found):,} of others: --all)" if found else ""
        print(f"No jobs in project {jobs.place.project}, region {jobs.place.region}{hidden}.", file=sys.stderr)
    return 0


def _described(jobs: Jobs, listed: list[Any]) -> Iterator[dict[str, str | None]]:
    """Listings hold no labels, so each job is asked for its own: one call each, several at a time."""

    def describe(job: Any) -> dict[str, str | None]:
        version = version_of(job if job.labels else jobs.get(job.id, described=True))
        return {
            "id": job.id,
            "name": job.name,
            "state": state_of(job),
            "created": moment(job.create_time) if job.create_time else None,
            "presample": version,
        }

    with ThreadPoolExecutor(_CALLS_AT_ONCE) as pool:
        yield from pool.map(describe, listed)


def _show(found: list[dict[str, str | None]], as_json: bool) -> None:
    if as_json:
        for each in found:
            print(json.dumps(each, ensure_ascii=False))
    elif found:
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        for name in found[0]:
            table.add_column(name, no_wrap=True)
        for each in found:
            table.add_row(*(Text(value or "") for value in each.values()))
        console = Console(highlight=False, width=_WIDE)
        with console.capture() as text:  # printed by us: rich would take a reader that has gone for a failure
            console.print(table, soft_wrap=True)
        print(text.get(), end="")


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="presample dataflow list",
        description="The jobs that presample started, those that run first.",
        allow_abbrev=False,
    )
    add_place_flags(parser)
    parser.add_argument("--active", action="store_true", help="only jobs that have not ended")
    parser.add_argument("--all", action="store_true", help="jobs of others too")
    parser.add_argument(
        "--limit", type=_positive, default=_LIMIT, metavar="N", help="look at so many jobs (default: %(default)s)"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object a line, for scripts")
    return parser


def _positive(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of jobs")
    return int(text)
