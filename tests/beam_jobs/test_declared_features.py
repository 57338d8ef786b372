"""Declared fields compared with the features that records state themselves."""

from __future__ import annotations

from typing import Any

import pytest

from beam_jobs.sources.declared import DeclaredField
from beam_jobs.sources.declared_features import contradiction, with_declared
from tfrecord_io.errors import SourceError


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
