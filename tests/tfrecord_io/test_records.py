"""TFRecord files: TensorFlow's read by us, ours read by TensorFlow, and no damage passes in silence."""

from __future__ import annotations

import gzip
import io
import re
import struct

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfrecord_io import read_records
from tfrecord_io.errors import CorruptShardError
from tfrecord_io.records import FRAME_BYTES, GzipStream, frame, masked_crc32c, scan

PAYLOADS = [b"first", b"", b"the third record", b"\0\xff" * 9]


def framed(payloads):
    return frame(pa.array(payloads, pa.large_binary())).to_pybytes()


def zipped(content):
    stream = GzipStream()
    return stream.add(content) + stream.finish()


def read(content):
    return [payload for _, payload in scan(io.BytesIO(content), "shard")]


def read_until_damage(stream):
    """(records before the damage, the error's text)."""
    records = []
    with pytest.raises(CorruptShardError) as caught:
        records.extend(payload for _, payload in scan(stream, "shard"))
    return records, str(caught.value)


@pytest.mark.parametrize(("data", "crc"), [(b"", 0xA282EAD8), (b"123456789", 0xE3069283)])
def test_masked_crc32c(data, crc):
    """CRC32C of the empty string is 0, of 123456789 0xE3069283 (RFC 3720); the mask is TensorFlow's."""
    plain = 0 if not data else crc
    assert masked_crc32c(data) == ((plain >> 15 | plain << 17) + 0xA282EAD8) & 0xFFFFFFFF


@given(st.lists(st.binary(max_size=300), max_size=20), st.integers(0, 20))
def test_what_is_framed_is_read_back(payloads, start):
    array = pa.array(payloads, pa.large_binary()).slice(start)
    content = frame(array).to_pybytes()
    assert read(content) == payloads[start:]
    assert len(content) == sum(len(payload) + FRAME_BYTES for payload in payloads[start:])


@given(st.lists(st.binary(max_size=50), max_size=10))
def test_offsets_are_those_of_the_frames(payloads):
    content = framed(payloads)
    for (offset, payload), expected in zip(scan(io.BytesIO(content), "x"), payloads, strict=True):
        assert struct.unpack_from("<Q", content, offset) == (len(expected),)
        assert payload == expected


@pytest.mark.parametrize("compression", ["", "GZIP"])
def test_the_bytes_are_tensorflows(tmp_path, compression):
    import tensorflow as tf

    payloads = [*PAYLOADS, b"x" * 100_000]
    path = str(tmp_path / ("shard.tfrecord" + (".gz" if compression else "")))
    with tf.io.TFRecordWriter(path, compression) as writer:
        for payload in payloads:
            writer.write(payload)
    assert list(read_records(path)) == payloads
    content = (tmp_path / path).read_bytes()
    assert (gzip.decompress(content) if compression else content) == framed(payloads)


@pytest.mark.parametrize("compression", ["", "GZIP"])
def test_tensorflow_reads_ours(tmp_path, compression):
    import tensorflow as tf

    path = tmp_path / "shard"
    path.write_bytes(zipped(framed(PAYLOADS)) if compression else framed(PAYLOADS))
    dataset = tf.data.TFRecordDataset(str(path), compression_type=compression)
    assert list(dataset.as_numpy_iterator()) == PAYLOADS


def test_compression_is_by_name_unless_it_is_said(tmp_path):
    plain, packed = framed(PAYLOADS), zipped(framed(PAYLOADS))
    for name, content, compression in [
        ("a.tfrecord", plain, None),
        ("a.tfrecord.gz", packed, None),
        ("b.gz", plain, "none"),
        ("b", packed, "gzip"),
    ]:
        (tmp_path / name).write_bytes(content)
        assert list(read_records(tmp_path / name, compression=compression)) == PAYLOADS
    with pytest.raises(CorruptShardError, match="b: record 0 at byte 0 is damaged: the CRC of its length"):
        list(read_records(tmp_path / "b"))
    with pytest.raises(CorruptShardError, match=r"b\.gz: record 0 at byte 0 is damaged: the gzip stream"):
        list(read_records(tmp_path / "b.gz"))
    with pytest.raises(FileNotFoundError):
        list(read_records(tmp_path / "absent"))


def test_no_records():
    assert framed([]) == b""
    assert read(b"") == []
    assert read(gzip.decompress(zipped(b""))) == []


