"""`presample inspect DIR`: what is in a dataset. Reads its manifest and nothing else."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from rich.console import Console

from tfrecord_io.errors import ManifestError
from tfrecord_io.manifest import Manifest
from tfrecord_io.summary import dataset_table, reading_snippet


def main(argv: Sequence[str] | None = None) -> int:
    """Prints a table, or with --json the manifest. Returns 0, or 2 where there is no dataset."""
    parser = argparse.ArgumentParser(prog="presample inspect", description="What is in a dataset.", allow_abbrev=False)
    parser.add_argument("directory", metavar="DIR", help="folder of the dataset, local or on gs://")
    parser.add_argument("--json", action="store_true", help="the whole manifest, for scripts")
    arguments = parser.parse_args(argv)
    try:
        manifest = Manifest.load(arguments.directory)
    except ManifestError as error:
        print(f"presample: {error}", file=sys.stderr)
        return 2
    if arguments.json:
        print(manifest.to_json(), end="")
        return 0
    console = Console(highlight=False, soft_wrap=True)
    sampling, source = manifest.sampling, manifest.source
    folds = f", {sampling['folds']} folds" if sampling["folds"] > 1 else ""
    console.print(
        f"{arguments.directory}: label {manifest.label!r}, weight {manifest.weight!r}, "
        f"{len(manifest.schema)} features; strategy {sampling['strategy']}, weights {sampling['weights']}, "
        f"seed {sampling['seed']}{folds}",
        markup=False,
    )
    console.print(
        f"From {source['rows']:,} rows in {source['files']:,} {source['format']} files, {source['rejected_rows']:,} "
        f"rejected; written {manifest.created} (dataset {manifest.dataset_id[:16]})",
        markup=False,
    )
    console.print(dataset_table(manifest), soft_wrap=False)
    console.print(reading_snippet(arguments.directory, splits=manifest.splits), markup=False)
    return 0
