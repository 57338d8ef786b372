"""Datasets on other file systems than the local one: TensorFlow's own, here the one in memory."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from input_fns import InputFn
from tests.input_fns.conftest import ClassData, Data
from tfrecord_io.errors import ManifestError


def copied(path: str, place: str) -> str:
    for file in Path(path).rglob("*"):
        if file.is_file():
            tf.io.gfile.makedirs(f"{place}/{file.parent.relative_to(path)}")
            tf.io.gfile.copy(str(file), f"{place}/{file.relative_to(path)}")
    return place


def rows(train):
    return [(features["id"].tolist(), weight.tolist()) for features, _, weight in train().as_numpy_iterator()]


def test_a_remote_dataset_yields_what_the_local_one_does(dataset):
    classes = [ClassData(label=0, rows=20, source_rows=200, shards=3), ClassData(label=1, rows=5, first_id=100)]
    path = dataset(Data(classes=classes, compression="gzip"))
    remote = copied(path, "ram://bucket/one")
    options = {"batch_size": 4, "mix": "balanced", "num_epochs": 2, "seed": 1}
    assert rows(InputFn(remote, **options)) == rows(InputFn(path, **options))
    more = dataset(Data(classes=[ClassData(label=1, rows=8, first_id=200)]))
    both = InputFn([remote, more], batch_size=33, num_epochs=1)
    ((features, _, _),) = both()
    assert np.sort(features["id"]).tolist() == [*range(20), *range(100, 105), *range(200, 208)]


def test_a_remote_shard_that_is_missing_is_an_error_when_it_is_reached(dataset):
    remote = copied(dataset(Data(classes=[ClassData(label=0, rows=6, shards=2)])), "ram://bucket/two")
    tf.io.gfile.remove(f"{remote}/train/label=0/part-00001.tfrecord")
    with pytest.raises(tf.errors.NotFoundError):  # gs:// and others name the file; this file system says nothing.
        list(InputFn(remote, batch_size=2, num_epochs=1)())


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("ram://bucket/nothing", "ram://bucket/nothing holds no dataset: there is no manifest.json in it."),
        ("foo://bucket/nothing", "foo://bucket/nothing/manifest.json cannot be read: File system scheme 'foo' not"),
    ],
)
def test_what_is_no_remote_dataset_is_one_clear_error(place, message):
    with pytest.raises(ManifestError, match=re.escape(message)):
        InputFn(place, batch_size=2)
