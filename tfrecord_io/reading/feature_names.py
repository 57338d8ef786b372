"""Feature names: which of a dataset's features are asked for."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any

from tfrecord_io.errors import UsageError
from tfrecord_io.reading.datasets import Datasets


def stored_features(datasets: Datasets) -> dict[str, Mapping[str, Any]]:
    """The entries of the schema, but that of the label."""
    return {name: entry for name, entry in datasets.schema.items() if name != datasets.label}


def feature_names(datasets: Datasets, features: Iterable[str] | None) -> list[str]:
    """The names of the features that are asked for; None = of all.

    Raises:
      UsageError: one name instead of a list; or names of no feature, of the label or of the weight.
    """
    stored = stored_features(datasets)
    if features is None:
        return list(stored)
    if isinstance(features, str):
        raise UsageError(f"features={features!r} is one name; give a list of names: features=[{features!r}].")
    names = list(features)
    for name, role in ((datasets.label, "label"), (datasets.weight, "weight")):
        if name in names:
            raise UsageError(
                f"features names {name!r}, which is the dataset's {role} and comes by itself. Leave it out."
            )
    unknown = [name for name in names if name not in stored]
    if unknown:
        near = difflib.get_close_matches(str(unknown[0]), stored, 1)
        raise UsageError(
            f"The dataset has no feature {', '.join(map(repr, unknown))}"
            + (f" (did you mean {near[0]!r}?)" if near else "")
            + f"; it has {', '.join(map(repr, sorted(stored)))}."
        )
    return names
