"""Files below a folder of this machine."""

from __future__ import annotations

import errno
import os
import posixpath
import shutil
import uuid
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa

_NO_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}
"""What file systems without hard links say."""


class LocalFiles:
    """Files by name: relative, with forward slashes. There may be thousands, and `Path` is slow."""

    def __init__(self, folder: str) -> None:
        self._folder = folder.rstrip("/") + "/" if folder else ""

    def existing(self, names: Collection[str]) -> set[str]:
        return {name for name in names if os.path.exists(self._folder + name)}  # noqa: PTH110

    def folders(self, prefix: str) -> set[str]:
        return {path.name for path in Path(self._folder).glob(prefix + "*") if path.is_dir()}

    def size(self, name: str) -> int | None:
        path = Path(self._folder + name)
        return path.stat().st_size if path.is_file() else None

    def open(self, name: str) -> BinaryIO:
        return Path(self._folder + name).open("rb")

    def read(self, name: str, offset: int, size: int) -> pa.Buffer:
        """A part of a file, mapped."""
        with pa.memory_map(self._folder + name) as file:
            file.seek(offset)
            return file.read_buffer(size)

    def create(self, name: str) -> BinaryIO:
        path = Path(self._folder + name)
        try:
            return path.open("wb")
        except FileNotFoundError:
            path.parent.mkdir(parents=True, exist_ok=True)
            return path.open("wb")

    def rename(self, names: Mapping[str, str]) -> None:
        for folder in {posixpath.dirname(new) for new in names.values()}:
            os.makedirs(self._folder + folder, exist_ok=True)  # noqa: PTH103
        for old, new in names.items():
            _replace(self._folder + old, self._folder + new)

    def delete(self, names: Collection[str]) -> None:
        for name in names:
            Path(self._folder + name).unlink(missing_ok=True)

    def delete_folder(self, name: str) -> None:
        shutil.rmtree(self._folder + name, ignore_errors=True)

    def publish(self, content: bytes, draft: str, name: str, replace: bool) -> bool:
        """A hard link is both atomic and exclusive. Where there are none: a look, then a rename."""
        draft += "." + uuid.uuid4().hex  # one a try: an earlier one's may be the manifest that is there
        with self.create(draft) as file:
            file.write(content)
        if not replace:
            try:
                os.link(self._folder + draft, self._folder + name)
            except FileExistsError:
                return False
            except OSError as error:
                if error.errno not in _NO_LINKS:
                    raise
                if self.existing([name]):
                    return False
            else:
                return True
        self.rename({draft: name})
        return True


def _replace(old: str, new: str) -> None:
    try:
        os.replace(old, new)  # noqa: PTH105
    except FileNotFoundError:
        if not os.path.exists(new):  # noqa: PTH110
            raise
