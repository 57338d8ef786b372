"""The package that workers install: built from the sources it runs from, or packed anew from where it is installed."""

from __future__ import annotations

import csv
import importlib.metadata
import io
import zipfile
from pathlib import Path

_NOT_PACKED = {"INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json"}


def setup_file() -> Path | None:
    """The setup.py of the sources that this code runs from; None if it was installed without them."""
    root = Path(__file__).resolve().parents[2]
    sources = root / "pyproject.toml"
    if (root / "setup.py").is_file() and sources.is_file() and 'name = "presample"' in sources.read_text():
        return root / "setup.py"
    return None


def repack(distribution: importlib.metadata.Distribution, folder: Path) -> Path:
    """A wheel of an installed distribution, as it was before it was installed.

    Args:
      distribution: pure Python.
      folder: where to put it.
    """
    name = f"{distribution.metadata['Name']}-{distribution.version}"
    files = [file for file in distribution.files or () if _is_content(file)]
    kept = {str(file) for file in files}
    target = folder / f"{name}-py3-none-any.whl"
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as wheel:
        for file in files:
            if file.name != "RECORD":
                wheel.write(str(distribution.locate_file(file)), str(file))
        lines = io.StringIO()
        rows = csv.reader((distribution.read_text("RECORD") or "").splitlines())
        csv.writer(lines, lineterminator="\n").writerows(row for row in rows if row and row[0] in kept)
        wheel.writestr(f"{name}.dist-info/RECORD", lines.getvalue())
    return target


def _is_content(file: importlib.metadata.PackagePath) -> bool:
    return file.suffix != ".pyc" and file.name not in _NOT_PACKED and file.parts[0] != ".."
