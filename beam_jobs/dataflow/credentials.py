"""Google's credentials, found at once or not at all."""

from __future__ import annotations

import os
import warnings
from typing import Any

from beam_jobs.dataflow.place import named_project
from tfrecord_io.errors import UsageError

_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
_PROBE = {"GCE_METADATA_TIMEOUT": "1", "GCE_METADATA_DETECT_RETRIES": "1"}


def probe_briefly() -> None:
    """Has google-auth ask once, for a second, whether this is a machine of Google's, not for some 20 s.

    It reads this when it is imported: to be called before. A machine of Google's answers within
    milliseconds, and is known by its firmware too.
    """
    for name, value in _PROBE.items():
        os.environ.setdefault(name, value)


def find_credentials(project: str | None = None) -> tuple[Any, str]:
    """The application default credentials, and the project: as given, of the environment, or theirs.

    Raises:
      UsageError: no project is named anywhere.
      google.auth.exceptions.DefaultCredentialsError: there are no credentials; see `explained`.
    """
    probe_briefly()
    import google.auth

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a user's own credentials have no quota project
        credentials, theirs = google.auth.default(scopes=[_SCOPE])
    found = named_project(project) or theirs
    if not found:
        raise UsageError(
            "--project is missing: neither $GOOGLE_CLOUD_PROJECT nor the credentials name one. Give --project PROJECT."
        )
    return credentials, found
