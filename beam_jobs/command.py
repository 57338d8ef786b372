"""`presample run`, which is `python -m beam_jobs.presample`."""

from __future__ import annotations

import argparse
import difflib
import gc
import secrets
import sys
from collections.abc import Sequence
from pathlib import Path

from beam_jobs import console, remarks
from beam_jobs.flags import add_arguments, parse
from beam_jobs.light_import import end_bundles_at_once, hide_unused_libraries
from beam_jobs.options import RUN_PREFIX, PresampleOptions
from beam_jobs.parser import Parser
from beam_jobs.remote_jobs import refuse_incomplete
from beam_jobs.runner_errors import one_message
from beam_jobs.supervise import ASKED_TO_END, INTERRUPTED, supervise
from tfrecord_io.errors import PresampleError, UsageError

DATA_FAILED = 1
USAGE = 2


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command in this process.

    Args:
      argv: the arguments; those of the process if None, and then under `main_supervised`.

    Returns:
      0 done; 1 the data failed; 2 the command line is wrong; 130 interrupted.
    """
    if argv is None:
        return main_supervised(sys.argv[1:])
    options, beam_args, parser = _parse(argv)
    return USAGE if options is None else _work(options, beam_args, parser, None)


def main_supervised(argv: Sequence[str]) -> int:
    """The same in a child process, so that an interruption can clean up after it."""
    options, beam_args, parser = _parse(argv)
    if options is None:
        return USAGE
    run_id = secrets.token_hex(6)
    remote = "://" in options.output
    writes = not options.plan_only
    unfinished = Path(options.output, RUN_PREFIX + run_id) if writes and not remote else None
    output = options.output if writes and remote else None
    return supervise(lambda: _work(options, beam_args, parser, run_id), unfinished, output)


def _parse(argv: Sequence[str]) -> tuple[PresampleOptions | None, list[str], argparse.ArgumentParser]:
    parser = make_parser()
    try:
        return *parse(parser, argv), parser
    except UsageError as error:
        _fail(error, USAGE)
        return None, [], parser


def make_parser(
    prog: str = "presample run",
    description: str = "Counts classes, draws an exact sample of each, and writes weighted TFRecords with a manifest.",
) -> argparse.ArgumentParser:
    """The command's own flags; Beam's are passed on."""
    parser = Parser(
        prog=prog,
        description=description,
        epilog="Other flags go to Beam's PipelineOptions, like --runner or --direct_num_workers.",
        allow_abbrev=False,
    )
    add_arguments(parser)
    return parser


def _work(
    options: PresampleOptions, beam_args: Sequence[str], parser: argparse.ArgumentParser, run_id: str | None
) -> int:
    """Imports Beam, runs, and shows the outcome."""
    if run_id is not None:  # a process of our own
        hide_unused_libraries([*options.input, options.output, *beam_args])
    gc.disable()  # saves a tenth of the time that importing Beam takes
    try:
        with console.quiet(options.verbose):
            from beam_jobs import driver

            if run_id is not None:
                end_bundles_at_once()
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] != "apache_beam":
            raise
        missing = UsageError("`presample run` needs Apache Beam. Install it with: pip install 'presample[beam]'")
        return _fail(missing, USAGE, options.verbose)
    finally:
        gc.enable()
    try:
        check_beam_args(beam_args, parser)
        refuse_incomplete(driver.pipeline_options(beam_args).get_all_options(), options)
        with console.quiet(options.verbose), console.progress_line():
            if options.plan_only:
                planned, cost = driver.plan_and_cost(options, beam_args)
            else:
                manifest = driver.run(options, beam_args, run_id=run_id)
    except UsageError as error:
        return _fail(error, USAGE, options.verbose)
    except PresampleError as error:
        return _fail(error, DATA_FAILED, options.verbose)
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:
        told = one_message(error).with_traceback(error.__traceback__)
        return _fail(told, USAGE if isinstance(told, UsageError) else DATA_FAILED, options.verbose)
    if options.plan_only:
        console.show_plan(planned, cost.lines(), remarks.warnings_of_plan(options, planned))
    else:
        notes, warnings = remarks.notes_on(options, manifest)
        console.show_result(manifest, options.output, warnings, notes)
    return 0


def check_beam_args(beam_args: Sequence[str], parser: argparse.ArgumentParser) -> None:
    """Refuses flags that neither this command nor Beam knows.

    Raises:
      UsageError: names the nearest flag that there is.
    """
    from apache_beam.options.pipeline_options import PipelineOptions

    beam_parser = Parser(prog=parser.prog, add_help=False, allow_abbrev=False)
    for group in {str(cls): cls for cls in PipelineOptions.__subclasses__()}.values():
        group._add_argparse_args(beam_parser)
    known = [flag for p in (parser, beam_parser) for action in p._actions for flag in action.option_strings]
    settings, unknown = beam_parser.parse_known_args(list(beam_args))
    for argument in unknown:
        flag = argument.split("=")[0]
        if not flag.startswith("-"):
            raise UsageError(f"What is {argument!r} for? It follows no flag. Put values with spaces in quotes.")
        near = difflib.get_close_matches(flag, known, 1)
        hint = f" Did you mean {near[0]}?" if near else f" {parser.prog} --help lists the flags."
        raise UsageError(f"Unknown flag {flag}: neither {parser.prog} nor Beam has it.{hint}")
    if settings.runner:
        _check_runner(settings.runner)


def _check_runner(name: str) -> None:
    from apache_beam.runners.runner import create_runner

    try:
        create_runner(name)
    except (AttributeError, ImportError, ValueError) as error:
        raise UsageError(f"--runner {name} cannot be used: {error}") from error


def _fail(error: PresampleError, code: int, verbose: bool = False) -> int:
    if ASKED_TO_END.is_set():  # Beam turns a KeyboardInterrupt inside a step into an error of that step
        return INTERRUPTED
    print(f"presample: {error}", file=sys.stderr)
    if verbose:
        import traceback

        traceback.print_exception(error)
    return code
