"""Labels of every kind: 0, 0.0, '' and False are values, and no two share a directory."""

from __future__ import annotations

import json
import re
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfrecord_io import labels

INTS = st.integers(-(2**63), 2**63 - 1)
FLOATS = st.floats(width=32, allow_nan=False, allow_infinity=False).map(labels.from_float)
BYTES = (st.binary(max_size=300) | st.text(st.characters(codec="utf-8"), max_size=300).map(str.encode)).map(
    labels.from_bytes
)
ONE_DTYPE = st.one_of(
    st.lists(kind, max_size=12, unique=True)
    for kind in (INTS, FLOATS, BYTES, st.booleans(), st.sampled_from("aAbBäÄ~%.").map(lambda c: c * 2))
)
AWKWARD = [
    "",
    ".",
    "..",
    "a",
    "A",
    "a/b",
    "a%2Fb",
    "%",
    "~",
    "~bool-true",
    "=",
    "x=1",
    " ",
    "\n",
    "\0",
    "é",
    "É",
    "e\u0301",
]


def _safe(component):
    """A name that every file system takes, and percent-encoding leaves alone."""
    return re.fullmatch(r"label=[A-Za-z0-9._+%~-]+", component) and len(component) <= 206


@given(ONE_DTYPE)
def test_components_are_distinct_on_any_file_system(values):
    components = labels.path_components(values)
    assert list(components) == values
    assert all(_safe(component) for component in components.values())
    assert len({component.casefold() for component in components.values()}) == len(values)


def test_awkward_text():
    values = [*AWKWARD, "x" * 200, "x" * 201, "é" * 33, "é" * 34, b"\xff", b"\xff" * 150, "~bytes-ff", "-0", "0"]
    components = labels.path_components(values)
    assert all(_safe(component) for component in components.values())
    assert len({component.casefold() for component in components.values()}) == len(values)
    hashed = {value for value, component in components.items() if re.fullmatch(r"label=~[0-9a-f]{64}", component)}
    assert hashed == {"", ".", "..", "a", "A", "x" * 201, "é" * 34, b"\xff" * 150}


@pytest.mark.parametrize(
    ("label", "component"),
    [
        (0, "label=0"),
        (-1, "label=-1"),
        (2**63 - 1, "label=9223372036854775807"),
        (0.0, "label=0.0"),
        (1e20, "label=1e+20"),
        (False, "label=~bool-false"),
        (True, "label=~bool-true"),
        ("fraud", "label=fraud"),
        ("a/b", "label=a%2Fb"),
        ("100 %", "label=100%20%25"),
        ("~x", "label=%7Ex"),
        ("a=b", "label=a%3Db"),
        ("ü", "label=%C3%BC"),
        (b"\xff\x00", "label=~bytes-ff00"),
        ("", "label=~e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
    ],
)
def test_components(label, component):
    assert labels.path_components([label]) == {label: component}


@pytest.mark.parametrize("label", [0, 0.0, False, "", -1, 2**63 - 1, -(2**63), 0.1, "é", b"\xff\xfe", "\0", True])
def test_json_keeps_value_and_type(label):
    back = labels.from_json(json.loads(json.dumps(labels.to_json(label))))
    assert (back, type(back)) == (label, type(label))


def test_json_forms():
    """What other readers of a manifest see."""
    shown = [labels.to_json(label) for label in (True, b"\xff\x00", 1, 1.5, "true")]
    assert shown == [{"bool": True}, {"bytes": "/wA="}, 1, 1.5, "true"]


@given(INTS | FLOATS | BYTES | st.booleans())
def test_json_round_trip(label):
    back = labels.from_json(json.loads(json.dumps(labels.to_json(label))))
    assert (back, type(back)) == (label, type(label))


@pytest.mark.parametrize("value", [None, [], {}, [1], {"bool": 1}, {"bytes": 1}, {"bytes": "not base64!"}, {"x": "y"}])
def test_json_that_is_no_label(value):
    with pytest.raises(ValueError, match=r"not a label|base64"):
        labels.from_json(value)


@given(
    INTS.map(lambda v: (v, "int64")) | FLOATS.map(lambda v: (v, "float32")) | st.booleans().map(lambda v: (v, "bool"))
)
def test_text_round_trip(case):
    label, dtype = case
    back = labels.from_text(labels.to_text(label), dtype)
    assert (back, type(back)) == (label, type(label))


@given(BYTES.filter(lambda label: isinstance(label, str)))
def test_text_is_its_own_text(label):
    assert labels.from_text(labels.to_text(label), "bytes") == label


def test_bytes_are_shown_as_python_writes_them():
    assert labels.to_text(b"\xffa") == "b'\\xffa'"


@pytest.mark.parametrize(
    ("text", "dtype"),
    [
        ("", "int64"),
        ("1.0", "int64"),
        ("x", "int64"),
        ("nan", "float32"),
        ("inf", "float32"),
        ("1e39", "float32"),
        ("", "float32"),
        ("1", "bool"),
        ("yes", "bool"),
        ("", "bool"),
    ],
)
def test_text_that_is_no_label(text, dtype):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ValueError, match=re.escape(repr(text)) + "|could not convert|finite"):
            labels.from_text(text, dtype)


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_floats_are_the_shortest_decimals_of_their_float32(value):
    label = labels.from_float(value)
    assert np.float32(label) == np.float32(value)
    assert len(repr(label)) <= len(repr(float(np.float32(value))))
    assert str(label)[0] != "-" or label < 0


@pytest.mark.parametrize(
    ("value", "label"), [(0.1, 0.1), (np.float32(0.1), 0.1), (-0.0, 0.0), (16777217.0, 16777216.0)]
)
def test_float_labels(value, label):
    assert repr(labels.from_float(value)) == repr(label)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), 1e39, -1e39])
def test_floats_that_name_no_class(value):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ValueError, match="is not a finite float32"):
            labels.from_float(value)


@pytest.mark.parametrize(
    ("value", "label"),
    [(b"", ""), (b"a", "a"), ("ü".encode(), "ü"), (b"\xff", b"\xff"), (b"\xed\xa0\x80", b"\xed\xa0\x80")],
)
def test_bytes_are_text_where_they_can_be(value, label):
    assert labels.from_bytes(value) == label


def test_order():
    assert sorted([10, 9, -1, 2**63 - 1, 2**63 - 2], key=labels.sort_key) == [-1, 9, 10, 2**63 - 2, 2**63 - 1]
    assert sorted([0.5, -1.5, 0.0], key=labels.sort_key) == [-1.5, 0.0, 0.5]
    assert sorted([True, False], key=labels.sort_key) == [False, True]
    mixed = ["b", b"\xff", "", "a", "é", "Z", "10", "9"]
    assert sorted(mixed, key=labels.sort_key) == ["", "10", "9", "Z", "a", "b", "é", b"\xff"]


@given(st.lists(BYTES, max_size=20))
def test_text_and_bytes_are_in_order_of_their_bytes(values):
    raw = [value.encode() if isinstance(value, str) else value for value in values]
    ordered = sorted(values, key=labels.sort_key)
    assert [value.encode() if isinstance(value, str) else value for value in ordered] == sorted(raw)
