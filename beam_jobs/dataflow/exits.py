"""How commands end that were not given what they need: one message, and the exit code that goes with it."""

from __future__ import annotations

import sys

from tfrecord_io.errors import PresampleError, UsageError

FAILED, USAGE, INTERRUPTED = 1, 2, 130


def fail(error: PresampleError) -> int:
    """Prints an error; returns 2 for a wrong command line, 1 for anything else."""
    print(f"presample: {error}", file=sys.stderr)
    return USAGE if isinstance(error, UsageError) else FAILED
