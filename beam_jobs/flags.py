"""The options as flags of a command line."""

from __future__ import annotations

import argparse
import dataclasses

from beam_jobs.options import PresampleOptions


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds a flag for each option."""
    for option in dataclasses.fields(PresampleOptions):
        argument = dict(option.metadata["argument"])
        text = option.metadata["help"]
        if option.default is dataclasses.MISSING:
            argument["required"] = True
        elif not argument.get("required"):
            argument["default"] = option.default
            if option.default not in (None, False, (), "no") and "default" not in text:
                text += f" (default: {option.default})"
        parser.add_argument(f"--{option.name}", help=text.replace("%", "%%"), **argument)


def from_namespace(namespace: argparse.Namespace) -> PresampleOptions:
    """The options from parsed arguments.

    Raises:
      UsageError: as `PresampleOptions`.
    """
    values = {}
    for option in dataclasses.fields(PresampleOptions):
        value, parse = getattr(namespace, option.name), option.metadata["parse"]
        values[option.name] = parse(value) if parse and isinstance(value, str) else value
    return PresampleOptions(**values)
