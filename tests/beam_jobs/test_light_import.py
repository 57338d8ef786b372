"""A local run imports no cloud and no data frame; any other run imports what it may need."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


def _imported(folder: Path, *flags: str) -> set[str]:
    """The modules that a `presample run` imports."""
    (folder / "rows.csv").write_text("y,x\n" + "".join(f"{i % 2},{i}\n" for i in range(100)))
    command = [sys.executable, "-X", "importtime", "-m", "presample", "run", "--input", f"{folder}/rows.csv"]
    ended = subprocess.run(
        [*command, "--output", f"{folder}/out", "--label", "y", *flags], capture_output=True, text=True, check=True
    )
    assert "The dataset is in" in ended.stdout
    return {line.rpartition("|")[2].strip() for line in ended.stderr.splitlines() if line.startswith("import time:")}


@pytest.mark.parametrize(("flags", "all_of_them"), [((), False), (("--runner=FnApiRunner",), True)])
def test_what_a_run_imports(tmp_path: Path, flags: tuple[str, ...], all_of_them: bool) -> None:
    imported = _imported(tmp_path, *flags)
    assert "apache_beam" in imported
    for name in ("pandas.core.api", "google.cloud.storage.client", "pymongo.collection"):
        assert (name in imported) == all_of_them, name
