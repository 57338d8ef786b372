"""What presample left in a folder and no manifest names: found, and removed.

Only files that presample itself would have named so are touched.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from tfrecord_io.cloud_storage import CloudFolder
from tfrecord_io.manifest import MANIFEST_NAME, Manifest

_SHARD = re.compile(r"[^/]+/label=[^/]+/part-\d{5,}-of-\d{5,}-[0-9a-f]{16}\.tfrecord(\.gz)?")
_REJECTED = re.compile(r"rejected/part-\d{5}-of-\d{5}-[0-9a-f]{16}\.jsonl")
_UNFINISHED = re.compile(r"\.presample-[0-9a-f]{12}")


class LocalLeftovers:
    """Of a local folder. Links, and what lies behind them, are left alone.

    Attributes:
      files: names of shards and rejected rows.
      bytes: their size.
      folders: names of folders of unfinished work.
    """

    def __init__(self, directory: str) -> None:
        """Looks for them; removes nothing.

        Raises:
          ManifestError: there is a manifest, but a damaged one; or nothing of presample's at all.
          OSError: they cannot be looked at.
        """
        self._root = Path(directory)
        own = list(self._own_files())
        folders = list(self._root.glob(".presample-*"))
        keep = _named(directory, os.path.lexists(self._root / MANIFEST_NAME), [*own, *folders])
        self.files = [name for name in own if name not in keep]
        self.bytes = sum((self._root / name).stat().st_size for name in self.files)
        self.folders = [
            path.name
            for path in folders
            if path.is_dir() and not path.is_symlink() and _UNFINISHED.fullmatch(path.name)
        ]

    def remove(self) -> None:
        """Removes them, and the folders that are empty then.

        Raises:
          OSError: one of them cannot be removed.
        """
        for name in self.files:
            (self._root / name).unlink()
        for name in self.folders:
            shutil.rmtree(self._root / name)
        for folder in {(self._root / name).parent for name in self.files}:
            _remove_empty(folder, self._root)

    def _own_files(self) -> Iterator[str]:
        for pattern, shape in (("*/label=*/part-*", _SHARD), ("rejected/part-*", _REJECTED)):
            for path in self._root.glob(pattern):
                name = path.relative_to(self._root)
                linked = any((self._root / part).is_symlink() for part in (name, *name.parents[:-1]))
                if path.is_file() and not linked and shape.fullmatch(name.as_posix()):
                    yield name.as_posix()


class CloudLeftovers:
    """Of a folder on `gs://`. One listing finds them all. Attributes as of `LocalLeftovers`."""

    def __init__(self, directory: str) -> None:
        """Looks for them; removes nothing.

        Raises:
          ManifestError, OSError: as `LocalLeftovers`.
        """
        self._folder = CloudFolder(directory)
        sizes = dict(self._folder.list())
        own = [name for name in sizes if _SHARD.fullmatch(name) or _REJECTED.fullmatch(name)]
        self._unfinished = [name for name in sizes if "/" in name and _UNFINISHED.fullmatch(name.split("/")[0])]
        keep = _named(directory, MANIFEST_NAME in sizes, [*own, *self._unfinished])
        self.files = [name for name in own if name not in keep]
        self.bytes = sum(sizes[name] for name in self.files)
        self.folders = sorted({name.split("/")[0] for name in self._unfinished})

    def remove(self) -> None:
        """Removes them.

        Raises:
          OSError: one of them cannot be removed.
        """
        self._folder.delete([*self.files, *self._unfinished])


def _named(directory: str, published: bool, found: Iterable[object]) -> set[str]:
    """The files that the manifest names: none where a first run left something and no manifest.

    Raises:
      ManifestError: there is a manifest, but a damaged one; or nothing of presample's at all.
    """
    return set() if not published and any(True for _ in found) else Manifest.load(directory).files()


def _remove_empty(folder: Path, root: Path) -> None:
    while folder != root and not any(folder.iterdir()):
        folder.rmdir()
        folder = folder.parent
