"""Arrow columns to serialized `tf.train.Example`s, vectorised and in one canonical form.

A feature is an entry of a protobuf map; everything in front of its values depends on its name,
kind and length alone. So each column becomes a few binary arrays (headers taken from a small
dictionary, values cut from one buffer), and one `binary_join_element_wise` over all columns,
sorted by name, makes the records: the same bytes in any block size, in any process.
Source: `tensorflow/core/example/feature.proto`, protobuf's encoding guide.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Kind = Literal["bytes", "float32", "int64"]
_FIELD: dict[Kind, int] = {"bytes": 1, "float32": 2, "int64": 3}
_EMPTY = pa.scalar(b"", pa.large_binary())
_REPEATS_PROBE = 256


def encode_examples(batch: pa.RecordBatch) -> pa.LargeBinaryArray:
    """Serializes each row as one Example with its features in sorted order of their names.

    Args:
      batch: n rows; columns of int64, float32, binary, or (large, fixed-size) lists of those.
        A null is an absent feature, an empty list a feature without values.

    Returns:
      n records, no nulls.

    Raises:
      TypeError: a column of another type, or a null inside a list.

    Cost: about 1 to 2 million rows of 26 columns a second on one core.
    """
    parts: list[pa.Array] = []
    run: list[tuple[str, pa.Array]] = []
    for name in sorted(batch.schema.names):
        column = batch.column(name)
        if pa.types.is_float32(column.type) and not column.null_count:
            run.append((name, column))
            continue
        parts += _float_run(run)
        run = []
        parts += _column(name, column)
    parts += _float_run(run)
    if not parts:
        return pa.array([b""] * batch.num_rows, pa.large_binary())
    body = _join(parts)
    return _join([_headers(body, lambda length: b"\n" + _varint(length)), body])


def feature_suffix(name: str, values: npt.NDArray[np.float32]) -> pa.LargeBinaryArray:
    """Examples that hold one float feature each, to be appended to serialized records.

    Parsers merge concatenated messages, so `record + suffix` is the record with one more feature.
    """
    return encode_examples(pa.record_batch({name: pa.array(values, pa.float32())}))


def concatenate(first: pa.LargeBinaryArray, second: pa.LargeBinaryArray) -> pa.LargeBinaryArray:
    """Joins two arrays of n byte strings row by row."""
    return _join([first, second])


def _join(parts: list[pa.Array]) -> pa.LargeBinaryArray:
    options = pc.JoinOptions(null_handling="replace", null_replacement="")
    return pc.binary_join_element_wise(*parts, _EMPTY, options=options)


def _column(name: str, column: pa.Array) -> list[pa.Array]:
    """The parts of one feature's map entry; nulls and empty strings add nothing."""
    kind = column.type
    if pa.types.is_float32(kind):
        return [_floats([name], [column], pc.is_valid(column).buffers()[1])]
    if pa.types.is_int64(kind):
        return _with_headers(_packed_header(name, "int64"), _int_payload(column))
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return _strings(name, column)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        return _lists(name, column)
    raise TypeError(f"column {name!r} has type {kind}; Examples hold int64, float32 and binary only")


def _float_run(run: list[tuple[str, pa.Array]]) -> list[pa.Array]:
    """One part for neighbouring float columns without nulls."""
    return [_floats([name for name, _ in run], [column for _, column in run], None)] if run else []


def _floats(names: list[str], columns: list[pa.Array], validity: pa.Buffer | None) -> pa.Array:
    """Entries of constant length: a byte template a row, with the four value bytes filled in."""
    template = b""
    holes = []
    for name in names:
        template += _entry(name, "float32", b"\n\x04" + bytes(4))
        holes.append(len(template) - 4)
    rows = np.empty((len(columns[0]), len(template)), np.uint8)
    rows[:] = np.frombuffer(template, np.uint8)
    for hole, column in zip(holes, columns, strict=True):
        values = column.to_numpy(zero_copy_only=False).astype("<f4", copy=False)
        rows[:, hole : hole + 4] = values.view(np.uint8).reshape(-1, 4)
    offsets = np.arange(len(rows) + 1, dtype=np.int64) * len(template)
    return _binary(rows, offsets, validity)


def _int_payload(column: pa.Array) -> pa.Array:
    payload = varints(column.fill_null(0).to_numpy(zero_copy_only=False))
    if not column.null_count:
        return payload
    return pa.LargeBinaryArray.from_buffers(
        pa.large_binary(), len(column), [pc.is_valid(column).buffers()[1], *payload.buffers()[1:]]
    )


def _strings(name: str, column: pa.Array) -> list[pa.Array]:
    binary = column.cast(pa.large_binary())
    probe = binary.slice(0, _REPEATS_PROBE)
    if len(probe.unique()) <= len(probe) // 4:
        encoded = binary.dictionary_encode()
        entries = [_entry(name, "bytes", _value(v)) for v in encoded.dictionary.to_pylist()]
        return [pa.array(entries, pa.large_binary()).take(encoded.indices)]
    return _with_headers(_value_header(name), binary)


