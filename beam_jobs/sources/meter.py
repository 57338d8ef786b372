"""How many bytes of the source were read: counted where files are read, reported by the pass that reads."""

from __future__ import annotations

import threading
from typing import Any, BinaryIO


class Meter:
    """Bytes read in this process that nobody has reported yet. Thread-safe.

    Arrow reads in threads of its own, so what a thread reads cannot be told from what others do at
    the same time; but the passes follow each other, and whoever reports takes what there is.
    """

    def __init__(self) -> None:
        self._bytes = 0
        self._lock = threading.Lock()

    def add(self, size: int) -> None:
        """Counts bytes."""
        with self._lock:
            self._bytes += size

    def take(self) -> int:
        """The bytes since the last call."""
        with self._lock:
            size, self._bytes = self._bytes, 0
            return size


METER = Meter()


class Metered:
    """A file opened for reading whose bytes are counted."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def read(self, size: int = -1) -> bytes:
        """As of the file."""
        content = self._stream.read(size)
        METER.add(len(content))
        return content

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
