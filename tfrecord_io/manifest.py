"""The manifest: the one file from which readers learn everything about a dataset.

`manifest.json` is written last, in one atomic step; the dataset exists from then on.
Its shape is fixed by `manifest.schema.json` beside this module; the classes here mirror it.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.resources
import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO, cast

import fastjsonschema

from tfrecord_io import labels
from tfrecord_io.errors import DamagedManifestError, ManifestError
from tfrecord_io.labels import Label
from tfrecord_io.storage import open_file
from tfrecord_io.weights import weight_factors

MANIFEST_NAME = "manifest.json"
FORMAT_VERSION = 1
UNRESAMPLED_SPLITS = frozenset({"eval", "test"})
"""Splits that keep the source's distribution: never resampled, weight = the original one or 1."""

_NOT_CONTENT = ("dataset_id", "created", "producer")


@dataclass(frozen=True, kw_only=True)
class Shard:
    """One TFRecord file. `path` is relative to the dataset, with forward slashes."""

    path: str
    rows: int
    bytes: int
    sha256: str
    fold: int = 0


@dataclass(frozen=True, kw_only=True)
class ClassEntry:
    """What one split holds of one class. `rows` and `weight` are of one fold.

    `weight` is N_k/n_k: source rows over rows asked for; None when the class keeps no row.
    `rows` is what was asked for less `rejected_rows` (drawn rows that did not parse).
    """

    label: Label
    source_rows: int
    source_weight: float
    rows: int
    weight: float | None
    shards: tuple[Shard, ...]
    folds: int = 1
    rejected_rows: int = 0


@dataclass(frozen=True, kw_only=True)
class Split:
    """One split; `classes` in the order of their labels."""

    source_rows: int
    rows: int
    classes: tuple[ClassEntry, ...]


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """A whole dataset, as its manifest describes it. Immutable.

    `schema` maps each feature (label included, weight not) to {"dtype", "shape", "optional"}:
    shape [] is one value, [n] exactly n, None any number; optional features are absent from
    some rows.
    """

    label: str
    weight: str
    compression: str
    schema: Mapping[str, Mapping[str, Any]]
    options: Mapping[str, Any]
    sampling: Mapping[str, Any]
    source: Mapping[str, Any]
    rejected: Mapping[str, Any]
    splits: Mapping[str, Split]
    producer: Mapping[str, Any]
    created: str

    @classmethod
    def load(cls, directory: str | os.PathLike[str], *, opener: Callable[[str], BinaryIO] | None = None) -> Manifest:
        """Reads `DIR/manifest.json`. Opens that one file and nothing else.

        Args:
          directory: the dataset, or the path of its manifest.json.
          opener: opens a path for reading in binary; local files and `gs://` by default.

        Raises:
          ManifestError: no dataset there, or its manifest is damaged or of a newer format.
        """
        path = manifest_path(directory)
        try:
            with (opener or open_file)(path) as file:
                text = file.read()
        except (FileNotFoundError, NotADirectoryError) as error:
            raise ManifestError(
                f"{directory} holds no dataset: there is no {MANIFEST_NAME} in it. "
                "A dataset is the folder that `presample run --output` names."
            ) from error
        except OSError as error:
            raise ManifestError(f"{path} cannot be read: {error.strerror or error}.") from error
        return cls.from_json(text, name=path)

    @classmethod
    def from_json(cls, text: str | bytes, *, name: str = MANIFEST_NAME) -> Manifest:
        """Parses and checks a manifest's text.

        Raises:
          ManifestError: not JSON, not a presample manifest, a newer format, or an edited one
            (its dataset_id does not recompute).
        """
        try:
            document = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ManifestError(f"{name} is not valid JSON ({error}). Write the dataset again.") from error
        if not isinstance(document, dict) or document.get("format") != "presample":
            raise ManifestError(f"{name} is not a presample manifest (its format is not 'presample').")
        version = document.get("format_version")
        if isinstance(version, int) and version > FORMAT_VERSION:
            raise ManifestError(
                f"{name} has format_version {version}; this version of presample reads up to "
                f"{FORMAT_VERSION}. Upgrade presample."
            )
        try:
            _validator()(document)
        except fastjsonschema.JsonSchemaValueException as error:
            raise DamagedManifestError(f"{name} is damaged: {error.message}. Write the dataset again.") from error
        if document["dataset_id"] != content_id(document):
            raise DamagedManifestError(
                f"{name} was changed after it was written: its dataset_id {document['dataset_id']} "
                f"does not recompute (it gives {content_id(document)}). Write the dataset again."
            )
        return _from_document(document)

    def to_document(self) -> dict[str, Any]:
        """The manifest as plain JSON types, dataset_id included."""
        plain = {name: value for name, value in vars(self).items() if name != "splits"}
        document = cast(dict[str, Any], json.loads(json.dumps(plain)))
        document["splits"] = {name: _split_document(split) for name, split in self.splits.items()}
        document |= {"format": "presample", "format_version": FORMAT_VERSION}
        return document | {"dataset_id": content_id(document)}

    def to_json(self) -> str:
        """The text of manifest.json: sorted keys, two spaces, a final newline."""
        return json.dumps(self.to_document(), indent=2, sort_keys=True, allow_nan=False) + "\n"

    @property
    def dataset_id(self) -> str:
        """A hash of the content: equal for equal options and source, whatever wrote it, and when."""
        return cast(str, self.to_document()["dataset_id"])

    def split(self, name: str) -> Split:
        """The split of that name.

        Raises:
          ValueError: there is none; lists those there are.
        """
        if name not in self.splits:
            raise ValueError(f"There is no split {name!r}; this dataset has {', '.join(sorted(self.splits))}.")
        return self.splits[name]

    def stored_factors(self, split: str) -> dict[Label, float]:
        """What a stored weight is as a multiple of the row's original one, for each class with rows.

        Raises:
          ValueError: there is no such split.
        """
        kept = [entry for entry in self.split(split).classes if entry.weight is not None]
        mode = "none" if split in UNRESAMPLED_SPLITS else self.sampling["weights"]
        return weight_factors(mode, {entry.label: (entry.source_weight, cast(float, entry.weight)) for entry in kept})

    def files(self) -> set[str]:
        """The paths of all shards and of the rejected rows."""
        return {shard.path for shard in self.shards()} | {file["path"] for file in self.rejected["files"]}

    def shards(self) -> Iterator[Shard]:
        """Every shard of every split and class."""
        for split in self.splits.values():
            for entry in split.classes:
                yield from entry.shards


