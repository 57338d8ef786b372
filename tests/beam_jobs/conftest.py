"""Small sources, runs of the job, and its shards read back with TensorFlow alone."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import tensorflow as tf

from beam_jobs import PresampleOptions, run
from tfrecord_io import records
from tfrecord_io.examples import encode_examples
from tfrecord_io.labels import Label
from tfrecord_io.manifest import ClassEntry, Manifest

Row = dict[str, list[Any]]
"""One Example as it is on disk: feature -> values."""


@dataclass(frozen=True)
class Dataset:
    """A published dataset."""

    folder: Path
    manifest: Manifest

    def classes(self, split: str = "train") -> dict[Label, ClassEntry]:
        return {entry.label: entry for entry in self.manifest.split(split).classes}

    def sizes(self, split: str = "train") -> dict[Label, int]:
        """Rows of each class as the manifest says, checked against what the files hold."""
        for label, entry in self.classes(split).items():
            on_disk = [len(list(self.records(shard.path))) for shard in entry.shards]
            assert on_disk == [shard.rows for shard in entry.shards], label
            assert sum(on_disk) == entry.rows, label
        return {label: entry.rows for label, entry in self.classes(split).items()}

    def records(self, path: str) -> Iterator[bytes]:
        kind = "GZIP" if path.endswith(".gz") else ""
        yield from tf.data.TFRecordDataset(str(self.folder / path), kind).as_numpy_iterator()

    def shard_rows(self, label: Label, split: str = "train") -> list[list[Row]]:
        """The rows of each shard of a class."""
        shards = self.classes(split)[label].shards
        return [[decode(record) for record in self.records(shard.path)] for shard in shards]

    def rows(self, label: Label | None = None, split: str = "train") -> list[Row]:
        """The rows of one class, or of all."""
        wanted = self.classes(split) if label is None else [label]
        return [row for one in wanted for rows in self.shard_rows(one, split) for row in rows]

    def ids(self, name: str = "id", split: str = "train", label: Label | None = None) -> Counter[Any]:
        """How often each value of a column is there."""
        return Counter(row[name][0] for row in self.rows(label, split))

    def files(self) -> dict[str, bytes]:
        """Every file but the manifest: its relative path and its bytes."""
        found = {str(path.relative_to(self.folder)): path for path in self.folder.rglob("*") if path.is_file()}
        return {name: path.read_bytes() for name, path in sorted(found.items()) if name != "manifest.json"}

    def rejected(self) -> list[dict[str, Any]]:
        """The lines of `rejected/`."""
        files = [self.folder / file["path"] for file in self.manifest.rejected["files"]]
        return [json.loads(line) for file in files for line in file.read_text().splitlines()]


Presample = Callable[..., Dataset]


def decode(record: bytes) -> Row:
    features = tf.train.Example.FromString(record).features.feature
    return {name: list(getattr(f, f.WhichOneof("kind")).value) for name, f in features.items() if f.WhichOneof("kind")}


def run_job(
    output: Path, inputs: Path | str | Sequence[Path | str], beam_args: Sequence[str], **options: Any
) -> Dataset:
    """Runs the job on one or several inputs, label `y` unless said otherwise."""
    patterns = (inputs,) if isinstance(inputs, (Path, str)) else inputs
    chosen = PresampleOptions(input=tuple(map(str, patterns)), output=str(output), **{"label": "y", **options})
    return Dataset(output, run(chosen, beam_args))


@pytest.fixture
def presample(tmp_path: Path) -> Presample:
    """presample(inputs, beam_args=(), **options) -> Dataset, each in a folder of its own."""
    numbers = iter(range(10_000))
    return lambda inputs, beam_args=(), **options: run_job(
        tmp_path / f"dataset{next(numbers)}", inputs, beam_args, **options
    )


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, bytes | str], Path]:
    """write(name, content) -> path of the new file."""

    def write_file(name: str, content: bytes | str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write_file


def tfrecord_bytes(columns: Mapping[str, Sequence[Any]]) -> bytes:
    """A TFRecord file of columns of int, float, str or bytes; None where a feature is missing."""
    arrays = {name: pa.array([v.encode() if isinstance(v, str) else v for v in c]) for name, c in columns.items()}
    stored = {n: a.cast(pa.float32()) if pa.types.is_floating(a.type) else a for n, a in arrays.items()}
    return bytes(records.frame(encode_examples(pa.RecordBatch.from_pydict(stored))))


def csv_text(header: str, rows: Iterable[Sequence[object]]) -> str:
    return header + "\n" + "".join(",".join(map(str, row)) + "\n" for row in rows)


@pytest.fixture(scope="session")
def three_classes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """600 rows of A, 300 of B, 100 of C, mixed; `id` counts them, `w` is their original weight."""
    path = tmp_path_factory.mktemp("three") / "rows.csv"
    rows = [("A" if i % 10 < 6 else "B" if i % 10 < 9 else "C", i, i % 7 + 0.25, i % 50) for i in range(1000)]
    path.write_text(csv_text("y,id,w,group", rows))
    return path
