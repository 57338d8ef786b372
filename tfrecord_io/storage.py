"""Storage: how the files of a dataset are read, from a local folder or from `gs://`.

What goes wrong is an `OSError`, as with any file; its text says why and what to do.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO, Protocol

CLOUD = "gs://"


class Folder(Protocol):
    """Files by name: relative, with forward slashes.

    Attributes:
      readers: how many of them are best read at a time.
    """

    readers: int

    def open(self, name: str) -> BinaryIO:
        """Opens a file for reading.

        Raises:
          FileNotFoundError: there is no such file.
          OSError: it cannot be read.
        """

    def read(self, name: str, offset: int, size: int) -> bytes:
        """A part of a file, shorter where the file ends.

        Raises:
          FileNotFoundError: there is no such file.
          OSError: it cannot be read.
        """


class LocalFolder:
    """A folder of this machine."""

    def __init__(self, path: str) -> None:
        self._path = Path(path)
        self.readers = os.cpu_count() or 1

    def open(self, name: str) -> BinaryIO:
        return (self._path / name).open("rb")

    def read(self, name: str, offset: int, size: int) -> bytes:
        with (self._path / name).open("rb", buffering=0) as file:
            file.seek(offset)
            return file.read(size)


def open_folder(path: str) -> Folder:
    """The folder of that path. Asks nobody for it yet.

    Raises:
      OSError: it is neither local nor `gs://`; or for the latter a library or credentials are missing.
    """
    if path.startswith(CLOUD):
        from tfrecord_io.cloud_storage import CloudFolder

        return CloudFolder(path)
    if "://" in path:
        scheme = path.split("://")[0]
        raise OSError(f"{scheme}:// is not read, only local folders and {CLOUD} are. Copy it to one of these first")
    return LocalFolder(path)


def open_file(path: str) -> BinaryIO:
    """Opens a file by its full path for reading.

    Raises:
      FileNotFoundError: there is no such file.
      OSError: as `open_folder`, or it cannot be read.
    """
    folder, name = split_path(path)
    return open_folder(folder).open(name)


def split_path(path: str) -> tuple[str, str]:
    """A file's folder, ending in a slash unless it is empty, and its name."""
    name = path.rsplit("/", 1)[-1]
    return path.removesuffix(name), name
