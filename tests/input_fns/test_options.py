"""Every option that is refused, and what the message says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import tensorflow as tf

from input_fns import InputFn
from tests.input_fns.conftest import ClassData, Data
from tfrecord_io.errors import ManifestError, UsageError


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"split": "valid"}, r"no split 'valid'; the dataset has train\."),
        ({"mix": "even"}, r"no mix 'even'; mix is one of stored, natural, balanced"),
        ({"mix": {0: 1, 7: 1}}, r"class 7, which is not there; the classes are 0, 1"),
        ({"batching": "random"}, r"no batching 'random'; batching is one of exact, sampled\."),
        ({"weights": "balanced"}, r"no weights 'balanced'; weights is one of auto, stored, none\."),
        ({"structure": "tuple"}, r"no structure 'tuple'; structure is one of keras, estimator, dict\."),
        ({"batch_size": 0}, r"batch_size is 0; give an integer, 1 or more\."),
        ({"batch_size": True}, r"batch_size is True; give an integer"),
        ({"batch_size": 2.5}, r"batch_size is 2\.5; give an integer"),
        ({"batch_size": 2**20 + 1}, r"batch_size is 1048577; it can be 1048576 at most\."),
        ({"num_epochs": 0}, r"num_epochs is 0; give an integer, 1 or more\."),
        ({"epoch_rows": -1}, r"epoch_rows is -1; give an integer, 1 or more\."),
        ({"seed": "a"}, r"seed is 'a'; give an integer\."),
        (
            {"batch_size": 9, "drop_remainder": True},
            r"no batch: an epoch has 8 rows, a batch 9\. Use a smaller",
        ),
        (
            {"batching": "sampled", "shuffle": False},
            r"'sampled' draws classes at random, which shuffle=False",
        ),
        ({"features": "id"}, r"features='id' is one name; give a list of names: features=\['id'\]\."),
        ({"features": ["ids"]}, r"no feature 'ids' \(did you mean 'id'\?\); it has 'id'\."),
        ({"features": ["label"]}, r"names 'label', which is the dataset's label and comes by itself"),
        ({"features": ["weight"]}, r"names 'weight', which is the dataset's weight and comes by itself"),
        (
            {"features": {"id": tf.io.FixedLenFeature([], tf.float32)}},
            r"stores int64\. Give a tf.io feature such as tf.io.FixedLenFeature\(\[\], tf.int64\)",
        ),
        ({"features": {"id": "int64"}}, r"features\['id'\] is 'int64', but the dataset stores int64"),
    ],
)
def test_options_that_are_refused(toy, options, message):
    with pytest.raises(UsageError, match=message):
        InputFn(toy, **{"batch_size": 4, **options})


def test_a_split_without_rows(dataset):
    path = dataset(Data(classes=[ClassData(label=0, rows=0, source_rows=3)]))
    with pytest.raises(UsageError, match=r"Split 'train' holds no row\. Splits with rows: none\."):
        InputFn(path, batch_size=1)


def test_an_empty_class_is_left_out(dataset):
    path = dataset(Data(classes=[ClassData(label=0, rows=0, source_rows=3), ClassData(label=1, rows=2)]))
    train = InputFn(path, batch_size=2, mix="balanced", num_epochs=1)
    assert [label.tolist() for _, label, _ in train().as_numpy_iterator()] == [[1, 1]]
    assert train.class_rows == {0: 0, 1: 2}


def test_no_dataset_there(tmp_path):
    with pytest.raises(ManifestError, match=r"holds no dataset"):
        InputFn(tmp_path, batch_size=1)


def test_shards_that_do_not_add_up_to_the_class(dataset):
    from tfrecord_io.manifest import content_id

    path = Path(dataset(Data(classes=[ClassData(label=0, rows=4, shards=2)])))
    document = json.loads((path / "manifest.json").read_text())
    document["splits"]["train"]["classes"][0]["shards"].pop()
    document["dataset_id"] = content_id(document)
    (path / "manifest.json").write_text(json.dumps(document))
    with pytest.raises(ManifestError, match=r"class 0 of split 'train' 4 rows, but its shards 2\."):
        InputFn(path, batch_size=1)
