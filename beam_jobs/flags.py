"""The options as flags of a command line."""

from __future__ import annotations

import argparse
import dataclasses
import re
from collections.abc import Sequence

from beam_jobs.like import stored_options
from beam_jobs.options import PresampleOptions
from tfrecord_io.errors import UsageError

_BETWEEN_URLS = re.compile(r"[\s,]+(?=[a-z][a-z0-9]*://)")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds a flag for each option, and `--like`, whose values `parse` puts in their places."""
    parser.add_argument("--like", metavar="DIR", help="take every option from that dataset; flags given beside it win")
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


def parse(
    parser: argparse.ArgumentParser, argv: Sequence[str], namespace: argparse.Namespace | None = None
) -> tuple[PresampleOptions, list[str]]:
    """The options, and the arguments that are none of ours.

    Args:
      parser: has the arguments of `add_arguments`, and maybe more.
      argv: the command line.
      namespace: takes the values of the parser's arguments, if given.

    Raises:
      UsageError: as `PresampleOptions`, or `--like` names no dataset that can be taken after.
    """
    argv, false = _without_truths(parser, argv)
    first = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    first.add_argument("--like", nargs="?")
    directory = first.parse_known_args(argv)[0].like
    words = {word.partition("=")[0] for word in argv}
    given = [action.dest for action in parser._actions if words.intersection(action.option_strings)]
    stored = stored_options(directory, [*given, *false]) if directory else {}
    patterns = stored.pop("input", None)
    parser.set_defaults(**stored)
    for action in parser._actions:
        if action.dest in stored or (action.dest == "input" and (patterns or "query" in given or stored.get("query"))):
            action.required = False
    values = argparse.Namespace() if namespace is None else namespace
    rest = parser.parse_known_args(argv, values)[1]
    vars(values).update(dict.fromkeys(false, False))
    values.input = [pattern for text in values.input or patterns or () for pattern in _BETWEEN_URLS.split(text)]
    return from_namespace(values), rest


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


def _without_truths(parser: argparse.ArgumentParser, argv: Sequence[str]) -> tuple[list[str], list[str]]:
    """The words, `--flag=true` as `--flag`; and what `--flag=false` names. Who starts a template writes them so.

    Raises:
      UsageError: another value for a flag that takes none.
    """
    switches = {word: each.dest for each in parser._actions if each.const is True for word in each.option_strings}
    words, false = [], []
    for word in argv:
        flag, equals, value = word.partition("=")
        if not equals or flag not in switches:
            words.append(word)
        elif value.lower() == "true":
            words.append(flag)
        elif value.lower() == "false":
            false.append(switches[flag])
        else:
            raise UsageError(f"{flag} is on or off: {value!r} is neither true nor false.")
    return words, false
