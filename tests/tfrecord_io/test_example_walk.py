"""The walk over many Examples, against protobuf on each: it never differs, and does not leave it the usual ones."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tfrecord_io.example_bytes import FEATURES, ODD, RECORDS, alike, buffer, parsed_or_none, serialized
from tfrecord_io.example_entries import KINDS
from tfrecord_io.example_fields import MOST_ITEMS
from tfrecord_io.example_proto import parse_example
from tfrecord_io.example_walk import walk


def found_in(records, gap=3, names=None):
    """What the walk finds in each record, name -> (dtype, number of values, their bytes); None where it is odd."""
    data, starts, stops = buffer(records, gap)
    entries = walk(data, starts, stops, names)
    found = [None if odd else {} for odd in entries.odd.tolist()]
    columns = (entries.record, entries.name, entries.kind, entries.count, entries.value, entries.stop)
    for record, name, kind, count, value, stop in zip(*(column.tolist() for column in columns), strict=True):
        assert entries.names[name] not in found[record]
        found[record][entries.names[name]] = (KINDS[kind], count, data[value:stop])
    return found


def assert_like_protobuf(record, found):
    parsed = parse_example(record)
    assert {name: each[:2] for name, each in found.items()} == {n: (d, len(v)) for n, (d, v) in parsed.items()}
    for name, (dtype, values) in parsed.items():
        if dtype == "float32":
            assert found[name][2] == np.array(values, "<f4").tobytes()
        if dtype == "bytes" and len(values) == 1:
            assert found[name][2] == values[0]


@given(st.lists(RECORDS, max_size=12) | alike(), st.integers(0, 16))
def test_what_it_finds_is_what_protobuf_finds(records, gap):
    for record, found in zip(records, found_in(records, gap), strict=True):
        if found is not None:
            assert_like_protobuf(record, found)


@given(st.lists(FEATURES, max_size=8))
def test_usual_records_are_not_left_to_protobuf(rows):
    rows = [{name: values for name, values in row.items() if len(name) < 128} for row in rows]
    records = [serialized(row) for row in rows]
    for record, found in zip(records, found_in(records), strict=True):
        assert found is not None
        assert_like_protobuf(record, found)


@settings(max_examples=50)
@given(st.lists(RECORDS, min_size=1, max_size=8) | alike())
def test_what_is_found_in_a_record_is_in_itself(records):
    together = found_in(records)
    assert together == [found_in([record])[0] for record in records]


@settings(max_examples=50)
@given(alike())
def test_some_names(records):
    names = {"y", "name_6", "absent"}
    for all_, some in zip(found_in(records), found_in(records, names=names), strict=True):
        if all_ is not None:
            assert some == {name: each for name, each in all_.items() if name in names}


def test_records_alike_but_for_some():
    """Many of two orders, with others between them."""
    one = [serialized({"y": ("int64_list", [i]), "v": ("float_list", [i / 2])}) for i in range(300)]
    two = [serialized({"v": ("float_list", [0.5, i])}) + serialized({"y": ("int64_list", [i])}) for i in range(100)]
    records = one + two + [ODD["unpacked"], b"\xff", serialized({})]
    order = np.random.default_rng(0).permutation(len(records)).tolist()
    for at, found in zip(order, found_in([records[at] for at in order]), strict=True):
        if at < len(one) + len(two):
            assert_like_protobuf(records[at], found)
        else:
            assert found == (None if records[at] else {})


@pytest.mark.parametrize("record", ODD.values(), ids=ODD)
def test_odd_records_are_left_to_protobuf(record):
    plain = serialized({"y": ("int64_list", [7])})
    assert parsed_or_none(record) is not None
    assert found_in([plain, record, plain]) == [{"y": ("int64", 1, b"\x07")}, None, {"y": ("int64", 1, b"\x07")}]


@pytest.mark.parametrize("record", [b"\xff", b"\n\x05abc", b"plain text", b"\n\x07\n\x05\n\x01\xff\x12\x00", b"\0"])
def test_records_that_are_no_examples(record):
    assert parsed_or_none(record) is None
    assert found_in([record]) == [None]


def test_many_features_and_many_strings():
    names = {f"feature {index}": ("int64_list", [index]) for index in range(MOST_ITEMS)}
    tags = {"tags": ("bytes_list", [b"x"] * MOST_ITEMS)}
    wide = serialized({**names, "one more": ("int64_list", [0])})
    long = serialized({"tags": ("bytes_list", [b"x"] * (MOST_ITEMS + 1))})
    found = found_in([serialized(names), wide, serialized(tags), long])
    assert len(found[0]) == MOST_ITEMS
    assert found[2]["tags"][:2] == ("bytes", MOST_ITEMS)
    assert found[1] is None
    assert found[3] is None


def test_values_that_look_like_features():
    inner = serialized({"y": ("int64_list", [1])})
    for name in ("a", "z"):
        assert found_in([serialized({name: ("bytes_list", [inner])})]) == [{name: ("bytes", 1, inner)}]


def test_no_records():
    assert found_in([]) == []
    assert found_in([b"", b""], gap=0) == [{}, {}]
