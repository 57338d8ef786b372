"""What file systems raise, Beam's and Google's libraries included, as one error that says why."""

from __future__ import annotations

from apache_beam.io.filesystem import BeamIOError

from tfrecord_io.cloud_errors import as_os_error, of_status


def cause_of(error: BaseException, path: str) -> BaseException | None:
    """The error to speak of; None for what file systems do not raise.

    Args:
      error: what was raised.
      path: the file, folder or pattern that was asked for.
    """
    if isinstance(error, BeamIOError):
        return next(filter(None, (_detail(each, path) for each in (error.exception_details or {}).values())), error)
    if isinstance(error, OSError | ValueError):  # ValueError: a scheme that Beam does not know
        return as_os_error(error, path) or error
    return as_os_error(error, path)


def _detail(detail: object, path: str) -> BaseException | None:
    """What Beam holds of one of several paths: an error, another BeamIOError with details, or an HTTP status."""
    if isinstance(detail, int):
        return of_status(detail, path)
    if isinstance(detail, BeamIOError):
        told = cause_of(detail, path)
        return None if told is detail else told
    return as_os_error(detail, path) if isinstance(detail, BaseException) else None
