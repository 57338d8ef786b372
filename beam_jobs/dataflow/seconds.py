"""Intervals on a command line."""

from __future__ import annotations

import argparse

_LONGEST = 3600


def seconds(text: str) -> float:
    """Seconds from 0 to an hour.

    Raises:
      argparse.ArgumentTypeError: it is none.
    """
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= _LONGEST:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds from 0 to {_LONGEST}")
    return value
