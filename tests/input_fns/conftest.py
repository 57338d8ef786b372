"""Small real datasets: TFRecord shards and a manifest, as a job would publish them."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf

from input_fns import kept, mixing, shards, streams
from tfrecord_io import labels
from tfrecord_io.labels import Label
from tfrecord_io.manifest import ClassEntry, Manifest, Shard, Split
from tfrecord_io.weights import weight_factors


@dataclass(frozen=True, kw_only=True)
class ClassData:
    """One class to write. Row i has feature `id` = first_id + i and original weight `weight_in`[i].

    `rows` are those of its first fold, `more_folds` those of the others, whose ids follow.
    """

    label: Label
    rows: int
    source_rows: int | None = None
    shards: int = 1
    first_id: int = 0
    weight_in: Sequence[float] | None = None
    source_weight: float | None = None
    more_folds: Sequence[int] = ()


@dataclass(frozen=True, kw_only=True)
class Data:
    """A split to write."""

    classes: Sequence[ClassData]
    split: str = "train"
    weights: str = "calibrated"
    weight: str = "weight"
    compression: str = "none"
    schema: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    row: Callable[[int], Mapping[str, Any]] = lambda number: {}


def feature(value: Any) -> tf.train.Feature:
    values = value if isinstance(value, list) else [value]
    if all(isinstance(v, int) for v in values):
        return tf.train.Feature(int64_list=tf.train.Int64List(value=[int(v) for v in values]))
    if all(isinstance(v, float) for v in values):
        return tf.train.Feature(float_list=tf.train.FloatList(value=values))
    encoded = [v if isinstance(v, bytes) else v.encode() for v in values]
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=encoded))


def _write_class(directory: Path, data: Data, one: ClassData, factor: float, keep_weight: float | None) -> ClassEntry:
    written = []
    folds = (one.rows, *one.more_folds)
    bounds = [rows * s // one.shards for rows in folds for s in range(one.shards + 1)]
    firsts = [sum(folds[:fold]) for fold in range(len(folds))]
    for number, (start, stop) in enumerate(itertools.pairwise(bounds)):
        fold, shard = divmod(number, one.shards + 1)
        if shard == one.shards or start == stop:
            continue
        name = f"{labels.path_components([one.label])[one.label]}/part-{number:05}"
        path = f"{data.split}/{name}.tfrecord" + (".gz" if data.compression == "gzip" else "")
        (directory / path).parent.mkdir(parents=True, exist_ok=True)
        options = "GZIP" if data.compression == "gzip" else ""
        with tf.io.TFRecordWriter(str(directory / path), options) as writer:
            for i in range(firsts[fold] + start, firsts[fold] + stop):
                weight = (1.0 if one.weight_in is None else one.weight_in[i]) * factor
                row = {"id": one.first_id + i, "label": one.label, data.weight: weight, **data.row(i)}
                features = tf.train.Features(feature={k: feature(v) for k, v in row.items()})
                writer.write(tf.train.Example(features=features).SerializeToString())
        content = (directory / path).read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        written.append(Shard(path=path, rows=stop - start, bytes=len(content), sha256=digest, fold=fold))
    return ClassEntry(
        label=one.label,
        source_rows=one.rows if one.source_rows is None else one.source_rows,
        source_weight=_source_weight(one),
        rows=one.rows,
        weight=keep_weight,
        shards=tuple(written),
        folds=len(folds),
    )


def _source_weight(one: ClassData) -> float:
    source_rows = one.rows if one.source_rows is None else one.source_rows
    return float(source_rows) if one.source_weight is None else one.source_weight


def _write_split(directory: Path, data: Data) -> Split:
    keep = {c.label: (c.rows if c.source_rows is None else c.source_rows) / c.rows for c in data.classes if c.rows}
    mode = "none" if data.split in ("eval", "test") else data.weights
    factors = weight_factors(mode, {c.label: (_source_weight(c), keep[c.label]) for c in data.classes if c.rows})
    entries = [_write_class(directory, data, c, factors.get(c.label, 1.0), keep.get(c.label)) for c in data.classes]
    rows, source_rows = (sum(getattr(e, name) for e in entries) for name in ("rows", "source_rows"))
    return Split(source_rows=source_rows, rows=rows, classes=tuple(entries))


def write(directory: Path, *split_data: Data) -> str:
    """Writes a dataset of one split or more; returns its path. What is common to all is the first one's."""
    data = split_data[0]
    splits = {one.split: _write_split(directory, one) for one in split_data}
    dtype = {bool: "int64", int: "int64", float: "float32"}.get(type(data.classes[0].label), "bytes")
    manifest = Manifest(
        label="label",
        weight=data.weight,
        compression=data.compression,
        schema={"id": {"dtype": "int64", "shape": []}, "label": {"dtype": dtype, "shape": []}, **data.schema},
        options={},
        sampling={"strategy": "balance", "weights": data.weights, "seed": 0, "folds": 1, "draw": "x"},
        source={
            "patterns": [],
            "format": "csv",
            "files": 1,
            "bytes": 1,
            "rows": sum(split.source_rows for split in splits.values()),
            "rejected_rows": 0,
        },
        rejected={"reasons": {}, "files": []},
        splits=splits,
        producer={},
        created="2024-01-01T00:00:00Z",
    )
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "manifest.json").write_text(manifest.to_json())
    return str(directory)


@pytest.fixture
def dataset(tmp_path: Path) -> Callable[..., str]:
    """Writes a dataset: dataset(Data(...), ...) -> its path."""
    numbers = iter(range(100))
    return lambda *splits: write(tmp_path / f"dataset{next(numbers)}", *splits)


@pytest.fixture
def in_small(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """The engine with windows, blocks and runs of a few rows; in_small(n) keeps classes below n rows in memory."""

    def patch(kept_rows: int) -> None:
        monkeypatch.setattr(kept, "KEPT_ROWS", kept_rows)
        monkeypatch.setattr(streams, "MIN_WINDOW", 4)
        monkeypatch.setattr(shards, "BLOCK_ROWS", 3)
        monkeypatch.setattr(mixing, "CHUNK_ROWS", 16)
        monkeypatch.setattr(mixing, "_RUNS", (2, 3, 3))

    return patch


def write_toy(folder: Path) -> str:
    """6 of 60 rows of class 0 (ids 0 to 5), both of class 1 (ids 100, 101)."""
    classes = [
        ClassData(label=0, rows=6, source_rows=60, shards=2),
        ClassData(label=1, rows=2, first_id=100),
    ]
    return write(folder, Data(classes=classes))
