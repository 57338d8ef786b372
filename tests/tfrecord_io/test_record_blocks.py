"""TFRecords by the block, against the same records one by one: whatever the block size, and no damage in silence."""

from __future__ import annotations

import functools
import gzip
import io
import struct

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfrecord_io.errors import CorruptShardError
from tfrecord_io.record_blocks import record_blocks
from tfrecord_io.records import frame, masked_crc32c, scan

PAYLOADS = [b"first", b"", b"the third record", b"\0\xff" * 9, b"x" * 300]


def framed(payloads):
    return frame(pa.array(payloads, pa.large_binary())).to_pybytes()


def read(content, block_size):
    """(position, payload) of each record, checked and taken out of its block."""
    found = []
    for block in record_blocks(io.BytesIO(content).read, "rows", block_size):
        block.check()
        payloads = block.take(np.arange(len(block))).to_pylist()
        assert payloads == [block.payload(row) for row in range(len(block))]
        found += zip(block.positions.tolist(), payloads, strict=True)
    return found


def damage(content, block_size):
    with pytest.raises(CorruptShardError) as caught:
        read(content, block_size)
    return str(caught.value)


@given(st.lists(st.binary(max_size=60), max_size=20), st.integers(1, 400))
def test_blocks_of_any_size_hold_the_same_records(payloads, block_size):
    content = framed(payloads)
    assert read(content, block_size) == list(scan(io.BytesIO(content), "rows"))


@pytest.mark.parametrize("block_size", [1, 50, 1000])
def test_every_single_flipped_bit(block_size):
    content = framed(PAYLOADS)
    ends = np.cumsum([0] + [len(payload) + 16 for payload in PAYLOADS])
    for bit in range(0, 8 * len(content), 3):
        damaged = bytearray(content)
        damaged[bit // 8] ^= 1 << bit % 8
        record = int(np.searchsorted(ends, bit // 8, side="right")) - 1
        part = "length" if bit // 8 - ends[record] < 12 else "payload"
        assert damage(bytes(damaged), block_size).startswith(
            f"rows: record {record} at byte {ends[record]} is damaged: the CRC of its {part} does not match."
        )


@pytest.mark.parametrize("block_size", [1, 50, 1000])
def test_a_cut_at_every_byte(block_size):
    content = framed(PAYLOADS)
    ends = np.cumsum([0] + [len(payload) + 16 for payload in PAYLOADS]).tolist()
    for length in range(len(content)):
        record = int(np.searchsorted(ends, length, side="right")) - 1
        if length == ends[record]:
            assert [payload for _, payload in read(content[:length], block_size)] == PAYLOADS[:record]
            continue
        inside = "its header" if length - ends[record] < 12 else f"its {len(PAYLOADS[record])} bytes"
        why = f"rows: record {record} at byte {ends[record]} is damaged: the file ends inside {inside}."
        assert damage(content[:length], block_size).startswith(why)


@pytest.mark.parametrize("length", [2**31 + 1, 2**60, 2**64 - 1])
def test_a_length_that_cannot_be(length):
    header = struct.pack("<Q", length)
    content = framed([b"good"]) + header + struct.pack("<I", masked_crc32c(header)) + b"x" * 50
    assert f"record 1 at byte 20 is damaged: it claims to be {length} bytes long" in damage(content, 30)


@given(st.sets(st.integers(0, 4)))
def test_only_the_records_taken_are_checked(rows):
    content = bytearray(framed(PAYLOADS))
    content[14] ^= 1
    (block,) = record_blocks(io.BytesIO(content).read, "rows", 10_000)
    rows = np.array(sorted(rows), np.int64)
    if 0 in rows:
        with pytest.raises(CorruptShardError, match="record 0 at byte 0 is damaged: the CRC of its payload"):
            block.take(rows)
    else:
        assert block.take(rows).to_pylist() == [PAYLOADS[row] for row in rows]


def test_the_first_ones():
    (block,) = record_blocks(io.BytesIO(framed(PAYLOADS)).read, "rows", 10_000)
    assert [block.head(2).payload(row) for row in range(2)] == PAYLOADS[:2]
    assert len(block.head(2)) == 2
    assert len(block.head(9)) == len(PAYLOADS)


def test_gzip_cut_short():
    content = gzip.compress(framed([bytes(range(256))] * 50))[:-20]
    stream = gzip.GzipFile(fileobj=io.BytesIO(content))
    with pytest.raises(CorruptShardError, match="rows: the gzip stream is cut short or broken after byte "):
        list(record_blocks(functools.partial(stream.read), "rows", 1000))
