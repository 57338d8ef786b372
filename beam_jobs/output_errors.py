"""What is said when a dataset cannot be written."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from beam_jobs.file_errors import cause_of
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
        cause = cause_of(error, path)
        if cause is None:
            raise
        if isinstance(cause, OSError) and cause.errno == errno.ENOSPC:
            why = "the disk is full. Free some space, or write elsewhere"
        else:
            why = str(getattr(cause, "strerror", None) or cause).rstrip(".")
            why += ". Check that it is a folder that may be written to, or choose another --output"
        raise OutputError(f"{path} cannot be written: {why}.") from error
