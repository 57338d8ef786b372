"""What batches look like: label ids, sparse and ragged features, map_fn, static shapes, element_spec."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from input_fns import InputFn
from tests.input_fns.conftest import ClassData, Data
from tfrecord_io.errors import UsageError

SCHEMA = {
    "tags": {"dtype": "bytes", "shape": None},
    "at": {"dtype": "int64", "shape": None},
    "value": {"dtype": "float32", "shape": None},
    "pair": {"dtype": "float32", "shape": [2]},
}


def values(number):
    return {
        "tags": [b"t%d" % tag for tag in range(number % 3)],
        "at": list(range(0, 2 * number, 2)),
        "value": [float(number)] * number,
        "pair": [number + 0.5, -1.0],
    }


def row(number):
    return {name: value for name, value in values(number).items() if value}


CLASSES = [ClassData(label="a", rows=4), ClassData(label="b", rows=2, first_id=100), ClassData(label="c", rows=3)]


@pytest.fixture
def path(dataset):
    return dataset(Data(classes=CLASSES, schema=SCHEMA, row=row))


def features_of(path, **options):
    ((features, _, _),) = InputFn(path, **{"batch_size": 9, "num_epochs": 1, "shuffle": False, **options})()
    return features


@pytest.mark.parametrize(
    ("labels", "features"),
    [
        (["a", "b", "c"], ["id"]),
        (["a", "b", "c"], ["id", "tags"]),
        ([-5, 7, 2**40], ["id"]),
        ([0.25, 1.0, 3.0], ["id", "tags"]),
    ],
)
def test_label_ids_are_the_classes_numbers_in_the_manifests_order(dataset, labels, features):
    """Classes of share 0 keep theirs."""
    classes = [ClassData(label=label, rows=3, first_id=10 * k) for k, label in enumerate(labels)]
    path = dataset(Data(classes=classes, schema={"tags": SCHEMA["tags"]}))
    mix = {labels[0]: 1, labels[1]: 0, labels[2]: 2}
    train = InputFn(path, batch_size=3, mix=mix, num_epochs=1, label_ids=True, features=features)
    assert list(train.class_rows) == labels
    for features, label, _ in train():
        assert label.dtype == tf.int64
        assert sorted(label.numpy().tolist()) == sorted([0, 2, 2])
        assert (features["id"].numpy() // 10 == label.numpy()).all()
    assert set(train.prior_correction) == {labels[0], labels[2]}


def test_features_read_as_tensorflow_reads_them(path):
    """A mapping takes whatever tf.io.parse_example takes; nothing else is read."""
    spec = {
        "sparse": tf.io.SparseFeature(index_key="at", value_key="value", dtype=tf.float32, size=10),
        "tags": tf.io.FixedLenSequenceFeature([], tf.string, allow_missing=True, default_value="none"),
        "pair": tf.io.FixedLenFeature([2], tf.float32),
        "at": tf.io.VarLenFeature(tf.int64),
    }
    features = features_of(path, features=spec)
    assert set(features) == set(spec)
    numbers = [0, 1, 2, 3, 0, 1, 0, 1, 2]
    assert features["tags"].shape == [9, 2]
    assert features["tags"].numpy()[1].tolist() == [b"t0", b"none"]
    np.testing.assert_array_equal(features["pair"], [row(number)["pair"] for number in numbers])
    dense = tf.sparse.to_dense(features["sparse"]).numpy()
    assert dense.shape == (9, 10)
    assert dense[3].tolist() == [3.0, 0, 3.0, 0, 3.0, 0, 0, 0, 0, 0]
    assert tf.RaggedTensor.from_sparse(features["at"]).to_list() == [values(number)["at"] for number in numbers]
    words = features_of(path, features={"words": tf.io.RaggedFeature(tf.string, value_key="tags")})["words"]
    assert words.to_list() == [values(number)["tags"] for number in numbers]


@pytest.mark.parametrize(
    ("structure", "drop", "features"),
    [
        ("keras", False, ["id", "pair"]),
        ("keras", True, None),
        ("estimator", True, ["pair"]),
        ("estimator", False, None),
        ("dict", True, ["id", "pair"]),
        ("dict", False, None),
    ],
)
def test_the_element_spec_is_that_of_what_is_yielded(path, structure, drop, features):
    options = {"structure": structure, "drop_remainder": drop, "features": features}
    train = InputFn(path, batch_size=4, num_epochs=1, **options)
    batches = list(train())
    assert len(batches) == (2 if drop else 3)
    rows = 4 if drop else None
    for batch in batches:
        tf.nest.map_structure(
            lambda spec, value: _check_compatible(spec, value), train.element_spec, batch, expand_composites=False
        )
    pair = (train.element_spec if structure == "dict" else train.element_spec[0])["pair"]
    assert pair == tf.TensorSpec([rows, 2], tf.float32)


def _check_compatible(spec, value):
    assert spec.is_compatible_with(value)
    assert type(value) is not tf.RaggedTensor


def test_map_fn_with_pythons_control_flow_on_tensors(path):
    def doubled_where_large(features, label, weight):
        total = tf.constant(0, tf.int64)
        for row in features["id"]:
            if row > 2:
                total += row
        if total > 100:
            label = tf.strings.join([label, "!"])
        return features["id"] * 2, label, total

    train = InputFn(path, batch_size=9, num_epochs=1, shuffle=False, map_fn=doubled_where_large, features=["id"])
    ((ids, label, total),) = train().as_numpy_iterator()
    assert ids.tolist() == [0, 2, 4, 6, 200, 202, 0, 2, 4]
    assert total == 3 + 100 + 101
    assert set(label.tolist()) == {b"a!", b"b!", b"c!"}


def test_map_fn_is_called_once_on_whole_batches(path):
    shapes = []

    def spread(features):
        shapes.append(features["pair"].shape)
        return tf.reduce_mean(features["pair"], axis=0), features["weight"]

    train = InputFn(path, batch_size=4, num_epochs=1, structure="dict", map_fn=spread, drop_remainder=True)
    means = [mean.numpy().tolist() for mean, _ in train()]
    assert shapes == [[4, 2]]
    assert [mean[1] for mean in means] == [-1.0, -1.0]
    assert train.element_spec == (tf.TensorSpec([2], tf.float32), tf.TensorSpec([4], tf.float32))


@pytest.mark.parametrize(
    ("features", "message"),
    [
        ({"x": tf.io.RaggedFeature(tf.int64, value_key="tags")}, r"stores bytes"),
        ({"x": tf.io.RaggedFeature(tf.string, value_key="tag")}, r"no feature 'tag' \(did you mean 'tags'\?\)"),
        ({"x": tf.io.RaggedFeature(tf.string, value_key="label")}, r"names 'label', which is the dataset's label"),
        ({"tags": tf.io.VarLenFeature(tf.int64)}, r"features\['tags'\] is VarLenFeature.*the dataset stores bytes"),
        (
            {"x": tf.io.SparseFeature(index_key="nowhere", value_key="value", dtype=tf.float32, size=10)},
            r"no feature 'nowhere'",
        ),
        (
            {"x": tf.io.RaggedFeature(tf.string, value_key="tags", partitions=[tf.io.RaggedFeature.RowLengths("row")])},
            r"no feature 'row'",
        ),
    ],
)
def test_features_that_are_refused(path, features, message):
    with pytest.raises(UsageError, match=message):
        InputFn(path, batch_size=4, features=features)
