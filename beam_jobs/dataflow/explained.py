"""Errors of Google's libraries, each as one message that says what to do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import google.auth.exceptions
import requests.exceptions
from google.api_core import exceptions

from tfrecord_io.cloud_errors import LOG_IN, said
from tfrecord_io.errors import PresampleError, UsageError

ROLES = "roles/dataflow.viewer is enough to watch and list, roles/dataflow.developer to start and cancel"

_PASSING = (exceptions.ServerError, exceptions.RetryError, requests.exceptions.RequestException)


class ServiceError(PresampleError):
    """A service of Google's refused, or could not be reached."""


@contextmanager
def explained(project: str | None = None, region: str | None = None, job_id: str | None = None) -> Iterator[None]:
    """Raises what Google's libraries raise as an error of ours; the arguments serve its message.

    Raises:
      UsageError: there is no such job, or there are no credentials.
      ServiceError: everything else.
    """
    try:
        yield
    except google.auth.exceptions.GoogleAuthError as error:
        raise _of_credentials(error) from error
    except requests.exceptions.RequestException as error:
        raise _unreachable(error) from error
    except exceptions.RetryError as error:
        raise _explain(error.cause or error, project, region, job_id) from error
    except exceptions.GoogleAPIError as error:
        raise _explain(error, project, region, job_id) from error


def sentence(error: BaseException) -> str:
    """What a service said, as a sentence."""
    text = said(error)
    return text if text.endswith(("?", "!")) else f"{text}."


def _explain(error: BaseException, project: str | None, region: str | None, job_id: str | None) -> PresampleError:
    place = f" in project {project}" * bool(project) + f", region {region}" * bool(region)
    if isinstance(error, google.auth.exceptions.GoogleAuthError):
        return _of_credentials(error)
    if isinstance(error, exceptions.Forbidden):
        return _forbidden(error, project)
    if isinstance(error, exceptions.NotFound) and job_id:
        return UsageError(
            f"There is no job {job_id}{place}. Jobs are known in their own region only; "
            f"`presample dataflow list --all --project {project} --region {region}` shows those that there are."
        )
    if isinstance(error, exceptions.Unauthorized):
        return ServiceError(
            f"The service does not accept the credentials: {sentence(error)} "
            "`gcloud auth application-default login` makes new ones."
        )
    if isinstance(error, exceptions.Conflict):
        return ServiceError(
            f"The service refused, since there is one already{place}: {sentence(error)} If it is a job of that name, "
            "wait for it, cancel it, or give this one another --job_name."
        )
    if isinstance(error, exceptions.TooManyRequests):
        return ServiceError(
            f"A quota is used up{place}: {sentence(error)} Try again later, or ask for more on the console's page "
            "of quotas."
        )
    if isinstance(error, _PASSING):
        return _unreachable(error)
    return ServiceError(f"The service refused the request{place}: {sentence(error)}")


def _forbidden(error: exceptions.Forbidden, project: str | None) -> ServiceError:
    text = sentence(error)
    if error.reason == "SERVICE_DISABLED" or "has not been used in project" in text or "it is disabled" in text:
        service = (error.metadata or {}).get("service", "dataflow.googleapis.com")
        flag = f" --project {project}" if project else ""
        return ServiceError(
            f"The API {service} is not enabled in project {project}. Enable it with: gcloud services enable "
            f"{service}{flag}. It takes effect after a minute or two."
        )
    return ServiceError(
        f"No permission in project {project}: {text} Ask its owner for a role ({ROLES}), and check that "
        "--project is right."
    )


def _of_credentials(error: google.auth.exceptions.GoogleAuthError) -> PresampleError:
    if isinstance(error, google.auth.exceptions.DefaultCredentialsError):
        given = "" if "were not found" in str(error) else f" ({said(error)})"
        return UsageError(f"There are no usable Google Cloud credentials{given}. {LOG_IN}.")
    if isinstance(error, google.auth.exceptions.TransportError):
        return _unreachable(error)
    return ServiceError(
        f"The Google Cloud credentials are no longer good: {sentence(error)} Run `gcloud auth application-default "
        "login`, or check the file that GOOGLE_APPLICATION_CREDENTIALS names."
    )


def _unreachable(error: BaseException) -> ServiceError:
    return ServiceError(
        f"The service could not be reached, or failed: {sentence(error)} Jobs that run go on regardless. Check the "
        "network, and try again."
    )