def _lists(name: str, column: pa.Array) -> list[pa.Array]:
    """Entries of lists: the flat values are encoded once, then cut at the lists' ends."""
    if pa.types.is_fixed_size_list(column.type):
        column = column.cast(pa.large_list(column.type.value_type))
    lists = column.cast(pa.large_list(column.type.value_type))
    flat = lists.flatten()  # skips what null lists may hide
    if flat.null_count:
        raise TypeError(f"column {name!r} holds a list with a null in it; Examples cannot say that")
    ends = np.zeros(len(lists) + 1, np.int64)
    np.cumsum(pc.list_value_length(lists).fill_null(0).to_numpy(zero_copy_only=False), out=ends[1:])
    validity = pc.is_valid(lists).buffers()[1] if lists.null_count else None
    kind = flat.type
    if pa.types.is_float32(kind):
        values = np.ascontiguousarray(flat.to_numpy(zero_copy_only=False).astype("<f4", copy=False))
        return _with_headers(_packed_header(name, "float32"), _binary(values, ends * 4, validity))
    if pa.types.is_int64(kind):
        encoded = varints(flat.to_numpy(zero_copy_only=False))
        return _with_headers(_packed_header(name, "int64"), _regroup(encoded, ends, validity))
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        flat = flat.cast(pa.large_binary())
        encoded = _join([_headers(flat, lambda length: b"\n" + _varint(length)), flat])
        return _with_headers(lambda length: _entry_header(name, "bytes", length), _regroup(encoded, ends, validity))
    raise TypeError(f"column {name!r} holds lists of {kind}; Examples hold int64, float32 and binary only")


def varints(values: npt.NDArray[np.int64]) -> pa.LargeBinaryArray:
    """Each integer as a protobuf varint of 1 to 10 bytes (negative ones take 10)."""
    bits = values.astype(np.int64, copy=False).view(np.uint64)
    widths = np.ones(len(bits), np.int64)
    for power in range(7, 70, 7):
        longer = bits >= np.uint64(1 << power) if power < 64 else None
        if longer is None or not longer.any():
            break
        widths += longer
    columns = np.arange(int(widths.max(initial=1)))
    septets = (bits[:, None] >> (7 * columns).astype(np.uint64)).astype(np.uint8) & np.uint8(127)
    septets |= np.where(columns < widths[:, None] - 1, np.uint8(128), np.uint8(0))
    offsets = np.zeros(len(bits) + 1, np.int64)
    np.cumsum(widths, out=offsets[1:])
    return _binary(septets[columns < widths[:, None]], offsets, None)


def _regroup(encoded: pa.LargeBinaryArray, ends: npt.NDArray[np.int64], validity: pa.Buffer | None) -> pa.Array:
    """Glues the pieces of each list together: only the offsets change."""
    _, offsets, data = encoded.buffers()
    starts = np.frombuffer(offsets, np.int64)[encoded.offset : encoded.offset + len(encoded) + 1]
    return _binary(data, starts[ends], validity)


def _binary(
    data: npt.NDArray[np.generic] | pa.Buffer, offsets: npt.NDArray[np.int64], validity: pa.Buffer | None
) -> pa.LargeBinaryArray:
    buffers = [validity, pa.py_buffer(offsets), pa.py_buffer(data)]
    return pa.LargeBinaryArray.from_buffers(pa.large_binary(), len(offsets) - 1, buffers)


def _with_headers(header: Callable[[int], bytes], payload: pa.Array) -> list[pa.Array]:
    return [_headers(payload, header), payload]


def _headers(payload: pa.Array, header: Callable[[int], bytes]) -> pa.Array:
    """The header of each row by its payload's length; each distinct length is made once."""
    lengths = pc.binary_length(payload).dictionary_encode()
    made = pa.array([header(n) for n in lengths.dictionary.to_pylist()], pa.large_binary())
    return made.take(lengths.indices)


def _packed_header(name: str, kind: Kind) -> Callable[[int], bytes]:
    def header(length: int) -> bytes:
        if not length:
            return _entry_header(name, kind, 0)
        inner = b"\n" + _varint(length)
        return _entry_header(name, kind, len(inner) + length) + inner

    return header


def _value_header(name: str) -> Callable[[int], bytes]:
    def header(length: int) -> bytes:
        inner = b"\n" + _varint(length)
        return _entry_header(name, "bytes", len(inner) + length) + inner

    return header


def _value(value: bytes) -> bytes:
    return b"\n" + _varint(len(value)) + value


def _entry(name: str, kind: Kind, values: bytes) -> bytes:
    return _entry_header(name, kind, len(values)) + values


def _entry_header(name: str, kind: Kind, length: int) -> bytes:
    """All of a map entry in front of `length` bytes of BytesList, FloatList or Int64List."""
    key = name.encode()
    values = bytes([_FIELD[kind] << 3 | 2]) + _varint(length)
    feature = b"\x12" + _varint(len(values) + length) + values
    entry = b"\n" + _varint(len(key)) + key + feature
    return b"\n" + _varint(len(entry) + length) + entry


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)
