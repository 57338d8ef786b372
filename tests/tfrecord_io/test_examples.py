"""The encoder, read back by protobuf, TensorFlow and tfx_bsl."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tfrecord_io.examples import concatenate, encode_examples, feature_suffix, varints

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


@pytest.fixture(scope="module")
def example():
    import tensorflow as tf

    return tf.train.Example


@given(batch=batches())
@settings(max_examples=500)
def test_protobuf_reads_back_every_value(example, batch):
    encoded = encode_examples(batch)
    assert encoded.type == pa.large_binary()
    assert not encoded.null_count
    records = encoded.to_pylist()
    assert len(records) == batch.num_rows
    for record, row in zip(records, expected_rows(batch), strict=True):
        features = example.FromString(record).features.feature
        found = {name: (f.WhichOneof("kind"), getattr(f, f.WhichOneof("kind")).value) for name, f in features.items()}
        assert {k: comparable(*v) for k, v in found.items()} == {k: comparable(*v) for k, v in row.items()}


@given(batch=batches())
@settings(max_examples=300)
def test_the_bytes_are_those_of_protobuf_with_sorted_names(example, batch):
    """Protobuf itself encodes each map entry; only their order is ours, which protobuf leaves open."""
    for record, row in zip(encode_examples(batch).to_pylist(), expected_rows(batch), strict=True):
        body = b""
        for name, (kind, values) in row.items():
            message = example()
            getattr(message.features.feature[name], kind).SetInParent()
            getattr(message.features.feature[name], kind).value.extend(values)
            body += message.features.SerializeToString()
        assert record == (b"\n" + _varint(len(body)) + body if batch.num_columns else b"")


@given(batches(max_rows=24), st.integers(0, 24), st.integers(0, 24), st.randoms(use_true_random=False))
def test_neither_block_size_nor_column_order_changes_the_bytes(batch, start, size, random):
    whole = encode_examples(batch).to_pylist()
    assert encode_examples(batch.slice(start, size)).to_pylist() == whole[start : start + size]
    for step in (1, 2, 7):
        pieces = [encode_examples(batch.slice(i, step)).to_pylist() for i in range(0, batch.num_rows, step)]
        assert list(itertools.chain(*pieces)) == whole
    shuffled = random.sample(batch.schema.names, batch.num_columns)
    if shuffled:
        assert encode_examples(batch.select(shuffled)).to_pylist() == whole


@given(batch=batches())
def test_tfx_bsl_decodes_the_same(decoder, batch):
    records = encode_examples(batch)
    decoded = decoder.DecodeBatch(records.to_pylist())
    assert decoded.num_rows == batch.num_rows
    rows = expected_rows(batch)
    assert set(decoded.schema.names) == {name for row in rows for name in row}
    for name in decoded.schema.names:
        values = decoded.column(decoded.schema.names.index(name)).to_pylist()
        for row, found in zip(rows, values, strict=True):
            # A column whose lists are all empty comes back without a type, its rows as nulls.
            if name not in row:
                assert found is None
            elif found is None:
                assert row[name][1] == []
            else:
                assert comparable(row[name][0], found) == comparable(*row[name])


@pytest.fixture(scope="module")
def decoder():
    from tfx_bsl.coders.example_coder import ExamplesToRecordBatchDecoder

    return ExamplesToRecordBatchDecoder()


def test_parse_example_reads_fixed_ragged_and_absent_features():
    import tensorflow as tf

    nan = float("nan")
    batch = pa.record_batch(
        {
            "int": pa.array([0, -1, 2**63 - 1, -(2**63)]),
            "float": pa.array([-0.0, None, nan, math.inf], pa.float32()),
            "bytes": pa.array([b"", b"\xff\0", "é".encode(), None], pa.binary()),
            "fixed": pa.array([[1, 2], [3, 4], [5, 6], [-7, 8]], pa.list_(pa.int64(), 2)),
            "ragged": pa.array([[], [1.5], None, [1, 2, 3]], pa.list_(pa.float32())),
            "words": pa.array([[b"", b"a"], [], [b"\xff"], None], pa.large_list(pa.binary())),
        }
    )
    parsed = tf.io.parse_example(
        tf.constant(encode_examples(batch).to_pylist()),
        {
            "int": tf.io.FixedLenFeature([], tf.int64),
            "float": tf.io.FixedLenFeature([], tf.float32, default_value=9.0),
            "bytes": tf.io.FixedLenFeature([], tf.string, default_value="absent"),
            "fixed": tf.io.FixedLenFeature([2], tf.int64),
            "ragged": tf.io.RaggedFeature(tf.float32),
            "words": tf.io.RaggedFeature(tf.string),
        },
    )
    assert parsed["int"].numpy().tolist() == [0, -1, 2**63 - 1, -(2**63)]
    assert parsed["float"].numpy().tobytes() == np.array([-0.0, 9.0, nan, math.inf], np.float32).tobytes()
    assert parsed["bytes"].numpy().tolist() == [b"", b"\xff\0", "é".encode(), b"absent"]
    assert parsed["fixed"].numpy().tolist() == [[1, 2], [3, 4], [5, 6], [-7, 8]]
    assert parsed["ragged"].to_list() == [[], [1.5], [], [1, 2, 3]]
    assert parsed["words"].to_list() == [[b"", b"a"], [], [b"\xff"], []]


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


def test_features_come_in_order_of_their_names():
    """Also across columns of different kinds, which the encoder handles in different ways."""
    names = ["b", "a", "é", "z" * 250, "Z", "10", "9", "\U0001f600", "\uffff", ""]
    kinds = [pa.float32(), pa.int64(), pa.binary()]
    batch = pa.record_batch(
        [
            pa.array([None if i == 4 else i or 1], pa.int64()).cast(pa.int64())
            if kinds[i % 3] == pa.int64()
            else pa.array([b"v" if kinds[i % 3] == pa.binary() else 1.0], kinds[i % 3])
            for i in range(len(names))
        ],
        names=names,
    )
    (record,) = encode_examples(batch).to_pylist()
    where = {name: record.find(b"\n" + _varint(len(name.encode())) + name.encode() + b"\x12") for name in names}
    shown = [name for name in sorted(names, key=str.encode) if name != "Z"]
    assert where["Z"] == -1
    assert sorted(shown, key=where.__getitem__) == shown


def _varint(number):
    number &= (1 << 64) - 1
    out = b""
    while number > 127:
        out += bytes([number & 127 | 128])
        number >>= 7
    return out + bytes([number])


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
    assert varints(np.array(numbers, np.int64)).to_pylist() == [_varint(number) for number in numbers]


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


@given(batch=batches(), weights=st.lists(FLOATS, min_size=14, max_size=14))
def test_a_record_with_a_suffix_reads_as_one_example(example, batch, weights):
    floats = np.array(weights[: batch.num_rows], np.float32)
    suffixes = feature_suffix("the weight", floats)
    records = concatenate(encode_examples(batch), suffixes).to_pylist()
    assert records == [a + b for a, b in zip(encode_examples(batch).to_pylist(), suffixes.to_pylist(), strict=True)]
    for record, row, weight in zip(records, expected_rows(batch), floats, strict=True):
        features = example.FromString(record).features.feature
        assert set(features) == {*row, "the weight"}
        assert np.array(features["the weight"].float_list.value, np.float32).tobytes() == weight.tobytes()


def test_tensorflow_parses_a_record_with_a_suffix():
    import tensorflow as tf

    batch = pa.record_batch({"x": pa.array([1, 2]), "words": pa.array([[b"a"], None], pa.list_(pa.binary()))})
    records = concatenate(encode_examples(batch), feature_suffix("weight", np.array([0.0, 2.5], np.float32)))
    spec = {
        "x": tf.io.FixedLenFeature([], tf.int64),
        "words": tf.io.RaggedFeature(tf.string),
        "weight": tf.io.FixedLenFeature([], tf.float32),
    }
    parsed = tf.io.parse_example(tf.constant(records.to_pylist()), spec)
    assert parsed["x"].numpy().tolist() == [1, 2]
    assert parsed["words"].to_list() == [[b"a"], []]
    assert parsed["weight"].numpy().tolist() == [0.0, 2.5]


def test_slices_of_a_large_block_are_independent_of_it():
    """Columns with offsets that are no multiple of 8 bits, in validity bitmaps as in values."""
    generator = np.random.default_rng(0)
    mask = generator.random(5000) < 0.3
    batch = pa.record_batch(
        {
            "float": pa.array(generator.random(5000).astype(np.float32), mask=mask),
            "int": pa.array(generator.integers(-5, 300, 5000), mask=mask[::-1].copy()),
            "word": pa.array([b"w%d" % (i % 7) for i in range(5000)], pa.binary(), mask=mask),
            "list": pa.array([None if m else [i] * (i % 4) for i, m in enumerate(mask)], pa.list_(pa.int64())),
        }
    )
    whole = encode_examples(batch).to_pylist()
    for step in (1, 13, 997, 4096):
        stop = 130 if step == 1 else 5000
        pieces = [encode_examples(batch.slice(i, min(step, stop - i))).to_pylist() for i in range(0, stop, step)]
        assert list(itertools.chain(*pieces)) == whole[:stop]
