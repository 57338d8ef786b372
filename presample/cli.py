"""The command `presample`: one subcommand a task. What a task needs is imported when it is asked for."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence

from presample import __version__
from presample.subcommands import choose

COMMANDS = {
    "run": ("beam_jobs.command", "beam", "sample files into a dataset"),
    "inspect": ("presample.inspection", None, "say what a dataset holds, per split and class"),
    "verify": ("presample.verification", None, "check every byte of a dataset against its manifest"),
    "clean": ("presample.cleaning", None, "remove what a dataset's manifest does not name"),
    "dataflow": ("presample.dataflow", "gcp", "start, watch, cancel and list jobs on Google Cloud Dataflow"),
    "demo": ("presample.demo", "demo", "the whole way on a real data set"),
}
"""Name -> module with a `main(argv)`, the extra it needs, and what it does."""

READER_GONE = 141


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one subcommand.

    Args:
      argv: the arguments; those of the process if None.

    Returns:
      0 done; 1 the data or the check failed; 2 the command line is wrong; 130 interrupted; 141 whoever read the
      output has gone, as `head` does (what a shell says of programs that SIGPIPE ends).
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments[:1] == ["--version"]:
        print(f"presample {__version__}")
        return 0
    commands = {name: what for name, (_, _, what) in COMMANDS.items()}
    chosen = choose("presample", "Imbalanced data, sampled once and right.", commands, arguments)
    return chosen if isinstance(chosen, int) else _dispatch(chosen, arguments[1:], supervised=argv is None)


def _dispatch(name: str, arguments: Sequence[str], supervised: bool) -> int:
    module, extra, _ = COMMANDS[name]
    try:
        command = importlib.import_module(module)
        if name == "run" and supervised:
            return int(command.main_supervised(arguments))
        code = int(command.main(arguments))
        sys.stdout.flush()  # while a reader that has gone is no traceback yet
        return code
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for what Python still flushes at its end
        return READER_GONE
    except ModuleNotFoundError as error:
        if extra is None or (error.name or "").split(".")[0] in (
            "presample",
            "beam_jobs",
            "tfrecord_io",
            "input_fns",
        ):
            raise
        print(
            f"presample: `presample {name}` needs the package {error.name}, which is not installed. "
            f"Install it with: pip install 'presample[{extra}]'",
            file=sys.stderr,
        )
        return 2
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
