"""Where jobs run: a project, a region, and the address of the service."""

from __future__ import annotations

import argparse
import os
import re
from dataclasses import dataclass

from tfrecord_io.errors import UsageError

REGION = re.compile(r"[a-z]+(-[a-z]+)+\d+")
_ZONE = re.compile(rf"({REGION.pattern})-[a-z]")
_PROJECT_VARIABLES = ("GOOGLE_CLOUD_PROJECT", "GCLOUD_PROJECT")
_REGION_VARIABLES = ("CLOUDSDK_COMPUTE_REGION", "GOOGLE_CLOUD_REGION")


@dataclass(frozen=True)
class Place:
    """A project and a region; `endpoint` is Beam's --dataflow_endpoint, None for Google's own."""

    project: str
    region: str
    endpoint: str | None = None

    def flags(self) -> str:
        """As flags of a command, to be shown."""
        endpoint = f" --dataflow_endpoint {self.endpoint}" if self.endpoint else ""
        return f"--project {self.project} --region {self.region}{endpoint}"

    def console(self, job_id: str) -> str:
        """The job's page in Google's console."""
        return f"https://console.cloud.google.com/dataflow/jobs/{self.region}/{job_id}?project={self.project}"


def add_place_flags(parser: argparse.ArgumentParser) -> None:
    """Adds the flags that every command has."""
    parser.add_argument(
        "--project", help="Google Cloud project (default: $GOOGLE_CLOUD_PROJECT, else the credentials' own)"
    )
    parser.add_argument("--region", help="region of the job, like us-central1 (default: $CLOUDSDK_COMPUTE_REGION)")
    parser.add_argument(
        "--dataflow_endpoint", metavar="URL", help="address of the service, as Beam's flag (default: Google's)"
    )


def checked_region(region: str | None) -> str:
    """The region, or the one that the environment names.

    Raises:
      UsageError: there is none, or it is no region.
    """
    region = region or next((os.environ[name] for name in _REGION_VARIABLES if os.environ.get(name)), None)
    if not region:
        raise UsageError(
            "--region is missing, and $CLOUDSDK_COMPUTE_REGION names none: give the region that the job runs in, like "
            "--region us-central1."
        )
    zone = _ZONE.fullmatch(region)
    if zone:
        raise UsageError(f"--region {region} is a zone; its region is {zone[1]}: give --region {zone[1]}.")
    if not REGION.fullmatch(region):
        raise UsageError(f"--region {region!r} is no region. They look like us-central1 or europe-west4.")
    return region


def named_project(project: str | None) -> str | None:
    """The project, or the one that the environment names; None if neither does."""
    return project or next((os.environ[name] for name in _PROJECT_VARIABLES if os.environ.get(name)), None)
