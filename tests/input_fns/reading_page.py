"""The examples of docs/reading.md."""

from __future__ import annotations

import itertools
import textwrap
from pathlib import Path


def reading_page(heading: str) -> list[str]:
    """The blocks of code below a heading of the second level."""
    page = (Path(__file__).parents[2] / "docs" / "reading.md").read_text()
    section = page.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    runs = itertools.groupby(section.splitlines(), key=lambda line: line.startswith("    "))
    return [textwrap.dedent("\n".join(lines)) for code, lines in runs if code]
