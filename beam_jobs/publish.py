"""Publication: nothing is a dataset before it, and it is a whole one afterwards.

Every step may be done twice, or half-way and again: runners repeat what fails or seems lost.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Iterator, Sequence

from beam_jobs.audit import PLACING, Draft, Publication
from beam_jobs.job import Job
from beam_jobs.options import RUN_PREFIX
from beam_jobs.output import Output
from beam_jobs.output_errors import explained
from tfrecord_io.errors import ManifestError, OutputError, PresampleError
from tfrecord_io.manifest import Manifest

_AT_ONCE = 100
"""Files that one worker moves into place at a time: as many as object stores take in one request."""

_LOG = logging.getLogger("presample")


def packs(publication: Publication) -> Iterator[list[Draft]]:
    """The files, as many together as are moved at a time."""
    for start in range(0, len(publication.files), _AT_ONCE):
        yield publication.files[start : start + _AT_ONCE]


def place(job: Job, files: Sequence[Draft]) -> int:
    """Moves files to their names in the dataset, where no manifest names them yet. Returns how many.

    Raises:
      OutputError: a file is not as it was written, or cannot be moved.
    """
    for file in files:
        found = job.output.size(file.name)
        if found is None:  # moved before this was repeated
            found = job.output.size(file.path)
        if found != file.bytes:
            raise OutputError(f"{job.output.path(file.name)} is not as it was written. Run again.")
    job.output.rename({file.name: file.path for file in files})
    return len(files)


def publish(job: Job, publication: Publication, placed: Iterable[int]) -> Manifest:
    """Writes the manifest, in one atomic step, and purges what it replaces if that was asked for.

    Raises:
      OutputError: not every file is in its place, or another run published there first.
    """
    total = sum(placed)
    if total != len(publication.files):
        raise OutputError(f"{total} of {len(publication.files)} files came into their places. Run again.")
    job.output.write_manifest(publication.manifest.to_json(), job.run_folder, job.options.overwrite != "no")
    try:
        if publication.purge:
            job.output.delete(sorted(set(publication.purge) - _of_others(job)))
    except PresampleError as error:
        _LOG.warning("The dataset is published, but the old one's shards could not all be removed: %s", error)
    return publication.manifest


def take_back(job: Job) -> None:
    """Removes what a failed run leaves behind: unfinished work, and files in their places that no manifest names.

    Files that another unfinished run has among its own stay, whoever placed them first.
    """
    output = job.output
    files = {name for name, new in _placing(output, job.run_folder).items() if new}
    if files:
        files -= _of_others(job)  # before the manifest is read: a run that ends in between is in one of them
    if files and output.has_dataset():
        try:
            files -= Manifest.load(output.folder, opener=output.open).files()
        except ManifestError:
            files.clear()
    output.delete(sorted(files))
    for folder, name in job.unfinished:
        folder.delete_folder(name)


def _of_others(job: Job) -> set[str]:
    """The files of other runs into this folder that have not ended."""
    others = (folder for folder in job.output.folders(RUN_PREFIX) if folder != job.run_folder)
    return {name for other in others for name in _placing(job.output, other)}


def _placing(output: Output, run_folder: str) -> dict[str, bool]:
    """The files that a run lists; none before it has written the list, or once it has ended."""
    path = output.path(f"{run_folder}/{PLACING}")
    with explained(path):
        try:
            with output.open(path) as note:
                listed: dict[str, bool] = json.loads(note.read())
        except (FileNotFoundError, NotADirectoryError):
            return {}
    return listed
