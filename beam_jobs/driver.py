"""Starts the job and sees it through: checks first, cleans up after, hands back the manifest."""

from __future__ import annotations

import dataclasses
import datetime
import logging
import os
import pickle
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import apache_beam as beam
from apache_beam.io.filesystems import FileSystems
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.runner import PipelineResult

from beam_jobs import presample
from beam_jobs.cost import Cost, Work, estimate
from beam_jobs.failures import BandMissedError, cause_of
from beam_jobs.folders import missing_folders, remove_empty
from beam_jobs.job import Job
from beam_jobs.job_facts import JobFacts
from beam_jobs.options import RUN_PREFIX, PresampleOptions
from beam_jobs.output import Output, refuse_to_replace
from beam_jobs.progress import PROGRESS
from beam_jobs.publish import take_back
from beam_jobs.remote_jobs import wait_for
from beam_jobs.schema_file import content_of, read_schema
from beam_jobs.sizes import SizeModel
from beam_jobs.sources import open_source
from beam_jobs.sources.bigquery import exported
from beam_jobs.sources.meter import METER
from tfrecord_io.errors import PresampleError, UsageError
from tfrecord_io.manifest import Manifest
from tfrecord_io.plan import FULL_BAND, Plan

LOCAL_RUNNER = "FnApiRunner"
NEVER_AGAIN_NATS = 100.0
"""The width of bands where a job cannot be run again: they miss their cut with a probability below 1e-43."""

_LOG = logging.getLogger("presample")
_MOST_THREADS = 4
_ONE_MACHINE = (LOCAL_RUNNER, "DirectRunner", "BundleBasedDirectRunner", "SwitchingDirectRunner")


def run(options: PresampleOptions, beam_args: Sequence[str] = (), *, run_id: str | None = None) -> Manifest:
    """Runs the job to its end.

    Args:
      options: what to read, draw and write.
      beam_args: flags for Beam's PipelineOptions; the runner is the in-process one by default.
      run_id: names the folder for unfinished work in the output, which is gone afterwards.

    Returns:
      The manifest of the published dataset.

    Raises:
      PresampleError: the data, the plan or the output do not allow it; nothing is published.
    """
    with _started(options, beam_args, run_id) as job:
        _run_until_exact(job, beam_args)
    return Manifest.load(options.output, opener=job.output.open)


def submit(options: PresampleOptions, beam_args: Sequence[str] = ()) -> PipelineResult:
    """Hands the job to a runner's service and does not wait: the pipeline publishes and cleans up by itself.

    The caller may wait for the result. What a job that fails leaves in the output, `presample clean` removes.

    Raises:
      PresampleError: options, source or output do not allow it; nothing was started.
    """
    with _started(options, beam_args, None) as job:
        return _pipeline(dataclasses.replace(job, band_nats=NEVER_AGAIN_NATS), beam_args).run()


@contextmanager
def _started(options: PresampleOptions, beam_args: Sequence[str], run_id: str | None) -> Iterator[Job]:
    """Checks first; prepares the output; takes everything back if what follows fails."""
    _check_input(options)
    FileSystems.set_options(pipeline_options(beam_args))  # whose credentials count for all that is read and written
    if options.plan_only:
        raise UsageError("run() does not take plan_only=True; call beam_jobs.plan(options), which returns the plan.")
    output = Output(options.output)
    if output.has_dataset():
        refuse_to_replace(output, options.overwrite)
    job = make_job(options, beam_args, output, RUN_PREFIX + (run_id or new_run_id()))
    new = missing_folders(Path(options.output)) if output.is_local else []
    try:
        output.prepare(job.run_folder)
        yield job
    except BaseException:
        _clean_up(job, new)
        raise


def plan(options: PresampleOptions, beam_args: Sequence[str] = ()) -> Plan:
    """Counts the classes and plans; writes nothing but, where the runner works elsewhere, notes that it removes again.

    Raises:
      PresampleError: as `run`.
    """
    return plan_and_cost(options, beam_args)[0]


