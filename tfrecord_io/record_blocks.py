"""TFRecord streams as blocks of some MB: where the records lie, with no object for each."""

from __future__ import annotations

import dataclasses
import gzip
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tfrecord_io.errors import CorruptShardError
from tfrecord_io.records import FRAME_BYTES, MAX_RECORD_BYTES, damaged, masked_crc32c, masked_crcs
from tfrecord_io.slices import PADDING, slices

IntArray = npt.NDArray[np.int64]

_HEADER_BYTES = 12
_FOOTER_BYTES = 4


@dataclass(frozen=True)
class RecordBlock:
    """Consecutive records of one stream: payload i is data[starts[i]:stops[i]].

    `first` is the number of the first record, `offset` where its frame starts in the stream, `name`
    what to call the stream in errors. The CRCs of the payloads are not checked yet: see `check`.
    """

    data: bytes
    starts: IntArray
    stops: IntArray
    first: int
    offset: int
    name: str

    def __len__(self) -> int:
        return len(self.starts)

    @property
    def positions(self) -> IntArray:
        """Where each record's frame starts in the stream [n]."""
        return self.starts + (self.offset - _HEADER_BYTES)

    def payload(self, row: int) -> bytes:
        """One record."""
        return self.data[self.starts[row] : self.stops[row]]

    def head(self, count: int) -> RecordBlock:
        """The first records, `count` at most."""
        return dataclasses.replace(self, starts=self.starts[:count], stops=self.stops[:count])

    def take(self, rows: IntArray) -> pa.LargeBinaryArray:
        """Some records [m], checked, in memory of their own.

        Raises:
          CorruptShardError: one of them is damaged.
        """
        self.check(rows)
        return slices(self.data, self.starts[rows], self.stops[rows])

    def check(self, rows: IntArray | None = None) -> None:
        """Checks the CRC of some payloads (indices [m]), or of all. About 5 million records of 500 bytes a second.

        Raises:
          CorruptShardError: the first that is damaged.
        """
        starts, stops = (self.starts, self.stops) if rows is None else (self.starts[rows], self.stops[rows])
        data = self.data
        payloads = map(data.__getitem__, map(slice, starts.tolist(), stops.tolist()))  # one at a time in memory
        found = masked_crcs(payloads, len(starts))
        stored = np.ndarray((len(data) - 3,), "<u4", data, strides=(1,))[stops]
        wrong = np.flatnonzero(found != stored)
        if len(wrong):
            row = int(wrong[0] if rows is None else rows[wrong[0]])
            raise self._damaged(row, "the CRC of its payload does not match")

    def check_lengths(self) -> None:
        """Checks the CRC of each record's length.

        Raises:
          CorruptShardError: the first that is damaged.
        """
        lengths, codes = np.unique(self.stops - self.starts, return_inverse=True)
        crcs = np.array([masked_crc32c(struct.pack("<Q", length)) for length in lengths.tolist()], np.uint32)
        stored = np.ndarray((len(self.data) - 3,), "<u4", self.data, strides=(1,))[self.starts - _FOOTER_BYTES]
        wrong = np.flatnonzero(crcs[codes] != stored)
        if len(wrong):
            raise self._damaged(int(wrong[0]), "the CRC of its length does not match")

    def _damaged(self, row: int, why: str) -> CorruptShardError:
        return damaged(self.name, self.first + row, int(self.positions[row]), why)


def record_blocks(read: Callable[[int], bytes], name: str, block_size: int) -> Iterator[RecordBlock]:
    """The records of a stream, in blocks of about so many bytes, and of one record at least.

    Args:
      read: takes a number and returns so many bytes, fewer only at the end; offsets count from its first one.
      name: what to call the stream in errors.
      block_size: bytes to read at a time.

    Raises:
      CorruptShardError: the stream ends inside a record, or a length is damaged; names record and offset.
    """
    rest, first, offset, wanted = b"", 0, 0, block_size
    while True:
        try:
            more = read(wanted - len(rest))
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise CorruptShardError(
                f"{name}: the gzip stream is cut short or broken after byte {offset} of its content ({error}). "
                "Restore the file or write it again."
            ) from error
        ended = len(more) < wanted - len(rest)
        data = b"".join((rest, more, bytes(PADDING)))
        size = len(data) - PADDING
        starts, stops, at = _walk(data, size)
        block = RecordBlock(data, starts, stops, first, offset, name)
        block.check_lengths()
        if len(block):
            yield block
        rest, first, offset = data[at:size], first + len(block), offset + at
        whole = _frame_bytes(rest, name, first, offset)
        if ended:
            break
        wanted = max(block_size, whole)
    if rest:
        inside = "its header" if len(rest) < _HEADER_BYTES else f"its {whole - FRAME_BYTES} bytes"
        raise damaged(name, first, offset, f"the file ends inside {inside}")


def _walk(data: bytes, size: int) -> tuple[IntArray, IntArray, int]:
    """Where the whole records in data[:size] start and stop, and where the first one starts that is not whole."""
    length_at = struct.Struct("<Q").unpack_from
    frames: list[int] = []
    add = frames.append
    at, last = 0, size - FRAME_BYTES
    while at <= last:
        add(at)
        at += length_at(data, at)[0] + FRAME_BYTES
    if at > size:
        at = frames.pop()
    starts = np.array(frames, np.int64)
    stops = np.append(starts[1:], at) if len(starts) else starts
    return starts + _HEADER_BYTES, stops - _FOOTER_BYTES, at


def _frame_bytes(rest: bytes, name: str, first: int, offset: int) -> int:
    """Bytes of the record that `rest` starts with; of a header where that is not whole.

    Raises:
      CorruptShardError: the header is damaged.
    """
    if len(rest) < _HEADER_BYTES:
        return _HEADER_BYTES
    length, crc = struct.unpack_from("<QI", rest)
    if masked_crc32c(rest[:8]) != crc:
        raise damaged(name, first, offset, "the CRC of its length does not match")
    if length > MAX_RECORD_BYTES:
        raise damaged(name, first, offset, f"it claims to be {length} bytes long")
    return int(length) + FRAME_BYTES
