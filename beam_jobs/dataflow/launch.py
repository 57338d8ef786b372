"""`presample dataflow launch`: checks everything, starts the job, and says how to watch it."""

from __future__ import annotations

import argparse
import importlib.metadata
import sys
import tempfile
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from beam_jobs import console
from beam_jobs.command import DATA_FAILED, USAGE, check_beam_args
from beam_jobs.dataflow import checks, package
from beam_jobs.dataflow.credentials import credentials_and_project
from beam_jobs.dataflow.place import Place, checked_region, named_project
from beam_jobs.dataflow.request import Request, parser, read
from tfrecord_io.errors import PresampleError, UsageError


def main(argv: Sequence[str] | None = None) -> int:
    """Starts a job.

    Returns:
      0 started, or with --watch done; 1 the service refused, the data do not allow it, or with
      --watch the job failed; 2 the command line is wrong; 130 interrupted.
    """
    launch = parser()
    try:
        request = read(sys.argv[1:] if argv is None else argv, launch)
    except UsageError as error:
        return _report([error])
    try:
        code, job = _launch(request, launch)
    except KeyboardInterrupt:
        return 130
    except PresampleError as error:
        return _report([error], request.options.verbose)
    except (BrokenPipeError, ModuleNotFoundError):  # the command `presample` knows what to do about them
        raise
    except Exception as error:
        text = str(error).strip().splitlines()[-1:] or [""]
        failed = PresampleError(f"The job was not started: {type(error).__name__}: {text[0]} (--verbose shows it all)")
        return _report([failed.with_traceback(error.__traceback__)], request.options.verbose)
    if not job or not request.watch:
        return code
    from beam_jobs.dataflow import watch

    return watch.main(job)


def _launch(request: Request, launch: argparse.ArgumentParser) -> tuple[int, list[str]]:
    """Returns the exit code; and what `watch` is to be told of the job, if one was started."""
    place, credentials, errors = _place(request)
    errors = [*checks.problems(request), *errors]
    if place is None or errors:
        return _report(errors), []
    with console.quiet(request.options.verbose):
        check_beam_args(request.beam_args, launch)
        flags = request.beam_flags(place)
        errors = list(checks.service_complaints(flags))
        if errors:
            return _report(errors), []
        from beam_jobs.dataflow.explained import explained

        with explained(place.project, place.region):
            errors = _service_problems(request, place, flags)
            if errors:
                return _report(errors), []
            by_template = request.template is not None
            job_id = _start_template(request, place, credentials, flags) if by_template else _start(request, flags)
    if job_id is None:
        return 0, []
    _say(request, place, job_id)
    return 0, [*place.flags().split(), job_id]


def _place(request: Request) -> tuple[Place | None, Any, list[PresampleError]]:
    """Where the job is to run, and the credentials; or what is wrong with them."""
    from beam_jobs.dataflow.explained import explained

    errors: list[PresampleError] = []
    credentials, project = None, ""
    try:
        with explained():
            credentials, project = credentials_and_project(request.project)
    except PresampleError as error:
        errors.append(error)
    try:
        region = checked_region(request.region)
    except UsageError:  # said by the checks
        return None, credentials, errors
    if not project:
        return None, credentials, errors
    if not request.project:
        origin = "the environment" if named_project(None) else "the credentials"
        print(f"Project {project}, from {origin}.", flush=True)
    return Place(project, region, request.given.get("dataflow_endpoint")), credentials, errors


def _service_problems(request: Request, place: Place, flags: Sequence[str]) -> list[PresampleError]:
    from beam_jobs.dataflow.service_checks import service_problems
    from beam_jobs.driver import pipeline_options

    return service_problems(request.options, request.folders, place.region, pipeline_options(flags))


def _start(request: Request, flags: list[str]) -> str | None:
    """Sends the job. Returns its id; None after --dry_run, or where only a template file was written."""
    from beam_jobs import driver
    from beam_jobs.dataflow.dry_run import show

    with tempfile.TemporaryDirectory() as folder:
        flags = flags + _package_flags(request, Path(folder))
        if request.dry_run:
            show(request.options, flags)
            return None
        result = driver.submit(request.options, flags)
    return str(result.job_id()) if getattr(result, "has_job", False) else None


def _start_template(request: Request, place: Place, credentials: Any, flags: list[str]) -> str | None:
    from beam_jobs.dataflow.template_launch import launch_template

    return launch_template(request, place, credentials, flags)


def _package_flags(request: Request, folder: Path) -> list[str]:
    """What makes the workers install this package: nothing where their image has it."""
    if request.image or "setup_file" in request.given:
        return []
    setup = package.setup_file()
    if setup:
        return [f"--setup_file={setup}"]
    return [f"--extra_package={package.repack(importlib.metadata.distribution('presample'), folder)}"]


def _say(request: Request, place: Place, job_id: str) -> None:
    print(f"Job      {request.job_name}")
    print(f"Id       {job_id}")
    print(f"Console  {place.console(job_id)}")
    print(f"Watch    presample dataflow watch {place.flags()} {job_id}")
    print(f"Dataset  {request.options.output}, once the job is done", flush=True)


def _report(errors: Sequence[PresampleError], verbose: bool = False) -> int:
    for error in errors:
        print(f"presample: {error}", file=sys.stderr)
        if verbose:
            traceback.print_exception(error)
    return USAGE if any(isinstance(error, UsageError) for error in errors) else DATA_FAILED
