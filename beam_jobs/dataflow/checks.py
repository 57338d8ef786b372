"""What can be wrong with a launch and needs no service to be found: all of it at once, one message each."""

from __future__ import annotations

import importlib.metadata
import re
from collections.abc import Iterator
from pathlib import Path

from beam_jobs.dataflow import buckets, images
from beam_jobs.dataflow.place import checked_region
from beam_jobs.dataflow.request import Request
from beam_jobs.options import PresampleOptions
from tfrecord_io.errors import UsageError

_JOB_NAME = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")


def problems(request: Request) -> list[UsageError]:
    """Every offence of the command line, in the order of its flags."""
    checks = (_region, _bucket, _paths, _folders, _job, _image, _package, _template)
    return [error for check in checks for error in check(request)]


def service_complaints(flags: list[str]) -> Iterator[UsageError]:
    """What Beam's own validator has against flags for the Dataflow service. Imports Beam."""
    from apache_beam.options.pipeline_options import GoogleCloudOptions, TestOptions
    from apache_beam.options.pipeline_options_validator import PipelineOptionsValidator
    from apache_beam.runners.dataflow.dataflow_runner import DataflowRunner

    from beam_jobs.driver import pipeline_options

    options = pipeline_options(flags)
    options.view_as(TestOptions).dry_run = True  # or it would ask the service about the bucket
    cloud = options.view_as(GoogleCloudOptions)
    if "localhost" in cloud.dataflow_endpoint:  # for which it would check nothing
        cloud.dataflow_endpoint = GoogleCloudOptions.DATAFLOW_ENDPOINT
    for complaint in PipelineOptionsValidator(options, DataflowRunner()).validate():
        yield UsageError(f"The flags for Dataflow do not pass Beam's check: {complaint}")


def _region(request: Request) -> list[UsageError]:
    try:
        checked_region(request.region)
    except UsageError as error:
        return [error]
    return []


def _bucket(request: Request) -> list[UsageError]:
    try:
        buckets.bucket_name(request.bucket)
    except UsageError as error:
        return [error]
    return []


def unreachable(options: PresampleOptions) -> list[UsageError]:
    """What workers on other machines cannot read or write."""
    found = []
    local = [pattern for pattern in options.input if "://" not in pattern]
    if local:
        found.append(
            UsageError(
                f"--input {' '.join(local)}: {'these are' if len(local) > 1 else 'this is'} on this machine, and the "
                "workers cannot read it. Copy the data to a bucket (gcloud storage cp), and name that."
            )
        )
    if not options.output.startswith("gs://") or options.output == "gs://":
        found.append(
            UsageError(
                f"--output {options.output} is no folder in a bucket, and workers cannot write it. Give a gs:// path."
            )
        )
    return found


def _paths(request: Request) -> list[UsageError]:
    return unreachable(request.options)


def _folders(request: Request) -> list[UsageError]:
    if not request.bucket:
        return []
    output = request.options.output
    folders = {"temp_location": request.temp_location, "staging_location": request.staging_location}
    mixed = [
        f"--{flag} {folder}"
        for flag, folder in folders.items()
        if buckets.inside(folder, output) or buckets.inside(output, folder)
    ]
    if not mixed:
        return []
    return [
        UsageError(
            f"--output {output} lies in {' and '.join(mixed)}, or around: what is temporary would mix with the "
            "dataset. Give the dataset a folder of its own."
        )
    ]


def _job(request: Request) -> list[UsageError]:
    found = []
    if not _JOB_NAME.fullmatch(request.job_name):
        found.append(
            UsageError(
                f"--job_name {request.job_name!r} must be small letters, digits and dashes, start with a letter and "
                "not end with a dash."
            )
        )
    if request.given.get("runner", "DataflowRunner") not in ("DataflowRunner", "dataflow"):
        found.append(
            UsageError(
                f"--runner {request.given['runner']}: this command starts jobs on Dataflow. Leave the flag out, or "
                "use `presample run` with it."
            )
        )
    if request.options.plan_only:
        found.append(
            UsageError(
                "--plan_only counts on this machine and starts no job: `presample run --plan_only` does that. "
                "--dry_run shows what a launch would send."
            )
        )
    return found


def _image(request: Request) -> list[UsageError]:
    if not request.image:
        return []
    return list(images.mismatches(request.image, importlib.metadata.version("apache-beam")))


def _package(request: Request) -> list[UsageError]:
    given = request.given.get("setup_file")
    if given is None or (Path(given).is_file() and Path(given).name in ("setup.py", "pyproject.toml")):
        return []
    return [
        UsageError(f"--setup_file {given} is no file named setup.py. Leave it out: the package here is found alone.")
    ]


def _template(request: Request) -> list[UsageError]:
    template = request.template
    if template is None or re.fullmatch(r"gs://[^/]+/.+", template):
        return []
    return [
        UsageError(
            f"--template {template} is no file in a bucket. Give the one that `presample dataflow template build` "
            "wrote, like gs://mine/templates/presample.json."
        )
    ]
