"""Reading Examples without TensorFlow, against TensorFlow's own message."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfrecord_io.errors import SourceError
from tfrecord_io.example_proto import message_class, parse_example

FEATURES = st.dictionaries(
    st.text(st.characters(codec="utf-8"), max_size=10),
    st.tuples(st.just("int64_list"), st.lists(st.integers(-(2**63), 2**63 - 1), max_size=4))
    | st.tuples(st.just("float_list"), st.lists(st.floats(width=32, allow_nan=False), max_size=4))
    | st.tuples(st.just("bytes_list"), st.lists(st.binary(max_size=10), max_size=4))
    | st.just((None, [])),
    max_size=5,
)
DTYPES = {"int64_list": "int64", "float_list": "float32", "bytes_list": "bytes", None: None}


@pytest.fixture(scope="module")
def example():
    import tensorflow as tf

    return tf.train.Example


@given(features=FEATURES)
def test_reads_what_tensorflow_writes(example, features):
    message = example()
    for name, (kind, values) in features.items():
        message.features.feature[name].SetInParent()
        if kind:
            getattr(message.features.feature[name], kind).SetInParent()
            getattr(message.features.feature[name], kind).value.extend(values)
    found = parse_example(message.SerializeToString())
    assert found == {name: (DTYPES[kind], values) for name, (kind, values) in features.items()}


def test_the_last_of_two_features_wins():
    """As in TensorFlow: what makes `record + suffix` work."""
    ours = message_class()
    first, second = ours(), ours()
    first.features.feature["a"].int64_list.value.append(1)
    first.features.feature["b"].int64_list.value.append(1)
    second.features.feature["a"].float_list.value.append(2.0)
    joined = first.SerializeToString() + second.SerializeToString()
    assert parse_example(joined) == {"a": ("float32", [2.0]), "b": ("int64", [1])}


def test_unpacked_numbers():
    """Numbers one by one, each with a tag: old writers do that, and readers must take it."""
    values = b"\x08\x05\x08\x07"
    feature = b"\x1a" + bytes([len(values)]) + values
    entry = b"\n\x01a\x12" + bytes([len(feature)]) + feature
    features = b"\n" + bytes([len(entry)]) + entry
    assert parse_example(b"\n" + bytes([len(features)]) + features) == {"a": ("int64", [5, 7])}


def test_an_empty_record_has_no_features():
    assert parse_example(b"") == {}


@pytest.mark.parametrize("record", [b"\xff", b"\n\x05abc", b"plain text", b"\n\x07\n\x05\n\x01\xff\x12\x00", b"\0"])
def test_records_that_are_no_examples(record):
    with pytest.raises(SourceError, match=r"the record is no serialized tf\.train\.Example \("):
        parse_example(record)


def test_tensorflow_is_not_needed():
    code = "import sys, tfrecord_io.example_proto as e; e.parse_example(b''); print('tensorflow' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
