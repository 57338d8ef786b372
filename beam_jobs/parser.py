"""A parser of command lines whose errors are one message, like all others."""

from __future__ import annotations

import argparse
from typing import NoReturn

from tfrecord_io.errors import UsageError


class Parser(argparse.ArgumentParser):
    """Raises UsageError instead of printing the usage and leaving."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message} ({self.prog} --help lists the flags)")
