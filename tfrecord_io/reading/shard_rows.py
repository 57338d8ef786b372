"""Rows of shards as they lie on disk: found, cut out and checked, not decoded."""

from __future__ import annotations

import gzip
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

import numpy as np

from tfrecord_io.errors import CorruptShardError
from tfrecord_io.reading.passes import PassSlice
from tfrecord_io.record_blocks import RecordBlock, record_blocks

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_BLOCK_BYTES = 2**20
_GZIP_BYTES = 2**18


@dataclass(frozen=True)
class Piece:
    """Rows `low` to `high` of a block of records; `factor` is that of their weights."""

    block: RecordBlock
    low: int
    high: int
    factor: float

    def __len__(self) -> int:
        return self.high - self.low


class PieceReader:
    """The rows of some slices, one after the other, from row number `skip` on.

    Skips by record headers, and checks the CRCs of what it does not skip. Memory: a MB or one record.
    No file stays open between reads.
    """

    def __init__(self, slices: Iterable[PassSlice], skip: int = 0) -> None:
        self._pieces = _read_slices(slices, skip)
        self._rest: Piece | None = None

    def read(self, count: int) -> Iterator[Piece]:
        """The next rows; no more than there are.

        Raises:
          CorruptShardError: a shard that is missing, damaged, or holds other than the manifest's number of rows.
        """
        while count:
            piece = self._rest or next(self._pieces, None)
            if piece is None:
                return
            cut = min(piece.low + count, piece.high)
            self._rest = replace(piece, low=cut) if cut < piece.high else None
            count -= cut - piece.low
            yield replace(piece, high=cut)


class _Reopened(io.RawIOBase):
    """A file that is open only while it is read: thousands of them need no more descriptors than one."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self._path = Path(path)
        self._at = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        with self._path.open("rb", buffering=0) as file:
            file.seek(self._at)
            count = file.readinto(buffer)
        self._at += count
        return count


def _read_slices(slices: Iterable[PassSlice], skip: int) -> Iterator[Piece]:
    for one in slices:
        if skip < one.shard.rows:
            yield from _read_slice(one, skip)
        skip = max(skip - one.shard.rows, 0)


def _read_slice(one: PassSlice, skip: int) -> Iterator[Piece]:
    path = one.shard.path
    low, high = one.shard.first + skip, one.shard.first + one.shard.rows
    stop = 0
    try:
        blocks = record_blocks(_open(path, one.compression).read, path, _BLOCK_BYTES)
        for block in blocks:
            stop = block.first + len(block)
            if stop <= low:
                continue
            piece = Piece(block, max(low - block.first, 0), min(high - block.first, len(block)), one.factor)
            block.check(np.arange(piece.low, piece.high))
            if stop >= high:
                _check_end(one, stop, blocks)
                yield piece
                return
            yield piece
    except FileNotFoundError as error:
        raise CorruptShardError(f"{path} is missing. Restore the file, or write the dataset again.") from error
    except OSError as error:
        raise CorruptShardError(f"{path} cannot be read: {error.strerror or error}.") from error
    raise _other_rows(one, f"{stop} rows")


def _open(path: str, compression: str) -> BinaryIO:
    raw = _Reopened(path)
    if compression == "gzip":
        return cast(BinaryIO, gzip.GzipFile(fileobj=io.BufferedReader(raw, _GZIP_BYTES)))
    return io.BufferedReader(raw)


def _check_end(one: PassSlice, stop: int, more: Iterator[RecordBlock]) -> None:
    """Fails where a file goes on after its last row."""
    last = one.shard.first + one.shard.rows == one.shard.file_rows
    if last and (stop > one.shard.file_rows or next(more, None) is not None):
        raise _other_rows(one, "more rows")


def _other_rows(one: PassSlice, found: str) -> CorruptShardError:
    return CorruptShardError(
        f"{one.shard.path} holds {found}, not the {one.shard.file_rows} of the manifest. Restore the file, or write "
        "the dataset again."
    )
