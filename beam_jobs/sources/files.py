"""Which files are read, what they are called, and how they are opened."""

from __future__ import annotations

import functools
import glob
import gzip
import os
import posixpath
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from apache_beam.io.filesystem import CompressionTypes
from apache_beam.io.filesystems import FileSystems

from beam_jobs.file_errors import cause_of
from beam_jobs.ordered import ordered_map
from beam_jobs.sources.meter import Metered
from tfrecord_io.cloud_login import check_login
from tfrecord_io.errors import SourceError
from tfrecord_io.storage import CLOUD

ROWS = "pcollection"
"""The format of a source that is no file: the rows of a PCollection."""

_GZIP_MAGIC = b"\x1f\x8b"
_AT_ONCE = 16
SEEK_BYTES = 1 << 16
"""Fetched at a time where only some places of a remote file are read."""


@dataclass(frozen=True)
class SourceFile:
    """A file to read. `name` is its identity: relative to the deepest folder that holds all files."""

    path: str
    name: str
    bytes: int
    gzip: bool = False

    @property
    def is_remote(self) -> bool:
        """Whether it is on no disk of this machine."""
        return "://" in self.path


def match_files(patterns: tuple[str, ...]) -> list[SourceFile]:
    """The non-empty files that match, each once, sorted by name.

    Raises:
      SourceError: a pattern matches no file, or all files are empty.
    """
    sizes: dict[str, int] = {}
    for pattern in patterns:
        found = _match_remote(pattern) if "://" in pattern else _match_local(pattern)
        if not found:
            raise SourceError(
                f"--input {pattern}: no file matches. Check the path, and quote the pattern so that the shell "
                "leaves it alone."
            )
        sizes |= found
    names = _names(list(sizes))
    files = [SourceFile(path, names[path], size) for path, size in sizes.items() if size]
    if not files:
        raise SourceError(
            f"--input {' '.join(patterns)}: {'all ' if len(sizes) > 1 else ''}{len(sizes)} matching "
            f"{'files are' if len(sizes) > 1 else 'file is'} empty (0 bytes). Check what writes them."
        )
    return sorted(files, key=lambda file: file.name)


def place(kind: str, position: int) -> str:
    """Where a row lies in its file, in words; `kind` is the format."""
    words = {"csv": "line at byte", "tfrecord": "record at byte", ROWS: "row_id digest"}
    return words.get(kind, "row") + f" {position}"


@contextmanager
def open_raw(file: SourceFile, seeks: bool = False) -> Iterator[BinaryIO]:
    """Opens the file's own bytes; `seeks` says that only some places of it will be read.

    Raises:
      SourceError: it cannot be opened.
    """
    with _explained(file.path, f"{file.path} cannot be opened"):
        stream = _open_remote(file.path, seeks) if file.is_remote else Path(file.path).open("rb")
    with stream:
        yield cast(BinaryIO, Metered(stream))


def _open_remote(path: str, seeks: bool) -> BinaryIO:
    if seeks and path.startswith(CLOUD):  # Beam fetches 16 MB at a time, which undoes what seeking saves
        from apache_beam.io.gcp.gcsio import GcsIO

        client = GcsIO(pipeline_options=FileSystems._pipeline_options)
        return cast(BinaryIO, client.open(path, "rb", read_buffer_size=SEEK_BYTES))
    return cast(BinaryIO, FileSystems.open(path, compression_type=CompressionTypes.UNCOMPRESSED))


@contextmanager
def open_content(file: SourceFile, seeks: bool = False) -> Iterator[BinaryIO]:
    """Opens the file's content, decompressed where it is gzip; `seeks` as in `open_raw`.

    Raises:
      SourceError: it cannot be opened, or its gzip stream is damaged.
    """
    with open_raw(file, seeks) as raw:
        if not file.gzip:
            yield raw
            return
        try:
            with gzip.GzipFile(fileobj=raw) as content:
                yield cast(BinaryIO, content)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise SourceError(f"{file.path} is no whole gzip file: {error}. Copy it anew.") from error


def heads(files: Sequence[SourceFile], size: int) -> list[bytes]:
    """The first bytes of the files themselves. Of remote ones many at once: each costs a round trip."""
    return list(ordered_map(functools.partial(_head, size=size), files, at_once(files)))


def at_once(files: Sequence[SourceFile]) -> int:
    """How many places of the files to read at a time, where next to nothing is read at each."""
    return _AT_ONCE if files and files[0].is_remote else 1


def _head(file: SourceFile, size: int) -> bytes:
    with open_raw(file, seeks=True) as stream:
        return read_fully(stream, size)


def is_gzip(first_bytes: bytes) -> bool:
    """Whether a file that starts like this is gzip, whatever its name says."""
    return first_bytes[:2] == _GZIP_MAGIC


def read_fully(stream: BinaryIO, size: int) -> bytes:
    """Reads `size` bytes, fewer only at the end of the stream."""
    pieces = []
    while size > 0:
        piece = stream.read(size)
        if not piece:
            break
        pieces.append(piece)
        size -= len(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _match_local(pattern: str) -> dict[str, int]:
    paths = [pattern] if os.path.lexists(pattern) else glob.glob(pattern, recursive=True)  # noqa: PTH207 - absolute patterns too
    if paths == [pattern] and Path(pattern).is_dir():
        raise SourceError(f"--input {pattern} is a folder. Name the files in it, like {pattern.rstrip('/')}/*.csv.")
    return {_settled(path): Path(path).stat().st_size for path in paths if Path(path).is_file()}


@contextmanager
def _explained(path: str, what: str) -> Iterator[None]:
    """Turns what file systems raise into one message.

    Raises:
      SourceError: says `what` went wrong, and why.
    """
    try:
        yield
    except Exception as error:
        cause = cause_of(error, path)
        if cause is None:
            raise
        why = str(cause if cause is error else getattr(cause, "strerror", None) or cause)
        raise SourceError(f"{what}: {why.rstrip('.')}.") from error


def _settled(path: str) -> str:
    """The absolute path, the same whichever way around it was named."""
    absolute = Path(path).absolute()
    return str(absolute.parent.resolve() / absolute.name if ".." in absolute.parts else absolute)


def _match_remote(pattern: str) -> dict[str, int]:
    with _explained(pattern, f"--input {pattern} cannot be listed"):
        if pattern.startswith(CLOUD):
            check_login()  # Beam tries five times, 22 s in all, and then goes on without any
        results = FileSystems.match([pattern])
    return {metadata.path: metadata.size_in_bytes for result in results for metadata in result.metadata_list}


def _names(paths: list[str]) -> dict[str, str]:
    folders = [posixpath.dirname(path).split("/") for path in paths]
    shared = 0
    while all(len(folder) > shared and folder[shared] == folders[0][shared] for folder in folders):
        shared += 1
    return {path: "/".join(path.split("/")[shared:]) for path in paths}
