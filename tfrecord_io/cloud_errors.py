"""What Google Cloud Storage and its libraries say when something is wrong, in our words."""

from __future__ import annotations

import errno
import json
import re
from contextlib import suppress

NOT_INSTALLED = "google-cloud-storage is not installed. Install it with: pip install 'presample[gcp]'"
LOG_IN = (
    "Log in with `gcloud auth application-default login`, or let GOOGLE_APPLICATION_CREDENTIALS name the key file of "
    "a service account"
)
_AROUND = re.compile(r"[A-Z]+ https?://\S+: (.*?)(?:: \('Request failed with status code'.*)?", re.DOTALL)
"""The request before a message, and the status behind it."""
_TRACE = re.compile(r"^\([0-9a-f]{12,16}\): ")
"""The number before a message of Dataflow's."""


def as_os_error(error: BaseException, path: str) -> OSError | None:
    """An error of Google's libraries as one that any file could give; None for any other.

    Args:
      error: what was raised.
      path: the object or folder that was asked for, gs://BUCKET/NAME.
    """
    try:
        from google.api_core import exceptions
        from google.auth.exceptions import DefaultCredentialsError, GoogleAuthError, TransportError
        from requests import RequestException
    except ImportError:
        return None
    if isinstance(error, exceptions.RetryError) and error.cause:
        error = error.cause  # the last failure says more than that time is up
    bucket = path.removeprefix("gs://").split("/")[0]
    text = said(error)
    if isinstance(error, RequestException | TransportError):
        return OSError(f"Cloud Storage cannot be reached ({text}). Check the network, and try again")
    if isinstance(error, exceptions.NotFound):
        if "bucket does not exist" in text:
            return OSError(f"there is no bucket {bucket!r}. Correct its name, or create it")
        return FileNotFoundError(errno.ENOENT, "there is no such object", path)
    if isinstance(error, DefaultCredentialsError) and "were not found" in text:
        return OSError(f"there are no Google Cloud credentials. {LOG_IN}")
    if isinstance(error, exceptions.Unauthorized | GoogleAuthError):
        return OSError(f"the Google Cloud credentials were not accepted ({text}). {LOG_IN}")
    if isinstance(error, exceptions.Forbidden):
        return OSError(f"access to bucket {bucket!r} is denied ({text}). Ask its owner for a role that allows it")
    if isinstance(error, exceptions.GoogleAPIError) or type(error).__module__.startswith("google."):
        return OSError(f"Cloud Storage answered with an error ({text}). Try again later")
    return None


def of_status(status: int, path: str) -> OSError | None:
    """The error of an HTTP status alone, as that of a request of a batch."""
    try:
        from google.api_core import exceptions
    except ImportError:
        return None
    error: Exception = exceptions.from_http_status(status, f"HTTP status {status}")  # type: ignore[no-untyped-call]
    return as_os_error(error, path)


def said(error: BaseException) -> str:
    """What a service of Google's said: one line, without what its libraries put around it, and without a stop."""
    text = str(getattr(error, "message", None) or error).strip()
    found = _AROUND.fullmatch(text)
    text = found[1] if found else text
    with suppress(ValueError, TypeError, KeyError):  # plain text
        text = json.loads(text)["error"]["message"]
    lines = _TRACE.sub("", text.strip(), count=1).splitlines() or [type(error).__name__]
    return lines[0].rstrip(".:")
