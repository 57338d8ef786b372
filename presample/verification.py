"""`presample verify DIR`: whether a dataset is whole. Reads every byte of it."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict

from tfrecord_io.errors import DamagedManifestError, ManifestError
from tfrecord_io.verify import verify

WHOLE, DAMAGED, NO_DATASET = 0, 1, 2


def main(argv: Sequence[str] | None = None) -> int:
    """Prints what is wrong. Returns 0 whole, 1 damaged, 2 not a dataset."""
    parser = argparse.ArgumentParser(
        prog="presample verify",
        description="Checks every byte of a dataset against its manifest.",
        allow_abbrev=False,
    )
    parser.add_argument("directory", metavar="DIR", help="folder of the dataset, local or on gs://")
    parser.add_argument("--json", action="store_true", help="the outcome as JSON, for scripts")
    arguments = parser.parse_args(argv)
    try:
        result = verify(arguments.directory)
    except ManifestError as error:
        if arguments.json:
            print(json.dumps({"whole": False, "problems": [str(error)]}))
        print(f"presample: {error}", file=sys.stderr)
        return DAMAGED if isinstance(error, DamagedManifestError) else NO_DATASET
    if arguments.json:
        print(json.dumps({"whole": result.whole, **asdict(result)}))
        return WHOLE if result.whole else DAMAGED
    for problem in result.problems:
        print(f"presample: {problem}", file=sys.stderr)
    if result.problems:
        print(
            f"presample: {arguments.directory} is damaged. Restore these files, or run the job again.",
            file=sys.stderr,
        )
        return DAMAGED
    print(f"{arguments.directory} is whole: {result.rows:,} rows in {result.shards:,} shards, {result.bytes:,} bytes.")
    return WHOLE
