"""What is said when a dataset cannot be written."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from apache_beam.io.filesystem import BeamIOError

from tfrecord_io.cloud_errors import as_os_error, of_status
from tfrecord_io.errors import OutputError


def taken(folder: str) -> OutputError:
    """The error for a folder that holds a dataset."""
    return OutputError(
        f"{folder} already holds a dataset. Choose another --output, or replace it with --overwrite "
        "(its old shards stay for whoever reads them; --overwrite=purge removes them)."
    )


@contextmanager
def explained(path: str) -> Iterator[None]:
    """Turns what file systems raise into one message.

    Raises:
      OutputError: says why `path` cannot be written.
    """
    try:
        yield
    except Exception as error:
        cause = _cause(error, path)
        if cause is None:
            raise
        if isinstance(cause, OSError) and cause.errno == errno.ENOSPC:
            why = "the disk is full. Free some space, or write elsewhere"
        else:
            why = str(getattr(cause, "strerror", None) or cause).rstrip(".")
            why += ". Check that it is a folder that may be written to, or choose another --output"
        raise OutputError(f"{path} cannot be written: {why}.") from error


def _cause(error: Exception, path: str) -> Exception | None:
    """The error to speak of; None for what file systems do not raise."""
    if isinstance(error, BeamIOError):
        details = error.exception_details or {}
        for detail in details.values():  # of each path: an exception, or an HTTP status
            told: Exception | None = of_status(detail, path) if isinstance(detail, int) else as_os_error(detail, path)
            if told is not None:
                return told
    if isinstance(error, OSError | ValueError | BeamIOError):  # ValueError: a scheme that Beam does not know
        return as_os_error(error, path) or error
    return as_os_error(error, path)
