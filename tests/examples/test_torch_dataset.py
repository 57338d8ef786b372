"""The PyTorch example, run as it stands where there is no TensorFlow: `make test-torch`."""

from __future__ import annotations

import hashlib
import importlib.util
import runpy
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from tests.tfrecord_io.shards import EMPTY
from tfrecord_io.examples import encode_examples
from tfrecord_io.manifest import ClassEntry, Manifest, Shard, Split
from tfrecord_io.records import frame

pytestmark = pytest.mark.torch

SOURCE_ROWS, ROWS = (1800, 200), (300, 200)


@pytest.fixture(scope="module")
def example():
    return runpy.run_path(str(Path(__file__).parents[2] / "examples" / "torch_dataset.py"))


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """300 of 1800 rows of class no, all 200 of class yes: a number that tells them apart a little, an id, a text."""
    folder, classes, first = tmp_path_factory.mktemp("torch"), [], 0
    random = np.random.default_rng(0)
    for label, (source_rows, rows) in enumerate(zip(SOURCE_ROWS, ROWS, strict=True)):
        columns = {
            "label": pa.array([[b"no", b"yes"][label]] * rows, pa.binary()),
            "row": pa.array([[number, 0] for number in range(first, first + rows)], pa.list_(pa.int64())),
            "text": pa.array([b"t"] * rows, pa.binary()),
            "weight": pa.array(np.full(rows, source_rows / rows, np.float32)),
            "x": pa.array(random.normal(label, 1, rows).astype(np.float32)),
        }
        content = frame(encode_examples(pa.record_batch(columns))).to_pybytes()
        path = f"train/label={label}/part-0.tfrecord"
        (folder / path).parent.mkdir(parents=True)
        (folder / path).write_bytes(content)
        shard = Shard(path=path, rows=rows, bytes=len(content), sha256=hashlib.sha256(content).hexdigest())
        numbers = {"source_rows": source_rows, "source_weight": float(source_rows), "rows": rows}
        entry = ClassEntry(label=["no", "yes"][label], weight=source_rows / rows, shards=(shard,), **numbers)
        classes.append(entry)
        first += rows
    split = Split(source_rows=sum(SOURCE_ROWS), rows=sum(ROWS), classes=tuple(classes))
    kinds = {"label": ("bytes", []), "row": ("int64", [2]), "text": ("bytes", []), "x": ("float32", [])}
    schema = {name: {"dtype": dtype, "shape": shape} for name, (dtype, shape) in kinds.items()}
    manifest = Manifest(**(vars(EMPTY) | {"schema": schema, "splits": {"train": split}}))
    (folder / "manifest.json").write_text(manifest.to_json())
    return str(folder)


def test_there_is_no_tensorflow_here():
    assert importlib.util.find_spec("torch")
    assert not importlib.util.find_spec("tensorflow")


@pytest.mark.parametrize("workers", [0, 2])
def test_an_epoch_is_each_row_once_whatever_the_workers(example, dataset, workers):
    import torch
    from torch.utils.data import DataLoader

    examples = example["Examples"](dataset, batch_size=32, seed=3)
    loader = DataLoader(examples, batch_size=None, num_workers=workers)
    epochs = []
    for epoch in (0, 1, 5):
        examples.set_epoch(epoch)
        batches = list(loader)
        assert all(torch.is_tensor(features["x"]) and weight.dtype == torch.float32 for features, _, weight in batches)
        assert batches[0][0]["text"].tolist() == [b"t"] * 32
        epochs.append([row for features, _, _ in batches for row in features["row"][:, 0].tolist()])
    assert [Counter(rows) for rows in epochs] == [Counter(range(500))] * 3
    assert epochs[0] != epochs[1] != epochs[2]


def test_it_learns_the_share_of_the_source(example, dataset):
    assert example["main"](dataset) == pytest.approx(0.1, abs=0.02)  # of the sample it is 0.4, of the mix 0.5
