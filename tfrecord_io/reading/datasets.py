"""Datasets: one or several, read as one."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, TypeAlias

from tfrecord_io.errors import UsageError
from tfrecord_io.manifest import MANIFEST_NAME, Manifest, manifest_path

Paths: TypeAlias = "str | os.PathLike[str] | Iterable[str | os.PathLike[str]]"


@dataclass(frozen=True, kw_only=True)
class Datasets:
    """Datasets with the same label, weight and features. `directories` end in a slash.

    `schema` is that of the manifests; a feature that one of them calls optional is optional.
    """

    manifests: tuple[Manifest, ...]
    directories: tuple[str, ...]
    label: str
    weight: str
    schema: Mapping[str, Mapping[str, Any]]


def load(paths: Paths, opener: Callable[[str], BinaryIO] | None = None) -> Datasets:
    """Opens the manifest of each dataset, and nothing else.

    Args:
      paths: of a dataset or its manifest.json, or several of them.
      opener: as that of `Manifest.load`.

    Raises:
      UsageError: no path, one named twice, or datasets that cannot be read as one; names the column.
      ManifestError: no dataset there, or a damaged manifest.
    """
    listed = [paths] if isinstance(paths, str | os.PathLike) else list(paths)
    if not listed:
        raise UsageError("The list of datasets is empty; give the path of one dataset or more.")
    named = [manifest_path(path) for path in listed]
    twice = sorted({path for path in named if named.count(path) > 1})
    if twice:
        raise UsageError(f"The datasets to read name {twice[0]} more than once. Name each dataset once.")
    manifests = tuple(Manifest.load(path, opener=opener) for path in listed)
    directories = tuple(path.removesuffix(MANIFEST_NAME) for path in named)
    return Datasets(
        manifests=manifests,
        directories=directories,
        label=_common("label column", [manifest.label for manifest in manifests], directories),
        weight=_common("weight column", [manifest.weight for manifest in manifests], directories),
        schema=_common_schema([manifest.schema for manifest in manifests], directories),
    )


def _common(what: str, values: Sequence[str], directories: Sequence[str]) -> str:
    for value, directory in zip(values, directories, strict=True):
        if value != values[0]:
            raise UsageError(
                f"{directories[0]} and {directory} cannot be read as one: their {what} is {values[0]!r} and "
                f"{value!r}. Write them with the same one, or read them one by one."
            )
    return values[0]


def _common_schema(
    schemas: Sequence[Mapping[str, Mapping[str, Any]]], directories: Sequence[str]
) -> dict[str, dict[str, Any]]:
    common = {name: dict(entry) for name, entry in schemas[0].items()}
    for schema, directory in zip(schemas[1:], directories[1:], strict=True):
        for name in sorted(common.keys() | schema.keys()):
            here, there = _described(common.get(name), schema.get(name)), _described(schema.get(name), common.get(name))
            if here != there:
                raise UsageError(
                    f"{directories[0]} and {directory} cannot be read as one: column {name!r} is {here} in the one "
                    f"and {there} in the other. Write them with one schema (--schema, --columns), or read them one "
                    "by one."
                )
            common[name] = {**schema[name], **common[name]}
            common[name]["optional"] = common[name].get("optional", False) or schema[name].get("optional", False)
    return common


def _described(entry: Mapping[str, Any] | None, other: Mapping[str, Any] | None) -> str:
    """What a column is; its default where that matters, as it is missing from rows of both datasets."""
    if entry is None:
        return "absent"
    shape = entry["shape"]
    many = "any number of " if shape is None else f"{shape[0]} x " if shape else ""
    both = entry.get("optional", False) and other is not None and other.get("optional", False)
    default = f" with default {entry.get('default', 'none')!r}" if both else ""
    return f"{many}{entry['dtype']}{default}"
