"""Where a dataset is written: a local folder, or one of any file system that Beam knows."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa

from beam_jobs.local_files import LocalFiles
from beam_jobs.objects import CloudObjects, Objects
from beam_jobs.output_errors import explained, taken
from tfrecord_io.errors import OutputError
from tfrecord_io.manifest import MANIFEST_NAME
from tfrecord_io.storage import CLOUD, split_path


@dataclass(frozen=True)
class Output:
    """The folder named by `--output`. Names inside it are relative, with forward slashes.

    What goes wrong in it is an OutputError that says why.
    """

    folder: str

    @property
    def is_local(self) -> bool:
        """Whether it is a folder of this machine."""
        return "://" not in self.folder

    def path(self, name: str) -> str:
        """The full path of a file in the folder."""
        return self.folder.rstrip("/") + "/" + name

    def has_dataset(self) -> bool:
        """Whether a manifest is there."""
        return self.exists(MANIFEST_NAME)

    def exists(self, name: str) -> bool:
        """Whether a file of that name is there."""
        return bool(self.existing([name]))

    def existing(self, names: Collection[str]) -> set[str]:
        """Which of these files are there. Cost: on `gs://` one listing, elsewhere a look each."""
        with explained(self.folder):
            return _files(self.folder).existing(names)

    def folders(self, prefix: str) -> list[str]:
        """Names of folders directly in this one that start with a prefix."""
        with explained(self.folder):
            return sorted(_files(self.folder).folders(prefix))

    def size(self, name: str) -> int | None:
        """Bytes of a file; None if it is not there."""
        with explained(self.folder):
            return _files(self.folder).size(name)

    def open(self, path: str) -> BinaryIO:
        """Opens a file by its full path for reading.

        Raises:
          FileNotFoundError: it is not there.
          OSError: it cannot be read.
        """
        folder, name = split_path(path)
        return _files(folder).open(name)

    def read(self, name: str, offset: int, size: int) -> pa.Buffer:
        """A part of a file; of a local one mapped, not copied.

        Raises:
          OutputError: the file does not hold it.
        """
        with explained(self.path(name)):
            content = _files(self.folder).read(name, offset, size)
        if len(content) < size:
            raise OutputError(f"{self.path(name)} was cut short while the job ran. Run again.")
        return content

    @contextmanager
    def create(self, name: str) -> Iterator[BinaryIO]:
        """Opens a new file for writing; its folders are made.

        Raises:
          OutputError: it cannot be written.
        """
        with explained(self.path(name)), _files(self.folder).create(name) as stream:
            yield stream

    def rename(self, names: Mapping[str, str]) -> None:
        """Moves files to new names, replacing what is there.

        New names carry a digest of the content. So a file that is gone while its new name is there was
        moved before, by a try that did not live to tell, and counts as moved.

        Cost: on object stores a copy and a deletion each, on `gs://` a hundred a request.

        Raises:
          OutputError: one of them cannot be moved; others may have been.
        """
        if names:
            with explained(self.folder):
                _files(self.folder).rename(names)

    def delete(self, names: Collection[str]) -> None:
        """Deletes files; those that are not there are no error."""
        with explained(self.folder):
            _files(self.folder).delete(names)

    def delete_folder(self, name: str) -> None:
        """Deletes a folder in the dataset with all that is in it, if it is there."""
        with explained(self.folder):
            _files(self.folder).delete_folder(name)

    def prepare(self, run_folder: str) -> None:
        """Makes sure that files can be written.

        Raises:
          OutputError: they cannot.
        """
        with explained(self.folder):
            if self.is_local:
                Path(self.path(run_folder)).mkdir(parents=True)
        with self.create(run_folder + "/writable") as file:
            file.write(b"")

    def write_manifest(self, text: str, run_folder: str, replace: bool) -> None:
        """Publishes the dataset in one atomic step.

        Of several runs that come here at once without `replace`, one succeeds: a local file system
        refuses a second hard link of that name, Cloud Storage a PUT on the condition that nothing is
        there. Other object stores that Beam knows have neither, nor have file systems without links:
        there the manifest is looked for, then renamed into place, and of two runs in the same moment
        the second replaces the first. A manifest of the same bytes is this run's own, left by a try
        that did not live to tell.

        Raises:
          OutputError: another run published there first, and `replace` is False.
        """
        content = text.encode()
        with explained(self.folder):
            files = _files(self.folder)
            published = files.publish(content, f"{run_folder}/{MANIFEST_NAME}", MANIFEST_NAME, replace)
            if not published and not _holds(files, content):
                raise taken(self.folder)

    def check_space(self, needed: int, zipped: bool, spilled: bool) -> None:
        """Refuses to start what will not fit.

        Raises:
          OutputError: a local disk has less free than `needed` bytes, or twice that where they are
            spilled there before they are written.
        """
        if not self.is_local:
            return
        free = shutil.disk_usage(self.folder).free
        needed *= 1 + spilled
        if needed > free:
            what = " (half of it for a while)" if spilled else ""
            raise OutputError(
                f"{self.folder}: the plan needs about {needed / 1e9:.3g} GB{what}, the disk has {free / 1e9:.3g} GB "
                f"free. Keep fewer rows (--strategy){'' if zipped else ', use --compression gzip'} or write elsewhere."
            )


def _files(folder: str) -> LocalFiles | Objects:
    if "://" not in folder:
        return LocalFiles(folder)
    return CloudObjects(folder) if folder.startswith(CLOUD) else Objects(folder)


def _holds(files: LocalFiles | Objects, content: bytes) -> bool:
    """Whether the manifest that is there has this content."""
    try:
        with files.open(MANIFEST_NAME) as file:
            return file.read() == content
    except FileNotFoundError:
        return False


def refuse_to_replace(output: Output, overwrite: str) -> None:
    """Refuses a folder that holds a dataset, unless it may be replaced; and always a manifest.json of anything else.

    Raises:
      OutputError: says which.
    """
    with explained(output.folder), output.open(output.path(MANIFEST_NAME)) as file:
        text = file.read()
    if b'"presample"' not in text:
        raise OutputError(
            f"{output.path(MANIFEST_NAME)} is not presample's; a dataset would replace it. Choose another --output, or "
            "move that file away."
        )
    if overwrite == "no":
        raise taken(output.folder)