def plan_and_cost(options: PresampleOptions, beam_args: Sequence[str] = ()) -> tuple[Plan, Cost]:
    """As `plan`, and what the whole job costs on a service, by the model of docs/scale.md."""
    _check_input(options)
    FileSystems.set_options(pipeline_options(beam_args))
    options = dataclasses.replace(options, plan_only=True)
    with tempfile.TemporaryDirectory() as folder:
        here = pipeline_options(beam_args).get_all_options()["runner"] in _ONE_MACHINE
        output = Output(folder if here else options.output)
        job = make_job(options, beam_args, output, RUN_PREFIX + new_run_id())
        new = missing_folders(Path(output.folder)) if output.is_local else []
        try:
            _run_pipeline(job, beam_args)
            with job.output.open(job.output.path(f"{job.run_folder}/{presample.PLAN_NOTE}")) as note:
                planned: Plan = pickle.loads(note.read())
        finally:
            _clean_up(job, new)
        return planned, estimate(Work.of(job.source, planned))


def _clean_up(job: Job, new: list[Path]) -> None:
    """Takes back what the run left. That it cannot is a warning: another error may be on its way, and says more."""
    try:
        take_back(job)
    except PresampleError as error:
        _LOG.warning("What the run left could not all be removed; `presample clean` does it later. %s", error)
    remove_empty(new)


def make_job(options: PresampleOptions, beam_args: Sequence[str], output: Output, run_folder: str) -> Job:
    """Settles all that can be known before the pipeline runs: reads a sample of the source.

    Raises:
      PresampleError: the source cannot be used.
    """
    settings = pipeline_options(beam_args).get_all_options()
    with exported(options, settings, read_schema(options.schema)) as given:
        options = dataclasses.replace(given.options, schema=content_of(given.declared))
        source = open_source(options, given.declared, given.export)
        PROGRESS.reset(0 if any(file.gzip for file in source.files) else sum(file.bytes for file in source.files))
        runner = settings["runner"]
        own_process = runner == LOCAL_RUNNER and settings["direct_running_mode"] == "in_memory"
        return Job(
            options=options,
            source=source,
            sizes=SizeModel.measure(source, options.compression),
            output=output,
            run_folder=run_folder,
            runner=runner,
            spill=spill_folder(options, output, runner),
            created=datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
            threads=min(_MOST_THREADS, os.cpu_count() or 1) if own_process else 1,
            export=given.export,
        )


def spill_folder(options: PresampleOptions, output: Output, runner: str) -> str | None:
    """Where kept rows are spilled; None for the runner's own shuffle."""
    local = runner in _ONE_MACHINE
    if options.shuffle == "runner" or (options.shuffle == "auto" and not local):
        return None
    return tempfile.gettempdir() if local and not output.is_local else output.folder


def pipeline_options(beam_args: Sequence[str]) -> PipelineOptions:
    """Beam's options; ours are defaults that its flags override."""
    return PipelineOptions([f"--runner={LOCAL_RUNNER}", *beam_args], save_main_session=False)


def new_run_id() -> str:
    """A name for a run's folder that no other run has."""
    return uuid.uuid4().hex[:12]


def _run_until_exact(job: Job, beam_args: Sequence[str]) -> None:
    """Runs; in the all but impossible case that a band misses its cut, ranks every row instead."""
    try:
        _run_pipeline(job, beam_args)
    except BandMissedError:
        _run_pipeline(dataclasses.replace(job, band_nats=FULL_BAND), beam_args)


def _run_pipeline(job: Job, beam_args: Sequence[str]) -> None:
    pipeline = _pipeline(job, beam_args)
    try:
        wait_for(pipeline.run())
    except Exception as error:
        cause = cause_of(error)
        if cause is None:
            raise
        raise cause from error


def _pipeline(job: Job, beam_args: Sequence[str]) -> beam.Pipeline:
    options = pipeline_options(beam_args)
    facts = options.view_as(JobFacts)
    facts.presample_output = job.output.folder
    facts.presample_source_bytes = sum(file.bytes for file in job.source.files)
    facts.presample_source_format = job.source.format
    METER.take()  # the sample is no part of a pass
    pipeline = beam.Pipeline(options=options)
    presample.build(pipeline, job.shared())
    return pipeline


def _check_input(options: PresampleOptions) -> None:
    if not options.patterns:
        raise UsageError("--input names no file. Only the rows of a PCollection (beam_jobs.Presample) need none.")
