"""The encoder at its edges: nulls, nothing at all, types it refuses."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tfrecord_io.batches import (
    INTS,
    VALUES,
    varint,
)
from tfrecord_io.examples import encode_examples, varints


@pytest.fixture(scope="module")
def example():
    import tensorflow as tf

    return tf.train.Example


def test_nan_keeps_its_payload():
    bits = np.array([0x7FC00001, 0x7F800001, 0xFFC00000, 0x80000000], np.uint32)
    floats = pa.array(bits.view(np.float32), pa.float32())
    with_null = pa.array(bits.view(np.float32), pa.float32(), mask=np.array([False, False, True, False]))
    lists = pa.ListArray.from_arrays(pa.array([0, 1, 2, 3, 4], pa.int32()), floats)
    for column, absent in ((floats, ()), (with_null, (2,)), (lists, ())):
        for row, record in enumerate(encode_examples(pa.record_batch({"f": column})).to_pylist()):
            assert (bits[row : row + 1].tobytes() in record) == (row not in absent)


def test_values_that_nulls_hide_stay_hidden(example):
    """A null list may have values behind it in the buffers; they belong to no row."""
    offsets = pa.array([0, 2, 4, 6], pa.int32())
    mask = pa.array([False, True, False])
    for flat in (
        pa.array(range(6)),
        pa.array([0, 1, 2, 3, 4, 5], pa.float32()),
        pa.array([b"%d" % i for i in range(6)]),
    ):
        for lists in (
            pa.ListArray.from_arrays(offsets, flat, mask=mask),
            pa.FixedSizeListArray.from_arrays(flat, 2, mask=mask),
        ):
            for start in range(3):
                column = lists.slice(start)
                batch = pa.record_batch({"x": column})
                found = [
                    [
                        list(value)
                        for feature in example.FromString(record).features.feature.values()
                        for value in [getattr(feature, feature.WhichOneof("kind")).value]
                    ]
                    for record in encode_examples(batch).to_pylist()
                ]
                assert found == [[] if value is None else [value] for value in column.to_pylist()]


def test_a_null_inside_a_null_list_is_no_error():
    flat = pa.array([1, None, 3], pa.int64())
    lists = pa.ListArray.from_arrays(pa.array([0, 1, 2, 3], pa.int32()), flat, mask=pa.array([False, True, False]))
    assert len(encode_examples(pa.record_batch({"x": lists}))) == 3


@pytest.mark.parametrize("few", [True, False])
def test_repeats_beyond_the_probe(example, few):
    """Columns that look repetitive in their first rows, or only after them."""
    repeats = [b"a", b"b", None, b""] * 100
    distinct = [b"value %d" % i for i in range(400)]
    values = repeats + distinct if few else distinct + repeats
    column = pa.array(values, pa.binary())
    records = encode_examples(pa.record_batch({"x": column})).to_pylist()
    found = [[v for f in example.FromString(r).features.feature.values() for v in f.bytes_list.value] for r in records]
    assert found == [[] if value is None else [value] for value in values]
    halves = [encode_examples(pa.record_batch({"x": column.slice(i, 1)})).to_pylist()[0] for i in range(len(values))]
    assert halves == records


@pytest.mark.parametrize(
    ("number", "encoded"),
    [
        (0, b"\0"),
        (1, b"\1"),
        (127, b"\x7f"),
        (128, b"\x80\x01"),
        (300, b"\xac\x02"),
        (16_383, b"\xff\x7f"),
        (16_384, b"\x80\x80\x01"),
        (2**63 - 1, b"\xff" * 8 + b"\x7f"),
        (-1, b"\xff" * 9 + b"\x01"),
        (-(2**63), b"\x80" * 9 + b"\x01"),
    ],
)
def test_varints(number, encoded):
    assert varints(np.array([1, number, 300], np.int64)).to_pylist() == [b"\1", encoded, b"\xac\x02"]


@given(st.lists(INTS, max_size=30))
def test_varints_as_in_plain_python(numbers):
    assert varints(np.array(numbers, np.int64)).to_pylist() == [varint(number) for number in numbers]


def test_no_rows():
    kinds = [*VALUES, pa.list_(pa.int64()), pa.list_(pa.binary()), pa.large_list(pa.float32()), pa.list_(pa.int64(), 2)]
    batch = pa.record_batch([pa.array([], kind) for kind in kinds], names=[str(i) for i in range(len(kinds))])
    assert encode_examples(batch).to_pylist() == []
    for name in batch.schema.names:
        assert encode_examples(batch.select([name])).to_pylist() == []


def test_no_columns(example):
    three = pa.RecordBatch.from_struct_array(pa.array([{}, {}, {}], pa.struct([])))
    assert [dict(example.FromString(r).features.feature) for r in encode_examples(three).to_pylist()] == [{}] * 3


@pytest.mark.parametrize(
    "kind", [*VALUES, pa.list_(pa.float32()), pa.list_(pa.binary()), pa.list_(pa.int64(), 3)], ids=str
)
def test_rows_of_nulls_are_examples_without_features(example, kind):
    records = encode_examples(pa.record_batch({"x": pa.array([None] * 9, kind)})).to_pylist()
    assert [dict(example.FromString(record).features.feature) for record in records] == [{}] * 9


@pytest.mark.parametrize(
    "kind",
    [pa.float64(), pa.int32(), pa.uint64(), pa.bool_(), pa.string(), pa.null(), pa.binary(4), pa.timestamp("s")],
    ids=str,
)
def test_types_that_an_example_cannot_hold(kind):
    for column, message in (
        (pa.array([None], kind), f"column 'name' has type {kind}"),
        (pa.array([[], None], pa.list_(kind)), f"column 'name' holds lists of {kind}"),
    ):
        with pytest.raises(TypeError) as caught:
            encode_examples(pa.record_batch({"name": column}))
        assert message in str(caught.value)
        assert "Examples hold int64, float32 and binary only" in str(caught.value)


@pytest.mark.parametrize("kind", [pa.list_(pa.int64()), pa.large_list(pa.binary()), pa.list_(pa.float32(), 1)], ids=str)
def test_a_null_inside_a_list(kind):
    with pytest.raises(TypeError, match="column 'name' holds a list with a null in it"):
        encode_examples(pa.record_batch({"name": pa.array([None, [None]], kind)}))


def test_two_columns_of_one_name():
    batch = pa.RecordBatch.from_arrays([pa.array([1]), pa.array([2])], names=["name", "name"])
    with pytest.raises((KeyError, TypeError), match="name"):
        encode_examples(batch)
