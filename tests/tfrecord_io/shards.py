"""Datasets written by hand, with nothing but the parts under test."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from tfrecord_io import labels
from tfrecord_io.examples import encode_examples
from tfrecord_io.labels import Label
from tfrecord_io.manifest import ClassEntry, Manifest, Shard, Split
from tfrecord_io.records import GzipStream, frame

EMPTY = Manifest(
    label="label",
    weight="weight",
    compression="none",
    schema={"label": {"dtype": "int64", "shape": []}, "x": {"dtype": "float32", "shape": None, "optional": True}},
    options={"strategy": "balance", "weight_in": None},
    sampling={"strategy": "balance", "weights": "calibrated", "seed": 0, "folds": 1, "draw": "blake2b-splitmix64-v1"},
    source={"patterns": ["a.csv"], "format": "csv", "files": 1, "bytes": 9, "rows": 100, "rejected_rows": 0},
    rejected={"reasons": {}, "files": []},
    splits={"train": Split(source_rows=0, rows=0, classes=())},
    producer={"presample": "0.1.0", "apache_beam": "2.70.0", "runner": "FnApiRunner", "job_id": None},
    created="2026-01-01T00:00:00Z",
)


@dataclass(frozen=True, kw_only=True)
class Rows:
    """One shard's records: each has a label and a weight, or what stands in `wrong` for its number."""

    label: Label
    weight: float
    rows: int
    wrong: Mapping[int, Mapping[str, pa.Array]] = field(default_factory=dict)


def label_column(label: Label) -> pa.Array:
    if isinstance(label, int):
        return pa.array([int(label)], pa.int64())
    if isinstance(label, float):
        return pa.array([label], pa.float32())
    return pa.array([label if isinstance(label, bytes) else label.encode()], pa.binary())


def shard_content(shard: Rows) -> bytes:
    records = []
    for row in range(shard.rows):
        columns = {
            "label": label_column(shard.label),
            "weight": pa.array([shard.weight], pa.float32()),
            "x": pa.array([np.float32(row)], pa.float32()),
        } | shard.wrong.get(row, {})
        records += encode_examples(pa.record_batch(columns)).to_pylist()
    return frame(pa.array(records, pa.large_binary())).to_pybytes()


def write(directory: Path, classes: Sequence[Sequence[Rows]], *, source_rows: int = 100, **changes: Any) -> Manifest:
    """Writes one split, a list of shards a class, and its manifest."""
    zipped = changes.get("compression") == "gzip"
    folders = labels.path_components([shards[0].label for shards in classes])
    entries = []
    for shards in classes:
        kept = sum(shard.rows for shard in shards)
        written = []
        for number, shard in enumerate(shards):
            path = f"train/{folders[shard.label]}/part-{number:05}.tfrecord" + (".gz" if zipped else "")
            content = shard_content(shard)
            if zipped:
                stream = GzipStream()
                content = stream.add(content) + stream.finish()
            (directory / path).parent.mkdir(parents=True, exist_ok=True)
            (directory / path).write_bytes(content)
            digest = hashlib.sha256(content).hexdigest()
            written.append(Shard(path=path, rows=shard.rows, bytes=len(content), sha256=digest))
        entries.append(
            ClassEntry(
                label=shards[0].label,
                source_rows=source_rows,
                source_weight=float(source_rows),
                rows=kept,
                weight=source_rows / kept,
                shards=tuple(written),
            )
        )
    split = Split(
        source_rows=source_rows * len(entries), rows=sum(entry.rows for entry in entries), classes=tuple(entries)
    )
    manifest = replace(EMPTY, splits={"train": split}, **changes)
    (directory / "manifest.json").write_text(manifest.to_json())
    return manifest
