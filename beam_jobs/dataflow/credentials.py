"""Who starts and watches jobs, and which project pays for them."""

from __future__ import annotations

from typing import Any

from beam_jobs.dataflow.place import named_project
from tfrecord_io.cloud_login import CLOUD_PLATFORM, find_credentials
from tfrecord_io.errors import UsageError


def credentials_and_project(project: str | None = None) -> tuple[Any, str]:
    """The application default credentials, and the project: as given, of the environment, or theirs.

    Raises:
      UsageError: no project is named anywhere.
      google.auth.exceptions.DefaultCredentialsError: there are no credentials; see `explained`.
    """
    credentials, theirs = find_credentials(CLOUD_PLATFORM)
    found = named_project(project) or theirs
    if not found:
        raise UsageError(
            "--project is missing: neither $GOOGLE_CLOUD_PROJECT nor the credentials name one. Give --project PROJECT."
        )
    return credentials, found
