"""`presample dataflow`: one subcommand a task. What a task needs is imported when it is asked for."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence

from presample.subcommands import choose

COMMANDS = {
    "launch": ("beam_jobs.dataflow.launch", "start a job, and say how to watch it"),
    "watch": ("beam_jobs.dataflow.watch", "follow a job to its end"),
    "cancel": ("beam_jobs.dataflow.cancel", "end a job, and wait until it has ended"),
    "list": ("beam_jobs.dataflow.listing", "the jobs of a project and region"),
    "template": ("beam_jobs.dataflow.template", "write what a Flex Template needs"),
}
"""Name -> module with a `main(argv)`, and what it does."""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one subcommand.

    Returns:
      0 done; 1 the job or the service failed; 2 the command line is wrong; 130 interrupted.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    commands = {name: what for name, (_, what) in COMMANDS.items()}
    chosen = choose("presample dataflow", "Jobs on Google Cloud Dataflow.", commands, arguments)
    if isinstance(chosen, int):
        return chosen
    return int(importlib.import_module(COMMANDS[chosen][0]).main(arguments[1:]))
