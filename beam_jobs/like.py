"""`--like DIR`: the options of another dataset."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from typing import Any, BinaryIO

from beam_jobs.options import PresampleOptions
from beam_jobs.table_options import without_time
from tfrecord_io.errors import ManifestError, UsageError
from tfrecord_io.manifest import Manifest
from tfrecord_io.storage import CLOUD, open_file


def options_like(directory: str, **given: Any) -> PresampleOptions:
    """The options with which a dataset was written, and those given instead.

    Args:
      directory: the dataset. Its input patterns count too, of a table its name without the time; its output does not.
      given: options by name; they win.

    Raises:
      UsageError: no dataset there, one of a newer format, or options that contradict each other.
    """
    return PresampleOptions(**stored_options(directory, given) | given)


def stored_options(directory: str, given: Collection[str] = ()) -> dict[str, Any]:
    """Option names and values from a dataset's manifest.

    Args:
      directory: the dataset.
      given: names of the options given beside it. A way to split among them replaces the dataset's.

    Raises:
      UsageError: no dataset there, one of a newer format, or one with options not known here.
    """
    try:
        manifest = Manifest.load(directory, opener=_open)
    except ManifestError as error:
        raise UsageError(f"--like: {error}") from error
    fields = {field.name: field for field in dataclasses.fields(PresampleOptions)}
    unknown = [name for name in manifest.options if name not in fields]
    if unknown:
        raise UsageError(
            f"--like {directory}: the dataset was written with {', '.join(sorted(unknown))}, which this version of "
            "presample does not have. Upgrade presample."
        )
    stored = {name: tuple(value) if isinstance(value, list) else value for name, value in manifest.options.items()}
    if "split_time" in given:
        stored = {name: value for name, value in stored.items() if name not in ("splits", "split_by")}
    elif "splits" in given or "split_by" in given:
        stored.pop("split_time", None)
    if "input" in given:
        stored.pop("query", None)
    if "query" in given or stored.get("query") is not None:
        return stored
    return {"input": tuple(map(without_time, manifest.source["patterns"])), **stored}


def _open(path: str) -> BinaryIO:
    """Opens a local file or one on any file system that Beam knows."""
    if "://" not in path or path.startswith(CLOUD):
        return open_file(path)
    from beam_jobs.output import Output  # Beam: not for those who ask for help, or read a local folder

    return Output(path).open(path)
