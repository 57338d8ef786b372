"""Errors of BigQuery's client in the words of a user who named a table or a query."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tfrecord_io.cloud_errors import LOG_IN
from tfrecord_io.errors import PresampleError, SourceError, UsageError

_RIGHTS = (
    "The account needs roles/bigquery.dataViewer on what is read, roles/bigquery.jobUser on the project that pays "
    "(--project), and roles/storage.objectAdmin on the bucket of --temp_location."
)


@contextmanager
def explained(what: str, refused: type[PresampleError] = SourceError) -> Iterator[None]:
    """Turns errors of the client into ours.

    Args:
      what: what was asked for.
      refused: the error for a request that BigQuery finds wrong.

    Raises:
      UsageError: no client library, credentials or project.
      SourceError: anything else that the client reports.
    """
    try:
        from google.api_core import exceptions
        from google.auth.exceptions import DefaultCredentialsError, GoogleAuthError
        from google.cloud import bigquery  # noqa: F401 - to find out whether it is there
        from requests.exceptions import RequestException
    except ImportError as error:
        raise UsageError("Reading BigQuery needs its client. Install it with: pip install 'presample[gcp]'") from error
    try:
        yield
    except DefaultCredentialsError as error:
        raise UsageError(f"{what}: there are no Google Cloud credentials. {LOG_IN}.") from error
    except exceptions.NotFound as error:
        raise SourceError(f"{what}: {_why(error)}. Check its name, project and location.") from error
    except exceptions.Forbidden as error:
        raise SourceError(f"{what}: {_why(error)}. {_RIGHTS}") from error
    except exceptions.BadRequest as error:
        raise refused(f"{what}: BigQuery refuses it: {_why(error)}.{_hint(str(error))}") from error
    except (exceptions.GoogleAPIError, GoogleAuthError, RequestException) as error:
        raise SourceError(f"{what}: BigQuery did not answer as it should: {_why(error)}. Try again.") from error
    except OSError as error:
        if "project" not in str(error).lower():
            raise
        raise UsageError("BigQuery asks which project pays for the export. Name it with --project.") from error


def _why(error: Exception) -> str:
    """The service's own words, without the client's around them."""
    details = getattr(error, "errors", None) or [{}]
    text = details[0].get("message") if isinstance(details[0], dict) else None
    return " ".join(str(text or getattr(error, "message", error)).split()).rstrip(".")


def _hint(text: str) -> str:
    if "snapshot time" in text.lower():
        return (
            " A table can be read as of the last seven days at most, and not of the future: check this machine's "
            "clock, or name another time with --input bq://PROJECT.DATASET.TABLE@TIME."
        )
    return ""
