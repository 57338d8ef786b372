"""The code of a page of docs/."""

from __future__ import annotations

import textwrap


def program(page: str) -> str:
    """The indented blocks, one after the other."""
    lines = (line for line in page.splitlines() if line.startswith("    ") or not line)
    return textwrap.dedent("\n".join(lines)) + "\n"
