"""What Beam's file systems raise, without what they wrap around it."""

from __future__ import annotations

from apache_beam.io.filesystem import BeamIOError

from tfrecord_io.cloud_errors import as_os_error, of_status


def cause_of(error: Exception, path: str) -> Exception | None:
    """The error to speak of; None for what file systems do not raise.

    Args:
      error: what was raised.
      path: what was asked for.
    """
    if isinstance(error, BeamIOError):
        for detail in (error.exception_details or {}).values():  # of each path: an exception, or an HTTP status
            told: Exception | None = of_status(detail, path) if isinstance(detail, int) else cause_of(detail, path)
            if told is not None:
                return told
    told = as_os_error(error, path)
    if told is None and isinstance(error, OSError | ValueError | BeamIOError):  # ValueError: no scheme of Beam's
        return error
    return told
