"""Defaults: what a feature is read as where it is missing."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from tfrecord_io import labels
from tfrecord_io.errors import ManifestError

_MISSING = {"int64": -1, "float32": float("nan"), "bytes": b""}


def missing_values(name: str, entry: Mapping[str, Any]) -> list[Any]:
    """The values of a feature where it is absent: what the manifest's schema declares, else NaN, -1 or b"".

    Args:
      name: of the feature.
      entry: of the schema, of a feature of one value or a fixed number of them.

    Raises:
      ManifestError: a declared default that the feature cannot have.
    """
    count = entry["shape"][0] if entry["shape"] else 1
    return _declared(name, entry, count) if "default" in entry else [_MISSING[entry["dtype"]]] * count


def _declared(name: str, entry: Mapping[str, Any], count: int) -> list[Any]:
    """The default of a feature in the manifest's schema, as `count` values.

    Raises:
      ManifestError: another number of values, or one of another type.
    """
    default = entry["default"]
    listed = isinstance(default, list)
    values = [_value(value, entry["dtype"]) for value in (default if listed else [default] * count)]
    if len(values) != count or (listed and not entry["shape"]) or None in values:
        raise ManifestError(
            f"The manifest's default of {name!r} is {default!r}, which is not {count} {entry['dtype']} "
            f"value{'s' * (count != 1)}. The manifest is damaged: write the dataset again."
        )
    return values


def _value(value: Any, dtype: str) -> Any:
    """A value of the manifest's JSON as it is read; None where it is none of that dtype."""
    if dtype == "bytes":
        text = labels.from_json(value)
        return text.encode() if isinstance(text, str) else text if isinstance(text, bytes) else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if dtype == "float32":
        return float(value) if math.isfinite(value) else None
    return value if isinstance(value, int) and -(2**63) <= value < 2**63 else None
