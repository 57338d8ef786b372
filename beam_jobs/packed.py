"""Values of many objects on their way through a runner, which measures and copies what it carries object by object."""

from __future__ import annotations

import functools
import pickle
from typing import Generic, TypeVar, cast

Value = TypeVar("Value")


class Packed(Generic[Value]):
    """A value as bytes, unpacked once in each process that looks at it."""

    def __init__(self, value: Value) -> None:
        self._bytes = pickle.dumps(value, pickle.HIGHEST_PROTOCOL)

    def value(self) -> Value:
        """The value; not to be changed, since others get the same."""
        return cast(Value, _unpack(self._bytes))


@functools.lru_cache(maxsize=16)
def _unpack(packed: bytes) -> object:
    return pickle.loads(packed)
