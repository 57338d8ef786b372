"""Errors on their way from a worker to the user.

A runner hands back what a worker raised as text, wrapped in tracebacks and step names. So a
`PresampleError` travels as one marked line of JSON, and is found again in whatever comes back.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager

from tfrecord_io import errors
from tfrecord_io.errors import PresampleError

_MARK = "presample-error:"
_PATTERN = re.compile(re.escape(_MARK) + r"([0-9a-f]+);")


class BandMissedError(PresampleError):
    """The band around a cut did not hold it: the draw is to be done again with a wider one."""


class WorkerError(RuntimeError):
    """A `PresampleError` inside a worker."""


_KINDS: dict[str, type[PresampleError]] = {
    kind.__name__: kind
    for kind in (*vars(errors).values(), BandMissedError)
    if isinstance(kind, type) and issubclass(kind, PresampleError)
}
"""What can be made again on the other side."""


@contextmanager
def reported() -> Iterator[None]:
    """Marks any `PresampleError` so that `cause_of` finds it on the other side."""
    try:
        yield
    except PresampleError as error:
        known = next(kind for kind in type(error).__mro__ if kind in _KINDS.values())
        content = json.dumps([known.__name__, str(error)]).encode().hex()
        raise WorkerError(f"{error} ({_MARK}{content};)") from error


def cause_of(error: BaseException) -> PresampleError | None:
    """The `PresampleError` that a failed pipeline stems from, if one does."""
    if isinstance(error, PresampleError):
        return error
    found = _PATTERN.search(str(error))
    if not found:
        return None
    name, message = json.loads(bytes.fromhex(found[1]))
    return _KINDS.get(name, PresampleError)(message)