def test_a_cut_at_every_byte():
    content = framed(PAYLOADS)
    ends = [0]
    for payload in PAYLOADS:
        ends.append(ends[-1] + len(payload) + FRAME_BYTES)
    for length in range(len(content)):
        whole = sum(end <= length for end in ends) - 1
        if length in ends:  # between two records: what is left is a good file
            assert read(content[:length]) == PAYLOADS[:whole]
            continue
        records, message = read_until_damage(io.BytesIO(content[:length]))
        assert records == PAYLOADS[:whole]
        assert message.startswith(f"shard: record {whole} at byte {ends[whole]} is damaged: the file ends inside ")
        assert message.endswith("Restore the file or write it again.")


def test_every_single_flipped_bit():
    content = framed(PAYLOADS)
    ends = [0]
    for payload in PAYLOADS:
        ends.append(ends[-1] + len(payload) + FRAME_BYTES)
    for bit in range(8 * len(content)):
        damaged = bytearray(content)
        damaged[bit // 8] ^= 1 << bit % 8
        whole = sum(end <= bit // 8 for end in ends) - 1
        records, message = read_until_damage(io.BytesIO(damaged))
        assert records == PAYLOADS[:whole]
        part = "length" if bit // 8 - ends[whole] < 12 else "payload"
        assert message.startswith(
            f"shard: record {whole} at byte {ends[whole]} is damaged: the CRC of its {part} does not match."
        )


@pytest.mark.parametrize("length", [2**31 + 1, 2**60, 2**64 - 1])
def test_a_length_that_cannot_be(length):
    """With a right CRC: nothing of that size is read or allocated."""
    header = struct.pack("<Q", length)
    content = framed([b"good"]) + header + struct.pack("<I", masked_crc32c(header)) + b"x" * 50
    records, message = read_until_damage(io.BytesIO(content))
    assert records == [b"good"]
    assert f"record 1 at byte 20 is damaged: it claims to be {length} bytes long" in message


def test_garbage_behind_the_last_record():
    records, message = read_until_damage(io.BytesIO(framed(PAYLOADS) + b"\n"))
    assert records == PAYLOADS
    assert f"record 4 at byte {len(framed(PAYLOADS))} is damaged: the file ends inside its header" in message


def test_read_records_names_file_record_and_offset(tmp_path):
    path = tmp_path / "part-00000.tfrecord"
    content = bytearray(framed(PAYLOADS))
    content[40] ^= 1
    path.write_bytes(content)
    with pytest.raises(CorruptShardError, match=re.escape(f"{path}: record 2 at byte 37 is damaged")):
        list(read_records(path))


def test_gzip_cut_at_every_byte():
    content = zipped(framed(PAYLOADS))
    for length in range(1, len(content)):
        records, message = read_until_damage(gzip.GzipFile(fileobj=io.BytesIO(content[:length])))
        assert records == PAYLOADS[: len(records)]
        assert f"shard: record {len(records)} at byte " in message
        assert "the gzip stream is cut short or broken" in message


def test_gzip_with_every_single_flipped_bit():
    """What changes no record: time, extra flags, system and the unused flags of gzip's own header."""
    content = zipped(framed(PAYLOADS))
    harmless = {8 * 3 + bit for bit in (0, 5, 6, 7)} | set(range(8 * 4, 8 * 10))
    for bit in range(8 * len(content)):
        damaged = bytearray(content)
        damaged[bit // 8] ^= 1 << bit % 8
        stream = gzip.GzipFile(fileobj=io.BytesIO(damaged))
        if bit in harmless:
            assert [payload for _, payload in scan(stream, "shard")] == PAYLOADS
        else:
            records, _ = read_until_damage(stream)
            assert records == PAYLOADS[: len(records)]


def test_a_stream_of_several_gzip_members():
    content = zipped(framed(PAYLOADS)) + zipped(framed(PAYLOADS[:1]))
    stream = gzip.GzipFile(fileobj=io.BytesIO(content))
    assert [payload for _, payload in scan(stream, "shard")] == [*PAYLOADS, PAYLOADS[0]]


@given(st.binary(max_size=5000), st.lists(st.integers(0, 5000), max_size=4).map(sorted))
def test_gzip_is_the_same_however_it_is_fed(content, cuts):
    content = content * 40
    stream = GzipStream()
    pieces = [content[start:stop] for start, stop in zip([0, *cuts], [*cuts, None], strict=True)]
    fed = b"".join(stream.add(pa.py_buffer(piece)) for piece in pieces) + stream.finish()
    assert fed == zipped(content)
    assert gzip.decompress(fed) == content


def test_gzip_has_no_clock_and_no_name():
    header = zipped(b"content")[:10]
    assert header[:4] == b"\x1f\x8b\x08\x00"
    assert header[4:8] == bytes(4)