def manifest_path(directory: str | os.PathLike[str]) -> str:
    """The path of a dataset's manifest, given the dataset or the manifest itself."""
    path = os.fspath(directory)
    return path if path.split("/")[-1] == MANIFEST_NAME else path.rstrip("/") + "/" + MANIFEST_NAME


def content_id(document: Mapping[str, Any]) -> str:
    """SHA-256 over the document's canonical JSON, less what may differ between equal datasets."""
    content = {key: value for key, value in document.items() if key not in _NOT_CONTENT}
    content["source"] = {k: v for k, v in document["source"].items() if k != "patterns"}
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


@functools.cache
def _validator() -> Callable[[object], object]:
    schema = importlib.resources.files("tfrecord_io").joinpath("manifest.schema.json").read_text()
    return cast(Callable[[object], object], fastjsonschema.compile(json.loads(schema)))


def _from_document(document: dict[str, Any]) -> Manifest:
    content = {k: v for k, v in document.items() if k not in ("format", "format_version", "dataset_id")}
    content["splits"] = {name: _split(split) for name, split in document["splits"].items()}
    return Manifest(**content)


def _split_document(split: Split) -> dict[str, Any]:
    def entry(one: ClassEntry) -> dict[str, Any]:
        shards = [dict(vars(shard)) for shard in one.shards]
        return vars(one) | {"label": labels.to_json(one.label), "shards": shards}

    return vars(split) | {"classes": [entry(one) for one in split.classes]}


def _split(split: dict[str, Any]) -> Split:
    def entry(fields: dict[str, Any]) -> ClassEntry:
        label = labels.from_json(fields["label"])
        return ClassEntry(**(fields | {"label": label, "shards": tuple(Shard(**s) for s in fields["shards"])}))

    return Split(**(split | {"classes": tuple(map(entry, split["classes"]))}))
