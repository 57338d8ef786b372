"""Features, labels and structures as parsed from real records."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from input_fns import InputFn
from tests.input_fns.conftest import ClassData, Data

SCHEMA = {
    "age": {"dtype": "float32", "shape": [], "optional": True},
    "count": {"dtype": "int64", "shape": [], "optional": True},
    "name": {"dtype": "bytes", "shape": [], "optional": True},
    "pair": {"dtype": "float32", "shape": [2], "optional": True},
    "point": {"dtype": "int64", "shape": [3]},
    "tags": {"dtype": "bytes", "shape": None},
}


def row(number):
    """Row 0 has every feature, row 1 the required ones only."""
    required = {"point": [number, 2, 3]}
    if number:
        return required
    return {**required, "age": 1.5, "count": 7, "name": b"a", "pair": [0.5, 1.5], "tags": [b"x", b"y"]}


@pytest.fixture
def rows(dataset):
    return dataset(Data(classes=[ClassData(label=0, rows=2)], schema=SCHEMA, row=row, weight="w"))


def only_batch(path, **options):
    (batch,) = InputFn(path, **{"batch_size": 2, "num_epochs": 1, "shuffle": False, **options})()
    return batch


def test_missing_values_have_plain_defaults(rows):
    features, label, weight = only_batch(rows)
    assert label.numpy().tolist() == [0, 0]
    assert weight.numpy().tolist() == [1, 1]
    assert set(features) == {"id", *SCHEMA}
    np.testing.assert_array_equal(features["age"], [1.5, np.nan])
    assert features["count"].numpy().tolist() == [7, -1]
    assert features["name"].numpy().tolist() == [b"a", b""]
    np.testing.assert_array_equal(features["pair"], [[0.5, 1.5], [np.nan, np.nan]])
    assert features["point"].numpy().tolist() == [[0, 2, 3], [1, 2, 3]]
    assert isinstance(features["tags"], tf.SparseTensor)
    assert tf.RaggedTensor.from_sparse(features["tags"]).to_list() == [[b"x", b"y"], []]


def test_structures(rows):
    features, label = only_batch(rows, structure="estimator", features=["id"])
    assert set(features) == {"id", "w"}
    assert label.shape == [2]
    everything = only_batch(rows, structure="dict", features=["id"])
    assert set(everything) == {"id", "label", "w"}
    assert set(only_batch(rows, structure="dict", features=[], weights="none")) == {"label"}
    features, label = only_batch(rows, weights="none")
    assert "w" not in features
    features, label = only_batch(rows, structure="estimator", weights="none")
    assert "w" not in features


def test_a_feature_can_be_read_otherwise(rows):
    spec = {
        "age": tf.io.FixedLenFeature([], tf.float32, -1.0),
        "words": tf.io.RaggedFeature(tf.string, value_key="tags"),
    }
    train = InputFn(rows, batch_size=2, num_epochs=1, shuffle=False, features=spec)
    assert train.feature_spec == spec
    ((features, _, _),) = train()
    assert features["age"].numpy().tolist() == [1.5, -1]
    assert features["words"].to_list() == [[b"x", b"y"], []]


@pytest.mark.parametrize("structure", ["keras", "dict"])
def test_map_fn_gets_the_parts_of_the_structure(rows, structure):
    def keras(features, label, weight):
        return features["id"] * 10, label, weight

    def as_dict(features):
        return features["id"] * 10

    train = InputFn(
        rows,
        batch_size=2,
        num_epochs=1,
        shuffle=False,
        structure=structure,
        map_fn=keras if structure == "keras" else as_dict,
    )
    (batch,) = train()
    ids = batch[0] if structure == "keras" else batch
    assert ids.numpy().tolist() == [0, 10]
    assert train.element_spec == train().element_spec


@pytest.mark.parametrize(
    ("label", "dtype", "value"),
    [
        (0, tf.int64, 0),
        (-1, tf.int64, -1),
        (2**63 - 1, tf.int64, 2**63 - 1),
        (False, tf.int64, 0),
        (0.0, tf.float32, 0.0),
        ("", tf.string, b""),
        ("é", tf.string, "é".encode()),
        (b"\xff", tf.string, b"\xff"),
    ],
)
def test_labels_of_every_type(dataset, label, dtype, value):
    path = dataset(Data(classes=[ClassData(label=label, rows=2)]))
    train = InputFn(path, batch_size=2, num_epochs=1)
    ((_, labels, _),) = train()
    assert labels.dtype == dtype
    assert labels.numpy().tolist() == [value, value]
    assert list(train.class_rows) == [label]
