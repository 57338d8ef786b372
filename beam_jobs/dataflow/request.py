"""The command line of `presample dataflow launch`: presample's flags, its own, and Beam's."""

from __future__ import annotations

import argparse
import datetime
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from beam_jobs.command import make_parser
from beam_jobs.dataflow import defaults
from beam_jobs.dataflow.place import Place
from beam_jobs.flags import parse
from beam_jobs.options import PresampleOptions

_READ_HERE = (
    "dataflow_endpoint",
    "extra_package",
    "machine_type",
    "max_num_workers",
    "num_workers",
    "runner",
    "sdk_container_image",
    "setup_file",
    "staging_location",
    "temp_location",
)
"""Flags of Beam's that matter before Beam is imported."""

_OTHER_NAMES = {
    "extra_package": ("--extra_packages",),
    "machine_type": ("--worker_machine_type",),
    "sdk_container_image": ("--worker_harness_container_image",),
}


@dataclass(frozen=True, kw_only=True)
class Request:
    """What was asked for, not checked yet.

    `beam_args` are the flags for Beam, as given; `given` has the values of some of them by name.
    """

    options: PresampleOptions
    project: str | None
    region: str | None
    bucket: str | None
    template: str | None
    job_name: str
    dry_run: bool
    watch: bool
    beam_args: tuple[str, ...]
    given: dict[str, str] = field(default_factory=dict)

    @property
    def temp_location(self) -> str:
        """Where Dataflow and the job keep what is gone after it."""
        return self.given.get("temp_location") or f"{str(self.bucket).rstrip('/')}/temp"

    @property
    def staging_location(self) -> str:
        """Where the graph and the package are put for the workers."""
        return self.given.get("staging_location") or f"{str(self.bucket).rstrip('/')}/staging"

    @property
    def folders(self) -> dict[str, str]:
        """Where staged and temporary files go, by the flag that says so."""
        given = {name: self.given[name] for name in ("temp_location", "staging_location") if self.given.get(name)}
        return {"bucket": str(self.bucket), **given}

    @property
    def image(self) -> str | None:
        """The workers' container image, if not Beam's own."""
        return self.given.get("sdk_container_image")

    def beam_flags(self, place: Place) -> list[str]:
        """Beam's flags: the defaults, then those given, which win."""
        flags = [
            *defaults.pool_flags(self.given.get("machine_type")),
            f"--project={place.project}",
            f"--region={place.region}",
            f"--job_name={self.job_name}",
            f"--temp_location={self.temp_location}",
            f"--staging_location={self.staging_location}",
        ]
        wanted = self.given.get("num_workers", "")
        if wanted.isdigit() and int(wanted) > defaults.MAX_WORKERS:
            flags.append(f"--max_num_workers={wanted}")
        if self.image:
            flags.append("--sdk_location=container")
        flags += self.beam_args
        if "setup_file" in self.given:  # Beam changes into its folder, and fails where there is none
            flags.append(f"--setup_file={Path(self.given['setup_file']).resolve()}")
        return flags


def parser() -> argparse.ArgumentParser:
    """The flags of `presample run`, and those of a launch."""
    launch = make_parser("presample dataflow launch", "Checks everything, then starts the job on Dataflow.")
    own = launch.add_argument_group("the job on Dataflow")
    own.add_argument("--project", metavar="ID", help="pays for it; default: GOOGLE_CLOUD_PROJECT, or the credentials'")
    own.add_argument(
        "--region", metavar="NAME", help="where it runs, like us-central1; default: CLOUDSDK_COMPUTE_REGION"
    )
    own.add_argument("--bucket", metavar="gs://NAME[/FOLDER]", help="for staged and temporary files")
    own.add_argument("--job_name", metavar="NAME", help="default: presample-OUTPUT-TIME")
    own.add_argument("--template", metavar="gs://FILE", help="start that Flex Template, not the code that is here")
    own.add_argument("--dry_run", action="store_true", help="check all, show what would be sent, send nothing")
    own.add_argument("--watch", action="store_true", help="stay, and follow the job to its end")
    return launch


def read(argv: Sequence[str], launch: argparse.ArgumentParser) -> Request:
    """Reads the command line.

    Raises:
      UsageError: as `PresampleOptions`.
    """
    namespace = argparse.Namespace()
    options, beam_args = parse(launch, argv, namespace)
    now = datetime.datetime.now(datetime.timezone.utc)
    return Request(
        options=options,
        project=namespace.project,
        region=namespace.region,
        bucket=namespace.bucket,
        template=namespace.template,
        job_name=namespace.job_name or defaults.job_name(options.output, now),
        dry_run=namespace.dry_run,
        watch=namespace.watch,
        beam_args=tuple(beam_args),
        given=given(beam_args),
    )


def given(beam_args: Sequence[str]) -> dict[str, str]:
    """The values of those of Beam's flags that matter before Beam is imported, by name."""
    reader = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    for name in _READ_HERE:
        reader.add_argument(f"--{name}", *_OTHER_NAMES.get(name, ()), dest=name, nargs="?")
    values = vars(reader.parse_known_args(list(beam_args))[0])
    return {name: value for name, value in values.items() if value is not None}
