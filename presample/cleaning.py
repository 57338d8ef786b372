"""`presample clean DIR`: removes what no manifest names, and nothing that could be anything else.

Shards of replaced datasets stay for whoever still reads them, and a run that was killed may leave
its folder of unfinished work.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from presample.leftovers import CloudLeftovers, LocalLeftovers
from tfrecord_io.errors import ManifestError
from tfrecord_io.storage import CLOUD


def main(argv: Sequence[str] | None = None) -> int:
    """Removes, and says what. Returns 0, 1 when it cannot, 2 where there is neither a dataset nor unfinished work."""
    parser = argparse.ArgumentParser(
        prog="presample clean",
        description="Removes shards that the manifest does not name, and what killed runs left behind. "
        "Do not use it while a run writes to the same folder.",
        allow_abbrev=False,
    )
    parser.add_argument("directory", metavar="DIR", help="folder of the dataset, local or on gs://")
    directory = parser.parse_args(argv).directory
    try:
        left = CloudLeftovers(directory) if directory.startswith(CLOUD) else LocalLeftovers(directory)
    except ManifestError as error:
        print(f"presample: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"presample: {directory} cannot be read: {error.strerror or error}.", file=sys.stderr)
        return 2
    try:
        left.remove()
    except OSError as error:
        print(
            f"presample: {error.filename or directory} cannot be removed: {error.strerror or error}. Correct that, and "
            "clean again; what was removed so far belonged to no dataset.",
            file=sys.stderr,
        )
        return 1
    print(
        f"Removed {_counted(len(left.files), 'file')} ({left.bytes:,} bytes) and "
        f"{_counted(len(left.folders), 'folder')} of unfinished work from {directory}."
    )
    return 0


def _counted(number: int, thing: str) -> str:
    return f"{number:,} {thing}{'' if number == 1 else 's'}"
