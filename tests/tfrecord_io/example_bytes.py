"""Serialized Examples as anybody may write them: usual, unusual, and broken."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from tests.tfrecord_io.batches import varint
from tfrecord_io.errors import SourceError
from tfrecord_io.example_alike import FEWEST_ALIKE
from tfrecord_io.example_proto import message_class, parse_example
from tfrecord_io.slices import PADDING

NAMES = st.sampled_from(["", "y", "w", "é", "name_6", "name__7", "n" * 14, "n" * 15, "n" * 127, "n" * 128])
INTS = st.sampled_from([0, 1, 127, 128, 2**56 - 1, 2**56, 2**63 - 1, -1, -(2**63)]) | st.integers(0, 2**40)
STRINGS = st.binary(max_size=9) | st.sampled_from([b"", b"x" * 115, b"x" * 130, b"\n\x01y\x12\x00"])
LISTS = (
    st.tuples(st.just("int64_list"), st.lists(INTS, max_size=4) | st.lists(st.integers(0, 9), min_size=9, max_size=20))
    | st.tuples(st.just("float_list"), st.lists(st.floats(width=32), max_size=4))
    | st.tuples(st.just("bytes_list"), st.lists(STRINGS, max_size=4))
)
FEATURES = st.dictionaries(NAMES, LISTS | st.just((None, [])), max_size=5)
SINGLE = st.dictionaries(NAMES, LISTS.map(lambda pair: (pair[0], pair[1][:1])), max_size=5)


def serialized(features):
    """An Example by protobuf: name -> (kind, values)."""
    message = message_class()()
    for name, (kind, values) in features.items():
        message.features.feature[name].SetInParent()
        if kind:
            getattr(message.features.feature[name], kind).SetInParent()
            getattr(message.features.feature[name], kind).value.extend(values)
    return message.SerializeToString()


def field(number, content):
    """A field with a length."""
    return varint(number << 3 | 2) + varint(len(content)) + content


def entry(key, value):
    """A record of one map entry, key and value written by hand."""
    return field(1, field(1, key + value))


def parsed_or_none(record):
    try:
        return parse_example(record)
    except SourceError:
        return None


@st.composite
def _mutated(draw, records):
    record = bytearray(draw(records))
    for _ in range(draw(st.integers(1, 3))):
        if not record:
            break
        at = draw(st.integers(0, len(record) - 1))
        action = draw(st.sampled_from(["set", "cut", "put"]))
        byte = draw(st.sampled_from([0, 1, 2, 8, 10, 13, 18, 26, 128, 255]) | st.integers(0, 255))
        if action == "set":
            record[at] = byte
        else:
            record[at : at + (action == "cut")] = b"" if action == "cut" else bytes([byte])
    return bytes(record)


REGULAR = st.one_of(FEATURES, SINGLE).map(serialized)
JOINED = st.lists(REGULAR, min_size=2, max_size=3).map(b"".join)  # what appending a weight makes
EXTENDED = st.builds(lambda record, content: record + field(2, content), REGULAR, st.binary(max_size=5))
RECORDS = REGULAR | JOINED | EXTENDED | _mutated(REGULAR | JOINED) | st.binary(max_size=20)

KEYS = [b"", b"y", "é".encode(), b"name_6", b"name__7", b"n" * 15, b"n" * 107, b"n" * 115, b"n" * 119, b"n" * 127]
WIDTHS = st.sampled_from([0, 1, 2, 4, 7, 100, 113, 130])
FEATURE = {
    "bytes": st.lists(WIDTHS.map(lambda width: field(1, b"x" * width)), min_size=1, max_size=2).map(
        lambda values: field(1, b"".join(values))
    ),
    "float32": st.lists(st.floats(width=32, allow_nan=False), min_size=1, max_size=2).map(
        lambda values: field(2, field(1, np.array(values, "<f4").tobytes()))
    ),
    "int64": st.lists(INTS, min_size=1, max_size=2).map(
        lambda values: field(3, field(1, b"".join(map(varint, values))))
    ),
    "none": st.sampled_from([b"", field(1, b""), field(2, b""), field(3, b""), field(3, field(1, b""))]),
}


@st.composite
def alike(draw):
    """Records of one order of features, most of them; lengths, kinds and bytes vary here and there."""
    keys = draw(st.lists(st.sampled_from(KEYS), max_size=4, unique=True))
    kinds = [draw(st.sampled_from(list(FEATURE))) for _ in keys]
    messages = draw(st.integers(1, 2))
    records = []
    for _ in range(draw(st.integers(FEWEST_ALIKE, FEWEST_ALIKE + 8))):
        entries = []
        for key, kind in zip(keys, kinds, strict=True):
            chosen = draw(st.sampled_from([kind] * 15 + list(FEATURE)))
            entries.append(field(1, field(1, key) + field(2, draw(FEATURE[chosen]))))
        cut = len(entries) // 2 if messages == 2 else len(entries)
        record = field(1, b"".join(entries[:cut])) + (field(1, b"".join(entries[cut:])) if messages == 2 else b"")
        changed = _mutated(st.just(record)) if draw(st.integers(0, 9)) == 9 else st.just(record)
        records.append(draw(changed))
    return records


ONE = field(2, field(3, field(1, b"\x05")))  # the value 5
ODD = {
    "key twice": entry(field(1, b"a") + field(1, b"y"), ONE),
    "value first": field(1, field(1, ONE + field(1, b"y"))),
    "no value": entry(field(1, b"y"), b""),
    "no key": entry(b"", ONE),
    "unpacked": entry(field(1, b"y"), field(2, field(3, b"\x08\x05"))),
    "packed in two": entry(field(1, b"y"), field(2, field(3, field(1, b"\x05") + field(1, b"\x06")))),
    "kind twice": entry(field(1, b"y"), field(2, field(3, b"") + field(3, field(1, b"\x05")))),
    "two kinds": entry(field(1, b"y"), field(2, field(2, b"") + field(3, field(1, b"\x05")))),
    "entry twice": entry(field(1, b"y"), ONE) + entry(field(1, b"y"), field(2, field(3, field(1, b"\x06")))),
    "unknown in a feature": entry(field(1, b"y"), field(2, field(3, field(1, b"\x05")) + field(9, b"?"))),
    "unknown in an entry": entry(field(1, b"y"), ONE + field(9, b"?")),
    "unknown in features": field(1, field(1, field(1, b"y") + ONE) + field(9, b"?")),
    "a number behind": entry(field(1, b"y"), ONE) + b"\x18\x07",
    "a far field behind": entry(field(1, b"y"), ONE) + field(1000, b"?"),
    "a group behind": entry(field(1, b"y"), ONE) + b"\x1b\x1c",
    "a long length behind": entry(field(1, b"y"), ONE) + b"\x12\x80\x80\x80\x80\x00",
    "long key": entry(field(1, b"n" * 128), ONE),
}
"""Records that protobuf reads and the walk leaves to it."""


def buffer(records, gap):
    """Records in one buffer with something between them, and where they start and stop."""
    data = b"".join(record + b"\xff" * gap for record in records) + b"\xff" * PADDING
    lengths = np.array([len(record) for record in records], np.int64)
    stops = np.cumsum(lengths + gap) - gap if len(records) else lengths
    return data, stops - lengths, stops
