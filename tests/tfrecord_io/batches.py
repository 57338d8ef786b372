"""Record batches of everything that an Example can hold."""

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa
from hypothesis import strategies as st

INTS = st.sampled_from([0, -1, 127, 128, 2**31, 2**32, 2**53 + 1, 2**63 - 1, -(2**63)]) | st.integers(
    -(2**63), 2**63 - 1
)


FLOATS = st.sampled_from([0.0, -0.0, math.nan, math.inf, -math.inf, 1.401298464324817e-45]) | st.floats(width=32)


LENGTHS = st.sampled_from(
    [0, 1, 107, 110, 113, 117, 118, 119, 120, 121, 122, 123, 124, 125, 126, 127, 128, 16_383, 16_384]
)


BYTES = st.binary(max_size=12) | st.sampled_from([b"", b"\xff\xfe", b"\0", b"a"]) | LENGTHS.map(lambda n: b"x" * n)


VALUES = {pa.int64(): INTS, pa.float32(): FLOATS, pa.binary(): BYTES, pa.large_binary(): BYTES}


NAMES = st.text(st.characters(codec="utf-8"), max_size=8) | st.sampled_from(
    ["weight", "x", "X", "é", "\U0001f600", "\uffff", "n" * 127, "n" * 128, "n" * 230, "ü" * 120]
)


@st.composite
def columns(draw, rows):
    """A column of any accepted type, cut out of the middle of a longer array."""
    item = draw(st.sampled_from(list(VALUES)))
    values = VALUES[item]
    if draw(st.booleans()):  # few distinct values: the encoder keeps a dictionary of them
        values = st.sampled_from(draw(st.lists(values, min_size=1, max_size=2)))
    shape = draw(st.sampled_from(["scalar", "list", "large_list", "fixed"]))
    kind = item
    if shape != "scalar":
        size = draw(st.integers(0, 3)) if shape == "fixed" else None
        kind = {
            "list": lambda: pa.list_(item),
            "large_list": lambda: pa.large_list(item),
            "fixed": lambda: pa.list_(item, size),
        }[shape]()
        values = st.lists(values, min_size=size or 0, max_size=4 if size is None else size)
    if draw(st.booleans()):
        values = st.none() | values
    before = draw(st.integers(0, 9))
    after = draw(st.integers(0, 2))
    total = before + rows + after
    return pa.array(draw(st.lists(values, min_size=total, max_size=total)), kind).slice(before, rows)


@st.composite
def batches(draw, max_rows=14):
    rows = draw(st.integers(0, max_rows))
    names = draw(st.lists(NAMES, max_size=5, unique=True))
    return pa.record_batch([draw(columns(rows)) for _ in names], names=names)


def expected_rows(batch):
    """What the Examples should say: name -> (kind, values) of each row, in sorted order of names."""
    rows = [{} for _ in range(batch.num_rows)]
    for name in sorted(batch.schema.names, key=str.encode):
        column = batch.column(name)
        is_list = not any(column.type == item for item in VALUES)
        item = column.type.value_type if is_list else column.type
        kind = {pa.int64(): "int64_list", pa.float32(): "float_list"}.get(item, "bytes_list")
        for row, value in zip(rows, column.to_pylist(), strict=True):
            if value is not None:
                row[name] = (kind, value if is_list else [value])
    return rows


def comparable(kind, values):
    """Values by their bits: NaN equals NaN, and -0.0 is not 0.0."""
    return (kind, np.array(values, np.float32).tobytes() if kind == "float_list" else list(values))


def varint(number):
    number &= (1 << 64) - 1
    out = b""
    while number > 127:
        out += bytes([number & 127 | 128])
        number >>= 7
    return out + bytes([number])
