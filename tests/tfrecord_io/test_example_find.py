"""A few features found in many Examples, against protobuf on each."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.tfrecord_io.example_bytes import FEATURES, RECORDS, alike, buffer, parsed_or_none, serialized
from tests.tfrecord_io.test_example_walk import assert_like_protobuf
from tfrecord_io.example_entries import KINDS
from tfrecord_io.example_find import find

NAMES = ("y", "name_6", "absent", "a name of more than eight bytes")


def _found(records, names):
    """name -> (dtype, number of values, their bytes) of each record; None where it needs another look."""
    data, starts, stops = buffer(records, 3)
    entries, rest = find(data, starts, stops, names)
    found = [None if row in rest else {} for row in range(len(records))]
    columns = (entries.record, entries.name, entries.kind, entries.count, entries.value, entries.stop)
    for record, name, kind, count, value, stop in zip(*(column.tolist() for column in columns), strict=True):
        found[record][entries.names[name]] = (KINDS[kind], count, data[value:stop])
    return found


@given(st.lists(RECORDS, max_size=12) | alike(), st.lists(st.text(max_size=12), max_size=3))
def test_what_it_finds_is_what_protobuf_finds(records, more):
    parsed = [parsed_or_none(record) for record in records]
    names = {*NAMES, *more, *(name for features in parsed if features for name in list(features)[:2])}
    for features, found in zip(parsed, _found(records, names), strict=True):
        if found is not None and features is not None:
            wanted = {name: (dtype, len(values)) for name, (dtype, values) in features.items() if name in names}
            assert {name: each[:2] for name, each in found.items()} == wanted


@given(st.lists(FEATURES, min_size=1, max_size=8))
def test_usual_records_need_no_other_look(rows):
    rows = [{name: values for name, values in row.items() if 0 < len(name.encode()) < 128} for row in rows]
    rows = [row for row in rows if row]
    records = [serialized(row) for row in rows]
    names = {name for row in rows for name in row}
    for record, found in zip(records, _found(records, names), strict=True):
        assert found is not None
        assert_like_protobuf(record, found)


def test_a_key_inside_another_value_is_none():
    hidden = serialized({"y": ("int64_list", [1])})
    record = serialized({"text": ("bytes_list", [hidden]), "z": ("int64_list", [2])})
    assert _found([record], ["y"]) == [{}]
    assert _found([record], ["z"])[0]["z"][:2] == ("int64", 1)


def test_a_feature_that_is_there_twice_needs_another_look():
    one, other = serialized({"y": ("int64_list", [1])}), serialized({"y": ("int64_list", [2])})
    twice = bytes([0x0A, len(one) + len(other) - 4]) + one[2:] + other[2:]
    assert _found([twice, one], ["y"]) == [None, {"y": ("int64", 1, b"\x01")}]
