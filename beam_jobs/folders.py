"""Folders that a run makes, so that one that fails can take them away again."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path


def missing_folders(folder: Path) -> list[Path]:
    """The folder and those it lies in, as far as they do not exist yet; the innermost first."""
    missing = []
    while not folder.exists() and folder != folder.parent:
        missing.append(folder)
        folder = folder.parent
    return missing


def remove_empty(folders: Iterable[Path]) -> None:
    """Removes folders, the innermost first, up to one that is not empty or already gone."""
    with suppress(OSError):
        for folder in folders:
            folder.rmdir()
