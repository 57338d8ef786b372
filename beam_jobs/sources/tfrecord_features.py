"""Single features of parsed Examples: labels, weights and ids, and what all records have in common."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from beam_jobs.sources.files import SourceFile
from tfrecord_io import labels
from tfrecord_io.errors import SourceError
from tfrecord_io.example_proto import Values
from tfrecord_io.labels import Label

Features = Mapping[str, tuple[str | None, Values]]
"""A parsed Example: name -> (dtype, values)."""

Seen = dict[str, tuple[str, int, int, int]]
"""name -> (dtype, fewest values, most values, records that have it)."""


class TwoTypesError(SourceError):
    """A feature is not of one type in all records."""


def counts_of(features: Features) -> dict[str, tuple[str, int]]:
    """The dtype and the number of values of each feature; those without a kind left out."""
    return {name: (dtype, len(values)) for name, (dtype, values) in features.items() if dtype is not None}


def widen(seen: Seen, name: str, more: tuple[str, int, int, int], where: str) -> None:
    """Adds what is known of a feature from other records.

    Raises:
      TwoTypesError: it is of another type there.
    """
    known = seen.get(name, (*more[:3], 0))
    if known[0] != more[0]:
        raise two_types(where, name, known[0], more[0])
    seen[name] = (known[0], min(known[1], more[1]), max(known[2], more[2]), known[3] + more[3])


def two_types(where: str, name: str, one: str, other: str) -> TwoTypesError:
    """The error for a feature that is of these types."""
    return TwoTypesError(
        f"{where}: feature {name!r} is of two types, {one} and {other}. A feature needs one type in all records; "
        "write the source again, or run the files apart."
    )


def single_of(features: Features, name: str) -> bytes | float | int:
    """The one value of a feature; `SourceError` where there is none, or more."""
    dtype, values = features.get(name, (None, []))
    if dtype is None or not values:
        raise SourceError(f"feature {name!r} is missing.")
    if len(values) > 1:
        raise SourceError(f"feature {name!r} has {len(values)} values; one is needed.")
    return values[0]


def label_of(features: Features, name: str, dtype: str) -> Label:
    """The label in a feature; `SourceError` where it is missing or not of that dtype."""
    value = single_of(features, name)
    found, wanted = features[name][0], "int64" if dtype == "bool" else dtype
    if found != wanted:
        raise SourceError(f"the label in feature {name!r} is {found}, elsewhere it is {wanted}.")
    try:
        return to_label(value, dtype)
    except ValueError as error:
        raise SourceError(f"the label in feature {name!r} is no label: {error}.") from error


def to_label(value: bytes | float | int, dtype: str) -> Label:
    """The label of a dtype for a value; `ValueError` for NaN, infinities, and booleans other than 0 and 1."""
    if dtype == "bool":
        if value not in (0, 1):
            raise ValueError(f"{value!r} is neither 0 nor 1, where --schema says BOOLEAN")
        return bool(value)
    if isinstance(value, bytes):
        return labels.from_bytes(value)
    return value if isinstance(value, int) else labels.from_float(value)


def time_of(features: Features, name: str, dtype: str) -> None:
    """Checks that a feature holds one value of that dtype; `SourceError` where it does not."""
    single_of(features, name)
    if features[name][0] != dtype:
        raise SourceError(f"feature {name!r} of --split_time is {features[name][0]}, elsewhere it is {dtype}.")


def text_of(features: Features, name: str) -> bytes:
    """The one value of a feature as text, for ids and splits."""
    value = single_of(features, name)
    if isinstance(value, bytes):
        return value
    return str(value if isinstance(value, int) else np.float32(value)).encode()


def weight_of(features: Features, name: str) -> float:
    """The one value of a feature as a number, NaN where it is missing; `SourceError` where it is none."""
    if not features.get(name, (None, []))[1]:
        return float("nan")
    value = single_of(features, name)
    if isinstance(value, bytes):
        raise SourceError(f"feature {name!r} of --weight_in holds bytes, not a number.")
    return float(value)


def weight_collision(file: SourceFile, name: str) -> SourceError:
    """The error for records that already have a feature named like the weight to write."""
    return SourceError(
        f"--weight_out {name}: {file.path} already has a feature of that name. Choose another name for the weight "
        "column to write."
    )
