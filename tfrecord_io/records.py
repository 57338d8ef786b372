"""TFRecord framing: each record is length, CRC of the length, payload, CRC of the payload.

    uint64 length | uint32 masked_crc32c(length) | length bytes | uint32 masked_crc32c(payload)

All little-endian. Source: TensorFlow's `tensorflow/core/lib/io/record_writer.h`.
"""

from __future__ import annotations

import gzip
import os
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, cast

import google_crc32c
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from tfrecord_io.errors import CorruptShardError

FRAME_BYTES = 16
MAX_RECORD_BYTES = 1 << 31
_HEADER = struct.Struct("<QI")
_FOOTER = struct.Struct("<I")
_GZIP_LEVEL = 6
_value: Callable[[bytes], int] = google_crc32c.value


def masked_crc32c(data: bytes) -> int:
    """CRC32C (Castagnoli) of `data`, rotated and offset as TFRecord stores it."""
    crc = _value(data)
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def masked_crcs(values: Iterable[bytes], count: int) -> npt.NDArray[np.uint32]:
    """`masked_crc32c` of each of so many values [count]."""
    crcs = np.fromiter(map(_value, values), np.uint32, count)
    masked: npt.NDArray[np.uint32] = ((crcs >> np.uint32(15)) | (crcs << np.uint32(17))) + np.uint32(0xA282EAD8)
    return masked


def damaged(name: str, record: int, offset: int, why: str) -> CorruptShardError:
    """The error for a record that is not as it was written."""
    return CorruptShardError(
        f"{name}: record {record} at byte {offset} is damaged: {why}. Restore the file or write it again."
    )


def frame(payloads: pa.LargeBinaryArray) -> pa.Buffer:
    """The TFRecord file content for some records.

    Args:
      payloads: n serialized Examples, no nulls.

    Returns:
      Their frames one after the other, 2 to 3 million records a second.
    """
    count = len(payloads)
    if not count:
        return pa.py_buffer(b"")
    footers = masked_crcs(payloads.to_pylist(), count).astype("<u4")
    lengths = pc.binary_length(payloads).to_numpy(zero_copy_only=False)
    distinct, which = np.unique(lengths, return_inverse=True)
    headers = np.frombuffer(b"".join(map(_header, distinct.tolist())), np.uint8).reshape(-1, _HEADER.size)
    nothing = pa.scalar(b"", pa.large_binary())
    framed = pc.binary_join_element_wise(_equally_long(headers[which]), payloads, _equally_long(footers), nothing)
    return framed.buffers()[2].slice(0, int(lengths.sum()) + FRAME_BYTES * count)


def _equally_long(rows: npt.NDArray[np.generic]) -> pa.LargeBinaryArray:
    """Each row's bytes [n]."""
    offsets = np.arange(len(rows) + 1, dtype=np.int64) * (rows.nbytes // len(rows))
    return pa.LargeBinaryArray.from_buffers(
        pa.large_binary(), len(rows), [None, pa.py_buffer(offsets), pa.py_buffer(rows)]
    )


def read_records(path: str | os.PathLike[str], *, compression: str | None = None) -> Iterator[bytes]:
    """The payloads of a local TFRecord file, each CRC checked.

    Args:
      path: the file; gzip when its name ends in .gz, unless `compression` says.
      compression: "none" or "gzip".

    Raises:
      CorruptShardError: a record is damaged or cut short; names the file, the record and its offset.
      OSError: the file cannot be read.
    """
    name = os.fspath(path)
    zipped = compression == "gzip" if compression else name.endswith(".gz")
    with Path(path).open("rb") as raw:
        stream = cast(BinaryIO, gzip.GzipFile(fileobj=raw)) if zipped else raw
        for _, payload in scan(stream, name):
            yield payload


def scan(stream: BinaryIO, name: str) -> Iterator[tuple[int, bytes]]:
    """(offset, payload) of each record of an open stream, each CRC checked.

    Args:
      stream: decompressed bytes, at the start of a record; offsets count from there.
      name: what to call it in errors.

    Raises:
      CorruptShardError: as `read_records`.
    """
    offset = 0
    record = 0

    def broken(why: str) -> CorruptShardError:
        return damaged(name, record, offset, why)

    while True:
        try:
            head = stream.read(12)
            if not head:
                return
            if len(head) < 12:
                raise broken("the file ends inside its header")
            length, length_crc = _HEADER.unpack(head)
            if masked_crc32c(head[:8]) != length_crc:
                raise broken("the CRC of its length does not match")
            if length > MAX_RECORD_BYTES:
                raise broken(f"it claims to be {length} bytes long")
            body = stream.read(length + 4)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise broken(f"the gzip stream is cut short or broken ({error})") from error
        if len(body) < length + 4:
            raise broken(f"the file ends inside its {length} bytes")
        payload = body[:length]
        if masked_crc32c(payload) != _FOOTER.unpack_from(body, length)[0]:
            raise broken("the CRC of its payload does not match")
        yield offset, payload
        offset += length + FRAME_BYTES
        record += 1


class GzipStream:
    """Compresses to one gzip member, the same bytes each time: no clock, no name, fixed level."""

    def __init__(self) -> None:
        self._compressor = zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, 16 + zlib.MAX_WBITS)

    def add(self, data: bytes | pa.Buffer) -> bytes:
        """Takes more input; returns what output is ready."""
        return self._compressor.compress(data)

    def finish(self) -> bytes:
        """The rest of the output."""
        return self._compressor.flush()


def _header(length: int) -> bytes:
    packed = struct.pack("<Q", length)
    return packed + struct.pack("<I", masked_crc32c(packed))
