"""`presample dataflow`: one subcommand a task. What a task needs is imported when it is asked for."""

from __future__ import annotations

import argparse
import difflib
import importlib
import sys
from collections.abc import Sequence

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
    if not arguments or arguments[0] in ("-h", "--help"):
        _parser().print_help()
        return 0 if arguments else 2
    name = arguments[0]
    if name not in COMMANDS:
        near = difflib.get_close_matches(name, COMMANDS, 1)
        hint = f" Did you mean {near[0]}?" if near else ""
        print(
            f"presample: unknown command {'dataflow ' + name!r}.{hint} The commands are {', '.join(COMMANDS)}.",
            file=sys.stderr,
        )
        return 2
    return int(importlib.import_module(COMMANDS[name][0]).main(arguments[1:]))


def _parser() -> argparse.ArgumentParser:
    lines = "\n".join(f"  {name:10}{what}" for name, (_, what) in COMMANDS.items())
    return argparse.ArgumentParser(
        prog="presample dataflow",
        usage="presample dataflow COMMAND ... (presample dataflow COMMAND --help says more)",
        description=f"Jobs on Google Cloud Dataflow.\n\ncommands:\n{lines}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
