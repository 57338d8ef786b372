"""Declared fields compared with the features that records state themselves."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beam_jobs.sources.declared import DeclaredField
from beam_jobs.sources.declared_features import contradiction, misfits, with_declared
from beam_jobs.sources.feature_table import FeatureTable
from beam_jobs.sources.tfrecord_features import counts_of
from tests.tfrecord_io.example_bytes import FEATURES, ODD, buffer, parsed_or_none, serialized
from tfrecord_io.errors import SourceError
from tfrecord_io.example_walk import walk


def _field(kind: str = "INTEGER", **said: Any) -> DeclaredField:
    return DeclaredField(name="a", type=kind, **said)


@pytest.mark.parametrize(
    ("field", "features", "why"),
    [
        (_field(), {"a": ("int64", 1)}, None),
        (_field(), {"a": ("int64", 3)}, None),
        (_field(), {}, None),
        (_field("BOOLEAN"), {"a": ("int64", 1)}, None),
        (_field("DATE"), {"a": ("bytes", 1)}, "feature 'a' holds bytes, where --schema says DATE."),
        (_field(), {"a": ("float32", 1)}, "feature 'a' holds float32, where --schema says INTEGER."),
        (_field(required=True), {"b": ("int64", 1)}, "feature 'a' is missing, which --schema says is REQUIRED."),
        (_field(repeated=False), {"a": ("int64", 2)}, "feature 'a' holds 2 values, where --schema says 1."),
        (_field(length=2), {"a": ("int64", 2)}, None),
        (_field(length=2), {"a": ("int64", 0)}, "feature 'a' holds 0 values, where --schema says 2."),
    ],
)
def test_a_record_that_is_not_as_declared(
    field: DeclaredField, features: dict[str, tuple[str, int]], why: str | None
) -> None:
    assert contradiction([field], features) == why


_DECLARED = st.builds(
    DeclaredField,
    name=st.sampled_from(["y", "w", "é", "nowhere"]),
    type=st.sampled_from(["INTEGER", "FLOAT", "STRING", "BOOLEAN"]),
    required=st.booleans(),
    repeated=st.sampled_from([None, False, True]),
    length=st.sampled_from([None, 1, 2]),
)
_KNOWN = [record for record in ODD.values() if parsed_or_none(record) is not None]


@settings(max_examples=60, deadline=None)
@given(st.lists(FEATURES.map(serialized) | st.sampled_from(_KNOWN), max_size=8), st.lists(_DECLARED, max_size=3))
def test_many_records_at_once_are_judged_as_one_by_one(records: list[bytes], declared: list[DeclaredField]) -> None:
    entries = walk(*buffer(records, 0))
    parsed = [parsed_or_none(record) for record in records]
    table = FeatureTable.of(entries, {row: parsed[row] for row in entries.odd.nonzero()[0].tolist()})
    expected = [contradiction(declared, counts_of(features)) for features in parsed]
    assert misfits(declared, table, len(records)) == {row: why for row, why in enumerate(expected) if why}


@pytest.mark.parametrize(
    ("field", "shape", "listed"),
    [
        (_field(), [3], {"dtype": "int64", "shape": [3], "optional": False}),
        (_field(repeated=True), [3], {"dtype": "int64", "shape": None, "optional": False}),
        (_field(length=2, default=(1, 2)), [2], {"dtype": "int64", "shape": [2], "optional": False, "default": [1, 2]}),
        (_field(default=0), [], {"dtype": "int64", "shape": [], "optional": False, "default": 0}),
        (_field(length=1), [], {"dtype": "int64", "shape": [1], "optional": False}),
    ],
)
def test_shapes_and_defaults_that_are_declared(
    field: DeclaredField, shape: list[int] | None, listed: dict[str, Any]
) -> None:
    other = {"dtype": "bytes", "shape": None, "optional": True}
    found = {"z": other, "a": {"dtype": "int64", "shape": shape, "optional": False}}
    assert with_declared(found, [field]) == {"a": listed, "z": other}


def test_a_declared_feature_of_no_record_is_optional() -> None:
    assert with_declared({}, [_field("BOOLEAN", default=1)]) == {
        "a": {"dtype": "int64", "shape": [], "optional": True, "default": 1}
    }


def test_a_default_of_another_shape_is_refused() -> None:
    with pytest.raises(SourceError, match="'a' has a default of one value, but records hold lists"):
        with_declared({"a": {"dtype": "int64", "shape": None, "optional": False}}, [_field(default=0)])
