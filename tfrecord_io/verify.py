"""Whether a dataset on disk is what its manifest says: files, digests, records, counts, labels, weights."""

from __future__ import annotations

import gzip
import hashlib
import io
import math
import os
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO, cast

import numpy as np

from tfrecord_io import labels
from tfrecord_io.errors import CorruptShardError, PresampleError
from tfrecord_io.example_proto import Values, parse_example
from tfrecord_io.labels import Label
from tfrecord_io.manifest import MANIFEST_NAME, ClassEntry, Manifest, Shard, manifest_path
from tfrecord_io.records import scan
from tfrecord_io.storage import Folder, open_folder, split_path

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_READ_BYTES = 2**20
_WEIGHT_TOLERANCE = 1e-6


@dataclass
class Verification:
    """The outcome of `verify`: what was read, and a sentence for each thing that is wrong."""

    shards: int = 0
    rows: int = 0
    bytes: int = 0
    problems: list[str] = field(default_factory=list)

    @property
    def whole(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems


def verify(directory: str | os.PathLike[str]) -> Verification:
    """Reads every byte of a dataset and compares it with the manifest.

    Args:
      directory: the dataset, or its manifest.json; local or on `gs://`.

    Raises:
      ManifestError: there is no dataset, or its manifest is damaged.

    Cost: reads each shard once, several at a time and some MB of each; parses each record for its
    label and weight.
    """
    manifest = Manifest.load(directory)
    root = open_folder(split_path(manifest_path(directory))[0])
    work = [
        (root, manifest, entry.label, weights.get(entry.label), shard)
        for split, content in manifest.splits.items()
        for weights in [_expected_weights(manifest, split)]
        for entry in content.classes
        for shard in entry.shards
    ]
    result = Verification(problems=_check_totals(manifest))
    with ThreadPoolExecutor(root.readers) as pool:
        for (*_, shard), problems in zip(work, pool.map(lambda item: _check_shard(*item), work), strict=True):
            result.shards += 1
            result.rows += shard.rows
            result.bytes += shard.bytes
            result.problems += problems
    for file in manifest.rejected["files"]:
        result.problems += _check_file(root, file["path"], file["bytes"], file["sha256"])
    return result


def _check_totals(manifest: Manifest) -> list[str]:
    """Numbers of the manifest that must agree with each other."""
    problems = []
    for name, split in manifest.splits.items():
        if split.rows != sum(entry.rows for entry in split.classes):
            problems.append(f"{MANIFEST_NAME}: the classes of {name} do not add up to its {split.rows} rows.")
        for entry in split.classes:
            wrong = _check_folds(entry)
            if wrong:
                problems.append(
                    f"{MANIFEST_NAME}: the shards of class {labels.to_text(entry.label)} of {name} {wrong}."
                )
    return problems


def _check_folds(entry: ClassEntry) -> str | None:
    """What is wrong with the rows of a class's folds: the first has the class's, the others no more than were drawn."""
    rows = Counter[int]()
    for shard in entry.shards:
        rows[shard.fold] += shard.rows
    if rows[0] != entry.rows:
        return f"do not add up to its {entry.rows} rows"
    for fold, found in sorted(rows.items()):
        if fold >= entry.folds:
            return f"are of fold {fold}, but it has {entry.folds}"
        if found > entry.rows + entry.rejected_rows:
            return f"hold {found} rows of fold {fold}, more than its {entry.rows}"
    return None


def _expected_weights(manifest: Manifest, split: str) -> dict[Label, float]:
    """The weight of every row of a class; empty where rows have weights of their own."""
    return {} if manifest.options.get("weight_in") else manifest.stored_factors(split)


def _check_shard(root: Folder, manifest: Manifest, label: Label, weight: float | None, shard: Shard) -> list[str]:
    rows = 0

    def check(stream: BinaryIO) -> str | None:
        nonlocal rows
        records = cast(BinaryIO, gzip.GzipFile(fileobj=stream)) if manifest.compression == "gzip" else stream
        try:
            for record, problem in _check_records(records, shard.path, manifest, label, weight):
                rows = record + 1
                if problem:
                    return problem
        except CorruptShardError as error:
            return str(error)
        return None

    problems = _check_file(root, shard.path, shard.bytes, shard.sha256, check)
    if rows != shard.rows and not problems:
        problems.append(f"{shard.path} holds {rows} records; the manifest says {shard.rows}.")
    return problems


def _check_file(
    root: Folder, name: str, size: int, sha256: str, check: Callable[[BinaryIO], str | None] | None = None
) -> list[str]:
    """What is wrong with a file: its size or digest, and what a look at its content finds. Reads it once."""
    try:
        with root.open(name) as file:
            digesting = _Digesting(file)
            stream = io.BufferedReader(digesting, _READ_BYTES)
            found = check(stream) if check else None
            while stream.read(_READ_BYTES):  # what a damaged record left
                pass
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        return [f"{name} is missing."]
    except OSError as error:
        return [f"{name} cannot be read: {error.strerror or error}."]
    if digesting.size != size:
        problems = [f"{name} has {digesting.size} bytes; the manifest says {size}."]
    elif digesting.sha256.hexdigest() != sha256:
        problems = [f"{name}: its SHA-256 differs from the manifest's; its content was changed."]
    else:
        problems = []
    return [*problems, found] if found else problems


class _Digesting(io.RawIOBase):
    """A file whose bytes are counted and digested on the way."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__()
        self._file = file
        self.size = 0
        self.sha256 = hashlib.sha256()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer).cast("B")
        content = self._file.read(len(view))
        view[: len(content)] = content
        self.size += len(content)
        self.sha256.update(content)
        return len(content)


def _check_records(
    stream: BinaryIO, name: str, manifest: Manifest, label: Label, weight: float | None
) -> Iterator[tuple[int, str | None]]:
    """(number, what is wrong) of each record of a shard."""
    for record, (offset, payload) in enumerate(scan(stream, name)):
        where = f"{name}: record {record} at byte {offset}"
        try:
            features = parse_example(payload)
        except PresampleError as error:
            yield record, f"{where}: {error}."
            continue
        found = features.get(manifest.label, (None, []))
        weights = features.get(manifest.weight, (None, []))
        if not _is_label(*found, label):
            yield record, f"{where}: its label is {_shown(*found)}, not {labels.to_text(label)}."
        elif not _is_weight(*weights, weight):
            wanted = "a number of 0 or more" if weight is None else weight
            yield record, f"{where}: its weight is {_shown(*weights)}, not {wanted}."
        else:
            yield record, None


def _shown(dtype: str | None, values: Values) -> str:
    return f"{dtype} {values}" if dtype else "missing"


def _is_label(dtype: str | None, values: Values, label: Label) -> bool:
    if isinstance(label, int):  # a bool is one, and stored as 0 or 1
        return dtype == "int64" and values == [label]
    if isinstance(label, float):
        return dtype == "float32" and values == [float(np.float32(label))]
    return dtype == "bytes" and values == [label if isinstance(label, bytes) else label.encode()]


def _is_weight(dtype: str | None, values: Values, expected: float | None) -> bool:
    if dtype != "float32" or len(values) != 1:
        return False
    found = float(values[0])
    if expected is None:
        return math.isfinite(found) and found >= 0
    return abs(found - float(np.float32(expected))) <= _WEIGHT_TOLERANCE * expected
