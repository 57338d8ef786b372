"""Errors of runners and their services, which are not ours, each as one message."""

from __future__ import annotations

import re

from tfrecord_io.errors import PresampleError

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
