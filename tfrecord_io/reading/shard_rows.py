"""Rows of shards as they lie on disk: found, cut out and checked, not decoded."""

from __future__ import annotations

import gzip
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tfrecord_io.errors import CorruptShardError
from tfrecord_io.reading.passes import PassSlice
from tfrecord_io.record_blocks import RecordBlock, record_blocks
from tfrecord_io.records import damaged
from tfrecord_io.storage import open_folder, split_path

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

IntArray = npt.NDArray[np.int64]

_BLOCK_BYTES = 2**20
_GZIP_BYTES = 2**18


@dataclass(frozen=True)
class RawRows:
    """Records [n], checked, and where they come from.

    Row i is record `record[i]` of `slices[slice[i]]`, at byte `position[i]` of the file's content.
    """

    payloads: pa.LargeBinaryArray
    slices: Sequence[PassSlice]
    slice: IntArray
    record: IntArray
    position: IntArray

    def __len__(self) -> int:
        return len(self.payloads)

    def take(self, rows: IntArray) -> RawRows:
        """Some of them, in that order, in memory of their own."""
        payloads = self.payloads.take(pa.array(rows))
        return RawRows(payloads, self.slices, self.slice[rows], self.record[rows], self.position[rows])

    @classmethod
    def join(cls, parts: Sequence[RawRows]) -> RawRows:
        """The rows of all parts [1 or more], one after the other."""
        if len(parts) == 1:
            return parts[0]
        firsts = np.cumsum([0, *(len(part.slices) for part in parts)])
        return cls(
            payloads=pa.concat_arrays([part.payloads for part in parts]),
            slices=[one for part in parts for one in part.slices],
            slice=np.concatenate([part.slice + first for part, first in zip(parts, firsts, strict=False)]),
            record=np.concatenate([part.record for part in parts]),
            position=np.concatenate([part.position for part in parts]),
        )

    def damaged(self, row: int, why: str) -> CorruptShardError:
        """The error for a row that is not what it should be."""
        path = self.slices[self.slice[row]].shard.path
        return damaged(path, int(self.record[row]), int(self.position[row]), why)


class RowReader:
    """The rows of some slices, one after the other, from row number `skip` on.

    Skips by record headers, and checks the CRCs of what it does not skip. Memory: a MB or one record.
    No file stays open between reads.
    """

    def __init__(self, slices: Iterable[PassSlice], skip: int = 0) -> None:
        self._found = _read_slices(slices, skip)
        self._rest: RawRows | None = None

    def read(self, count: int) -> Iterator[RawRows]:
        """The next rows; no more than there are.

        Raises:
          CorruptShardError: a shard that is missing, damaged, or holds other than the manifest's number of rows.
        """
        while count:
            rows = self._rest or next(self._found, None)
            if rows is None:
                return
            self._rest = rows.take(np.arange(count, len(rows))) if count < len(rows) else None
            if self._rest:
                rows = rows.take(np.arange(count))
            count -= len(rows)
            yield rows


class _Reopened(io.RawIOBase):
    """A file that is open only while it is read: thousands of them need no more descriptors than one."""

    def __init__(self, path: str) -> None:
        super().__init__()
        folder, self._name = split_path(path)
        self._folder = open_folder(folder)
        self._at = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer).cast("B")
        content = self._folder.read(self._name, self._at, len(view))
        view[: len(content)] = content
        self._at += len(content)
        return len(content)


def _read_slices(slices: Iterable[PassSlice], skip: int) -> Iterator[RawRows]:
    for one in slices:
        if skip < one.shard.rows:
            yield from _read_slice(one, skip)
        skip = max(skip - one.shard.rows, 0)


def _read_slice(one: PassSlice, skip: int) -> Iterator[RawRows]:
    path = one.shard.path
    low, high = one.shard.first + skip, one.shard.first + one.shard.rows
    stop = 0
    try:
        blocks = record_blocks(_open(path, one.compression).read, path, _BLOCK_BYTES)
        for block in blocks:
            stop = block.first + len(block)
            if stop <= low:
                continue
            if stop >= high:
                _check_end(one, stop, blocks)
            wanted = np.arange(max(low - block.first, 0), min(high - block.first, len(block)))
            yield RawRows(
                payloads=block.take(wanted),
                slices=[one],
                slice=np.zeros(len(wanted), np.int64),
                record=block.first + wanted,
                position=block.positions[wanted],
            )
            if stop >= high:
                return
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
