"""Objects of a store, as the workers of a job reach them: with Beam's options and credentials."""

from __future__ import annotations

import errno
import functools
import os
from collections.abc import Collection, Mapping
from os.path import commonprefix
from typing import Any, BinaryIO, cast

import pyarrow as pa
from apache_beam.io.filesystem import BeamIOError, CompressionTypes
from apache_beam.io.filesystems import FileSystems

from beam_jobs.sources.files import read_fully
from tfrecord_io.cloud_login import check_login
from tfrecord_io.cloud_storage import CloudFolder


class Objects:
    """Files of any file system that Beam knows, by name: relative, with forward slashes."""

    def __init__(self, folder: str) -> None:
        self._folder = folder.rstrip("/") + "/"

    def existing(self, names: Collection[str]) -> set[str]:
        return {name for name in names if FileSystems.exists(self._folder + name)}

    def folders(self, prefix: str) -> set[str]:
        found = FileSystems.match([self._folder + prefix + "**"])[0].metadata_list
        return {_top(each.path.removeprefix(self._folder)) for each in found}

    def size(self, name: str) -> int | None:
        found = FileSystems.match([self._folder + name])[0].metadata_list
        return int(found[0].size_in_bytes) if found else None

    def open(self, name: str) -> BinaryIO:
        path = self._folder + name
        if not FileSystems.exists(path):
            raise FileNotFoundError(errno.ENOENT, "there is no such file", path)
        return cast(BinaryIO, FileSystems.open(path, compression_type=CompressionTypes.UNCOMPRESSED))

    def read(self, name: str, offset: int, size: int) -> pa.Buffer:
        with self.open(name) as file:
            file.seek(offset)
            return pa.py_buffer(read_fully(file, size))

    def create(self, name: str) -> BinaryIO:
        return cast(BinaryIO, FileSystems.create(self._folder + name, compression_type=CompressionTypes.UNCOMPRESSED))

    def rename(self, names: Mapping[str, str]) -> None:
        """A copy and a deletion each, on `gs://` a hundred a request."""
        paths = {self._folder + old: self._folder + new for old, new in names.items()}
        try:
            FileSystems.rename(list(paths), list(paths.values()))
        except BeamIOError as error:
            failed = error.exception_details
            if not failed or not all(not FileSystems.exists(old) and FileSystems.exists(new) for old, new in failed):
                raise

    def delete(self, names: Collection[str]) -> None:
        for name in names:
            if FileSystems.exists(self._folder + name):
                FileSystems.delete([self._folder + name])

    def delete_folder(self, name: str) -> None:
        if FileSystems.match([self._folder + name + "/*"])[0].metadata_list:
            FileSystems.delete([self._folder + name + "/"])

    def publish(self, content: bytes, draft: str, name: str, replace: bool) -> bool:
        """A look, then a rename: Beam knows no exclusive step. A run that comes in between is replaced."""
        if not replace and self.existing([name]):
            return False
        with self.create(draft) as file:
            file.write(content)
        self.rename({draft: name})
        return True


class CloudObjects(Objects):
    """Files on `gs://`: what Cloud Storage can do and Beam's file systems have no word for."""

    def __init__(self, folder: str) -> None:
        super().__init__(folder)
        self._cloud = CloudFolder(folder, _client(os.getpid(), os.environ.get("STORAGE_EMULATOR_HOST")))

    def existing(self, names: Collection[str]) -> set[str]:
        """One listing, of what starts as all of them do."""
        prefix = commonprefix(list(names))  # noqa: RUF071 - of objects, whose names are no paths
        return {name for name, _ in self._cloud.list(prefix)}.intersection(names) if names else set()

    def folders(self, prefix: str) -> set[str]:
        return {_top(name) for name, _ in self._cloud.list(prefix) if "/" in name}

    def size(self, name: str) -> int | None:
        return self._cloud.size(name)

    def open(self, name: str) -> BinaryIO:
        return self._cloud.open(name)

    def read(self, name: str, offset: int, size: int) -> pa.Buffer:
        return pa.py_buffer(self._cloud.read(name, offset, size))

    def delete(self, names: Collection[str]) -> None:
        self._cloud.delete(names)

    def delete_folder(self, name: str) -> None:
        self._cloud.delete(found for found, _ in self._cloud.list(name + "/"))

    def publish(self, content: bytes, draft: str, name: str, replace: bool) -> bool:
        """One PUT, unless it may replace what is there on the condition that nothing is."""
        return self._cloud.write(name, content, replace)


def _top(name: str) -> str:
    return name.split("/")[0]


@functools.lru_cache(maxsize=4)
def _client(_process: int, _emulator: str | None) -> Any:
    """Beam's client, whose credentials may be borrowed (`--impersonate_service_account`); one a process."""
    check_login()  # Beam tries five times, 22 s in all, and then goes on without any
    return FileSystems.get_filesystem("gs://")._gcsIO().client
