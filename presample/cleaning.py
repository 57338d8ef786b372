"""`presample clean DIR`: removes what no manifest names, and nothing that could be anything else.

Shards of replaced datasets stay for whoever still reads them, and a run that was killed may leave
its folder of unfinished work. Only files that presample itself would have named so are touched.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from tfrecord_io.errors import ManifestError
from tfrecord_io.manifest import MANIFEST_NAME, Manifest

_SHARD = re.compile(r"[^/]+/label=[^/]+/part-\d{5,}-of-\d{5,}-[0-9a-f]{16}\.tfrecord(\.gz)?")
_REJECTED = re.compile(r"rejected/part-\d{5}-of-\d{5}-[0-9a-f]{16}\.jsonl")
_UNFINISHED = re.compile(r"\.presample-[0-9a-f]{12}")


def main(argv: Sequence[str] | None = None) -> int:
    """Removes, and says what. Returns 0, 1 when it cannot, 2 where there is neither a dataset nor unfinished work."""
    parser = argparse.ArgumentParser(
        prog="presample clean",
        description="Removes shards that the manifest does not name, and what killed runs left behind. "
        "Do not use it while a run writes to the same folder.",
        allow_abbrev=False,
    )
    parser.add_argument("directory", metavar="DIR", help="folder of the dataset")
    root = Path(parser.parse_args(argv).directory)
    try:
        keep = _named(root)
        files = [path for path in _shard_files(root) if path.relative_to(root).as_posix() not in keep]
    except ManifestError as error:
        print(f"presample: {error}", file=sys.stderr)
        return 2
    folders = [
        path
        for path in root.glob(".presample-*")
        if path.is_dir() and not path.is_symlink() and _UNFINISHED.fullmatch(path.name)
    ]
    try:
        size = sum(path.stat().st_size for path in files)
        for path in files:
            path.unlink()
        for folder in folders:
            shutil.rmtree(folder)
        for folder in {path.parent for path in files}:
            _remove_empty(folder, root)
    except OSError as error:
        print(
            f"presample: {error.filename} cannot be removed: {error.strerror}. Correct that, and clean again; what was "
            "removed so far belonged to no dataset.",
            file=sys.stderr,
        )
        return 1
    print(f"Removed {len(files)} files ({size:,} bytes) and {len(folders)} folders of unfinished work from {root}.")
    return 0


def _named(root: Path) -> set[str]:
    """The files that the manifest names.

    Raises:
      ManifestError: there is a manifest, but a damaged one; or nothing of presample's at all.
    """
    if not os.path.lexists(root / MANIFEST_NAME) and (any(root.glob(".presample-*")) or any(_shard_files(root))):
        return set()
    manifest = Manifest.load(root)
    return manifest.files()


def _shard_files(root: Path) -> Iterator[Path]:
    """Files that are named like shards or rejected rows; links, and what lies behind them, are left alone."""
    for pattern, shape in (("*/label=*/part-*", _SHARD), ("rejected/part-*", _REJECTED)):
        for path in root.glob(pattern):
            name = path.relative_to(root)
            linked = any((root / part).is_symlink() for part in (name, *name.parents[:-1]))
            if path.is_file() and not linked and shape.fullmatch(name.as_posix()):
                yield path


def _remove_empty(folder: Path, root: Path) -> None:
    while folder != root and not any(folder.iterdir()):
        folder.rmdir()
        folder = folder.parent
