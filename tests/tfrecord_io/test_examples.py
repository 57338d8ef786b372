"""The encoder, read back by protobuf, TensorFlow and tfx_bsl."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.tfrecord_io.batches import (
    FLOATS,
    batches,
    comparable,
    expected_rows,
    varint,
)
from tfrecord_io.examples import concatenate, encode_examples, feature_suffix


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
        assert record == (b"\n" + varint(len(body)) + body if batch.num_columns else b"")


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
    assume("\x00" not in "".join(batch.schema.names))  # tfx_bsl ends a name there
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
    where = {name: record.find(b"\n" + varint(len(name.encode())) + name.encode() + b"\x12") for name in names}
    shown = [name for name in sorted(names, key=str.encode) if name != "Z"]
    assert where["Z"] == -1
    assert sorted(shown, key=where.__getitem__) == shown


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
