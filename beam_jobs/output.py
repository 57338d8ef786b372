"""Where a dataset is written: a local folder, or one of any file system that Beam knows."""

from __future__ import annotations

import errno
import os
import posixpath
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

import pyarrow as pa
from apache_beam.io.filesystem import BeamIOError, CompressionTypes
from apache_beam.io.filesystems import FileSystems

from beam_jobs.sources.files import read_fully
from tfrecord_io.errors import OutputError
from tfrecord_io.manifest import MANIFEST_NAME

_NO_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}
"""What file systems without hard links say."""


@dataclass(frozen=True)
class Output:
    """The folder named by `--output`. Names inside it are relative, with forward slashes."""

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
        with _explained(self.folder):
            path = self.path(name)
            return Path(path).exists() if self.is_local else bool(FileSystems.exists(path))

    def existing(self, names: Sequence[str]) -> set[str]:
        """Those of the files that are there."""
        return {name for name in names if self.exists(name)}

    def folders(self, prefix: str) -> list[str]:
        """Names of folders directly in this one that start with a prefix."""
        with _explained(self.folder):
            if self.is_local:
                return sorted(path.name for path in Path(self.folder).glob(prefix + "*") if path.is_dir())
            found = FileSystems.match([self.path(prefix) + "**"])[0].metadata_list
            return sorted({each.path[len(self.path("")) :].split("/")[0] for each in found})

    def size(self, name: str) -> int | None:
        """Bytes of a file; None if it is not there."""
        with _explained(self.folder):
            if self.is_local:  # FileSystems.match would take brackets in the path for a pattern
                path = Path(self.path(name))
                return path.stat().st_size if path.is_file() else None
            found = FileSystems.match([self.path(name)])[0].metadata_list
            return int(found[0].size_in_bytes) if found else None

    def open(self, path: str) -> BinaryIO:
        """Opens a file by its full path for reading.

        Raises:
          FileNotFoundError: it is not there.
        """
        if not FileSystems.exists(path):
            raise FileNotFoundError(errno.ENOENT, "there is no such file", path)
        return cast(BinaryIO, FileSystems.open(path, compression_type=CompressionTypes.UNCOMPRESSED))

    def read(self, name: str, offset: int, size: int) -> pa.Buffer:
        """A part of a file; of a local one mapped, not copied.

        Raises:
          OutputError: the file does not hold it.
        """
        with _explained(self.path(name)):
            if self.is_local:
                with pa.memory_map(self.path(name)) as file:
                    file.seek(offset)
                    content = file.read_buffer(size)
            else:
                with self.open(self.path(name)) as file:
                    file.seek(offset)
                    content = pa.py_buffer(read_fully(file, size))
        if len(content) < size:
            raise OutputError(f"{self.path(name)} was cut short while the job ran. Run again.")
        return content

    @contextmanager
    def create(self, name: str) -> Iterator[BinaryIO]:
        """Opens a new file for writing; its folders are made.

        Raises:
          OutputError: it cannot be written.
        """
        with _explained(self.path(name)):
            if self.is_local:
                stream = _open_new(Path(self.path(name)))
            else:
                stream = FileSystems.create(self.path(name), compression_type=CompressionTypes.UNCOMPRESSED)
            with stream:
                yield stream

    def rename(self, names: dict[str, str]) -> None:
        """Moves files to new names, replacing what is there."""
        if not names:
            return
        with _explained(self.folder):
            if self.is_local:
                for folder in {posixpath.dirname(new) for new in names.values()}:
                    os.makedirs(self.path(folder), exist_ok=True)  # noqa: PTH103 - thousands: paths are slow
                for old, new in names.items():
                    os.replace(self.path(old), self.path(new))  # noqa: PTH105
            else:
                FileSystems.rename([self.path(old) for old in names], [self.path(new) for new in names.values()])

    def delete(self, names: list[str]) -> None:
        """Deletes files; those that are not there are no error."""
        with _explained(self.folder):
            for name in names:
                if FileSystems.exists(self.path(name)):
                    FileSystems.delete([self.path(name)])

    def delete_folder(self, name: str) -> None:
        """Deletes a folder in the dataset with all that is in it, if it is there."""
        with _explained(self.folder):
            if self.is_local:
                shutil.rmtree(self.path(name), ignore_errors=True)
            elif FileSystems.match([self.path(name) + "/*"])[0].metadata_list:
                FileSystems.delete([self.path(name) + "/"])

    def prepare(self, run_folder: str) -> None:
        """Makes sure that files can be written.

        Raises:
          OutputError: they cannot.
        """
        with _explained(self.folder):
            if self.is_local:
                Path(self.path(run_folder)).mkdir(parents=True)
        with self.create(run_folder + "/writable") as file:
            file.write(b"")

    def write_manifest(self, text: str, run_folder: str, replace: bool) -> None:
        """Publishes the dataset in one atomic step.

        Raises:
          OutputError: another run published there first, and `replace` is False.
        """
        draft = run_folder + "/" + MANIFEST_NAME
        with self.create(draft) as file:
            file.write(text.encode())
        if not self.is_local:
            if not replace and self.has_dataset():
                raise taken(self.folder)
            self.rename({draft: MANIFEST_NAME})
            return
        with _explained(self.folder):
            if replace:
                Path(self.path(draft)).replace(self.path(MANIFEST_NAME))
                return
            try:
                os.link(self.path(draft), self.path(MANIFEST_NAME))
            except FileExistsError as error:
                raise taken(self.folder) from error
            except OSError as error:
                if error.errno not in _NO_LINKS:
                    raise
                if self.has_dataset():  # without links no step is both atomic and exclusive
                    raise taken(self.folder) from error
                Path(self.path(draft)).replace(self.path(MANIFEST_NAME))

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


def _open_new(path: Path) -> BinaryIO:
    try:
        return path.open("wb")
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("wb")


def refuse_to_replace(output: Output, overwrite: str) -> None:
    """Refuses a folder that holds a dataset, unless it may be replaced; and always a manifest.json of anything else.

    Raises:
      OutputError: says which.
    """
    with _explained(output.folder), output.open(output.path(MANIFEST_NAME)) as file:
        text = file.read()
    if b'"presample"' not in text:
        raise OutputError(
            f"{output.path(MANIFEST_NAME)} is not presample's; a dataset would replace it. Choose another --output, or "
            "move that file away."
        )
    if overwrite == "no":
        raise taken(output.folder)


def taken(folder: str) -> OutputError:
    """The error for a folder that holds a dataset."""
    return OutputError(
        f"{folder} already holds a dataset. Choose another --output, or replace it with --overwrite "
        "(its old shards stay for whoever reads them; --overwrite=purge removes them)."
    )


@contextmanager
def _explained(path: str) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError, BeamIOError) as error:  # ValueError: a scheme that Beam does not know
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            why = "the disk is full. Free some space, or write elsewhere"
        else:
            why = str(getattr(error, "strerror", None) or error).rstrip(".")
            why += ". Check that it is a folder that may be written to, or choose another --output"
        raise OutputError(f"{path} cannot be written: {why}.") from error
