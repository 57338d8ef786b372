"""Features dropped from Examples: the others stay as they were, byte for byte where that can be."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tfrecord_io.example_bytes import NAMES, ODD, RECORDS, field, parsed_or_none, serialized
from tfrecord_io.errors import SourceError
from tfrecord_io.example_drop import drop_features
from tfrecord_io.example_proto import parse_example


def dropped(records, names):
    return drop_features(pa.array(records, pa.large_binary()), names).to_pylist()


def comparable(features):
    return {name: (dtype, list(map(repr, values))) for name, (dtype, values) in features.items()}


@settings(max_examples=60)
@given(
    st.lists(RECORDS.filter(lambda record: parsed_or_none(record) is not None), max_size=8),
    st.sets(NAMES, max_size=3),
    st.integers(0, 3),
)
def test_the_others_stay(records, names, start):
    array = pa.array(records, pa.large_binary()).slice(start)
    after = drop_features(array, names).to_pylist()
    for record, left in zip(records[start:], after, strict=True):
        before = parse_example(record)
        wanted = {name: values for name, values in before.items() if name not in names}
        assert comparable(parse_example(left)) == comparable(wanted)
        if len(wanted) == len(before):
            assert left == record
        assert dropped([record], names) == [left]


def test_bytes_stay_in_their_order():
    one, two = serialized({"a": ("int64_list", [1])}), serialized({"b": ("float_list", [0.5])})
    more = field(2, b"context")
    assert dropped([one + more + two], {"b"}) == [one + more + b"\n\x00"]
    assert dropped([more + one + two], {"a"}) == [more + b"\n\x00" + two]
    assert dropped([two, one], {"a"}) == [two, b"\n\x00"]
    assert dropped([one, two, one + two, two], {"a"}) == [b"\n\x00", two, b"\n\x00" + two, two]
    assert dropped([b"", more], {"a"}) == [b"", more]
    assert dropped([], {"a"}) == []


@pytest.mark.parametrize("record", ODD.values(), ids=ODD)
def test_odd_records(record):
    names = {"y", "n" * 128}
    assert not names & set(parse_example(dropped([record], names)[0]))
    assert dropped([record], {"absent"}) == [record]


def test_what_is_no_example():
    with pytest.raises(SourceError, match=r"the record is no serialized tf\.train\.Example"):
        dropped([serialized({}), b"\xff"], {"a"})
