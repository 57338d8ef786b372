"""Pages of docs/, and the code in them."""

from __future__ import annotations

import textwrap
from pathlib import Path

_DOCS = Path(__file__).parent.parent / "docs"


def page(name: str) -> str:
    """The text of a page."""
    return (_DOCS / name).read_text()


def program(page: str) -> str:
    """The indented blocks, one after the other."""
    lines = (line for line in page.splitlines() if line.startswith("    ") or not line)
    return textwrap.dedent("\n".join(lines)) + "\n"
