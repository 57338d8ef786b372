"""A dataset as a TFXIO: the rows that tfx-bsl hands on are those of the dataset."""

from __future__ import annotations

import dataclasses
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apache_beam as beam
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tfx_bsl.tfxio.dataset_options import RecordBatchesOptions, TensorFlowDatasetOptions

from beam_jobs.failures import cause_of
from beam_jobs.tfxio import dataset_tfxio, tfmd_schema
from tests.beam_jobs.conftest import Dataset, Row, run_job
from tfrecord_io.errors import ManifestError, UsageError

FEATURES = {
    "fixed": ("FLOAT", "dense"),
    "id": ("INT", "dense"),
    "many": ("INT", "sparse"),
    "text": ("BYTES", "sparse"),
    "weight": ("FLOAT", "dense"),
    "y": ("BYTES", "dense"),
}


@pytest.fixture(scope="module", params=["none", "gzip"])
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Two splits, three classes, some ten shards; in a folder whose name could be taken for a pattern."""
    folder = tmp_path_factory.mktemp("tfxio")
    rows = 900
    columns = {
        "id": list(range(rows)),
        "y": ["a" if i % 9 else "b" if i % 2 else "c" for i in range(rows)],
        "text": [f"text {i}" if i % 3 else None for i in range(rows)],
        "many": [list(range(i % 3)) for i in range(rows)],
        "fixed": pa.array([[i / 2, i / 3] for i in range(rows)], pa.list_(pa.float32(), 2)),
    }
    pq.write_table(pa.table(columns), folder / "rows.parquet")
    options = {"strategy": "ratio=2", "splits": "train=0.8,eval=0.2", "shard_size": 600}
    result = run_job(folder / "all [ab]* {1}?", folder / "rows.parquet", (), compression=request.param, **options)
    train = result.classes()["a"].shards
    assert len(train) > 1
    for shard in train:  # what no manifest names is not read
        shutil.copy(result.folder / shard.path, (result.folder / shard.path).with_name(f"old-{Path(shard.path).name}"))
    return result


def _rows(batches: Iterator[pa.RecordBatch]) -> list[Row]:
    """Rows of decoded batches, as they are on disk; sorted by id."""
    rows = [{name: v for name, v in row.items() if v is not None} for batch in batches for row in batch.to_pylist()]
    return sorted(rows, key=lambda row: row["id"])


def _write_rows(batch: pa.RecordBatch, folder: str) -> None:
    number = len(list(Path(folder).iterdir()))
    pq.write_table(pa.Table.from_batches([batch]), f"{folder}/{number}.parquet")


def _through_beam(source: Any, folder: Path) -> list[Row]:
    folder.mkdir()
    with beam.Pipeline(runner="FnApiRunner") as pipeline:
        _ = pipeline | source.BeamSource() | beam.Map(_write_rows, str(folder))
    return _rows(batch for path in folder.iterdir() for batch in pq.read_table(path).to_batches())


def test_the_rows_are_those_of_the_dataset(made: Dataset, tmp_path: Path) -> None:
    train = dataset_tfxio(made.folder)
    expected = sorted(made.rows(), key=lambda row: row["id"])
    assert _through_beam(train, tmp_path / "train") == expected
    once = RecordBatchesOptions(batch_size=50, num_epochs=1, shuffle=False)
    assert _rows(train.RecordBatches(once)) == expected
    both = dataset_tfxio(made.folder, split=["eval", "train"])
    assert len(_rows(both.RecordBatches(once))) == len(expected) + len(made.rows(split="eval"))
    few = _through_beam(dataset_tfxio(made.folder, split="eval").Project(["id", "weight"]), tmp_path / "eval")
    assert few == [{"id": row["id"], "weight": [1.0]} for row in sorted(made.rows(split="eval"), key=lambda r: r["id"])]


def test_its_tensors(made: Dataset) -> None:
    train = dataset_tfxio(made.folder, raw_record_column_name="raw")
    kinds = {name: one.WhichOneof("kind") for name, one in train.TensorRepresentations().items()}
    assert kinds == {
        name: {"dense": "dense_tensor", "sparse": "varlen_sparse_tensor"}[kind] for name, (_, kind) in FEATURES.items()
    }
    assert train.ArrowSchema().names[-1] == "raw"
    options = TensorFlowDatasetOptions(batch_size=10, num_epochs=1, label_key="y", shuffle=False)
    features, label = next(iter(train.TensorFlowDataset(options)))
    assert (features["fixed"].shape, label.shape) == ((10, 2), (10,))


def test_the_schema_by_itself(made: Dataset) -> None:
    schema = tfmd_schema(made.manifest)
    from tensorflow_metadata.proto.v0 import schema_pb2

    assert {one.name: schema_pb2.FeatureType.Name(one.type) for one in schema.feature} == {
        name: kind for name, (kind, _) in FEATURES.items()
    }
    features = {one.name: one for one in schema.feature}
    assert [size.size for size in features["fixed"].shape.dim] == [2]
    assert features["y"].presence.min_fraction == 1
    assert (features["text"].presence.min_fraction, features["text"].value_count.max) == (0, 1)


def test_folds(made: Dataset, tmp_path: Path) -> None:
    shutil.copytree(made.folder, tmp_path / "folds")
    split = made.manifest.split("train")
    halves = [
        dataclasses.replace(
            entry,
            folds=2 if entry.label == "a" else 1,
            shards=tuple(
                dataclasses.replace(shard, fold=place % 2 if entry.label == "a" else 0)
                for place, shard in enumerate(entry.shards)
            ),
        )
        for entry in split.classes
    ]
    manifest = dataclasses.replace(
        made.manifest, splits={"train": dataclasses.replace(split, classes=tuple(halves)), "eval": split}
    )
    (tmp_path / "folds/manifest.json").write_text(manifest.to_json())
    once = RecordBatchesOptions(batch_size=50, num_epochs=1, shuffle=False)
    folds = [_rows(dataset_tfxio(tmp_path / "folds", fold=fold).RecordBatches(once)) for fold in (0, 1)]
    ids = [{row["id"][0] for row in rows if row["y"] == [b"a"]} for rows in folds]
    assert ids[0]
    assert ids[1]
    assert not ids[0] & ids[1]
    assert ids[0] | ids[1] == {row["id"][0] for row in made.rows("a")}
    others = [[row for row in rows if row["y"] != [b"a"]] for rows in folds]
    assert others[0] == others[1]
    for fold in (2, -1):
        with pytest.raises(UsageError, match=f"fold={fold} is not there; the dataset has folds 0 to 1"):
            dataset_tfxio(tmp_path / "folds", fold=fold)


def test_what_is_refused(made: Dataset, tmp_path: Path) -> None:
    for split, message in (
        ("test", "no split 'test'; this dataset has eval, train"),
        ([], "must name one split"),
        (["train", "train"], "several different ones"),
    ):
        with pytest.raises(UsageError, match=message):
            dataset_tfxio(made.folder, split=split)
    with pytest.raises(UsageError, match="fold=1 is not there"):
        dataset_tfxio(made.folder, fold=1)
    with pytest.raises(ManifestError, match="holds no dataset"):
        dataset_tfxio(tmp_path)
    nothing = dataclasses.replace(made.manifest.split("eval"), classes=(), rows=0)
    empty = dataclasses.replace(made.manifest, splits={**made.manifest.splits, "eval": nothing})
    (tmp_path / "manifest.json").write_text(empty.to_json())
    with pytest.raises(UsageError, match="no rows in eval"):
        dataset_tfxio(tmp_path, split="eval")


def test_a_shard_that_lost_a_record_is_found(made: Dataset, tmp_path: Path) -> None:
    shutil.copytree(made.folder, tmp_path / "short")
    entry = made.classes()["a"]
    shards = (dataclasses.replace(entry.shards[0], rows=entry.shards[0].rows + 1), *entry.shards[1:])
    split = dataclasses.replace(made.manifest.split("train"), classes=(dataclasses.replace(entry, shards=shards),))
    manifest = dataclasses.replace(made.manifest, splits={"train": split})
    (tmp_path / "short/manifest.json").write_text(manifest.to_json())
    with pytest.raises(Exception, match=f"holds {entry.shards[0].rows} rows, not the {shards[0].rows} of") as caught:
        _through_beam(dataset_tfxio(tmp_path / "short"), tmp_path / "out")
    assert cause_of(caught.value) is not None


def test_without_tfx_bsl_the_extra_is_named(made: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(sys.modules):
        if name.split(".")[0] == "tfx_bsl" or name == "beam_jobs.dataset_records":
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "tfx_bsl", None)
    with pytest.raises(UsageError, match=r"pip install 'presample\[tfx\]'"):
        dataset_tfxio(made.folder)
