"""Errors of runners and their services, which are not ours, each as one message."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from tfrecord_io.errors import PresampleError, UsageError

_ENDED = re.compile(r"Dataflow pipeline failed\. State: (\w+), Error:\n(.*)", re.DOTALL)
_CLIENTS = ("google", "requests")
"""Libraries that talk to Google's services."""

_MORE = "(--verbose shows all of it)"


def one_message(error: Exception) -> PresampleError:
    """An error that says what went wrong in one line; a runner's text may be pages of traceback."""
    known = _of_service(error)
    if known is not None:
        return known
    text, kind = str(error), type(error).__name__
    if kind == "FutureTimeoutError":  # grpc's
        return PresampleError("No job service answers at --job_endpoint. Start one, or check its address.")
    ended = _ENDED.search(text)
    if ended and ended[1] == "CANCELLED":
        return PresampleError(f"The job{_id_of(error)} was cancelled before it was done.")
    if ended:
        return PresampleError(f"The job{_id_of(error)} failed on Dataflow: {_last_line(ended[2])} {_MORE}")
    return PresampleError(f"The job failed: {kind}: {_last_line(text)} {_MORE}")


def refuse_incomplete(settings: Mapping[str, Any]) -> None:
    """Names the flags that DataflowRunner lacks, or a wrong region: Beam would first look elsewhere, for minutes.

    Args:
      settings: all of Beam's options.

    Raises:
      UsageError: a flag is missing or wrong.
    """
    if settings["runner"] != "DataflowRunner":
        return
    from beam_jobs.dataflow.place import checked_region

    missing = ["--project P"] * (not settings["project"])
    folders = [str(settings[name] or "") for name in ("temp_location", "staging_location")]
    missing += ["--temp_location gs://BUCKET/temp"] * (not any(folder.startswith("gs://") for folder in folders))
    if missing:
        raise UsageError(
            f"--runner=DataflowRunner needs {' and '.join(missing)}. `presample dataflow launch` needs less: it "
            "sets what a job on Dataflow wants."
        )
    if settings["region"]:
        checked_region(settings["region"])


def _of_service(error: Exception) -> PresampleError | None:
    """What a service of Google's refused, explained."""
    if type(error).__module__.partition(".")[0] not in _CLIENTS:
        return None
    from beam_jobs.dataflow.explained import explained

    try:
        with explained():
            raise error
    except PresampleError as known:
        return known
    except Exception:
        return None


def _id_of(error: Exception) -> str:
    result = getattr(error, "result", None)
    return f" {result.job_id()}" if result is not None else ""


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["no reason given"])[-1]
