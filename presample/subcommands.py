"""Choosing a subcommand: its help, and one message for a name that there is not."""

from __future__ import annotations

import argparse
import difflib
import sys
from collections.abc import Mapping, Sequence

USAGE = 2


def choose(prog: str, description: str, commands: Mapping[str, str], arguments: Sequence[str]) -> str | int:
    """The subcommand that is asked for; or the exit code, after the help or an error was printed.

    Args:
      prog: the command, like `presample dataflow`.
      description: of it, for its help.
      commands: name -> what it does.
      arguments: of the command line.
    """
    if not arguments or arguments[0] in ("-h", "--help"):
        _parser(prog, description, commands).print_help()
        return 0 if arguments else USAGE
    name = arguments[0]
    if name in commands:
        return name
    near = difflib.get_close_matches(name, commands, 1)
    hint = f" Did you mean {near[0]}?" if near else ""
    asked = " ".join([*prog.split()[1:], name])
    print(f"presample: unknown command {asked!r}.{hint} The commands are {', '.join(commands)}.", file=sys.stderr)
    return USAGE


def _parser(prog: str, description: str, commands: Mapping[str, str]) -> argparse.ArgumentParser:
    lines = "\n".join(f"  {name:10}{what}" for name, what in commands.items())
    return argparse.ArgumentParser(
        prog=prog,
        usage=f"{prog} COMMAND ... ({prog} COMMAND --help says more)",
        description=f"{description}\n\ncommands:\n{lines}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
