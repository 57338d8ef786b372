"""What `read_examples` makes of features, labels and missing values."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from input_fns import InputFn
from tests.input_fns.conftest import ClassData, Data, feature, write
from tfrecord_io import read_examples
from tfrecord_io.errors import ManifestError
from tfrecord_io.reading import passes

VALUES = {
    "int64": [3, -(2**63), 2**63 - 1, 0],
    "float32": [0.5, -0.0, float("inf"), 1e-40],
    "bytes": [b"x", b"", b"\xff\x00", "é".encode()],
}
DTYPES = {"int64": np.int64, "float32": np.float32, "bytes": object}


def row_of(number):
    """Values in turn; `some_` features only in even rows; `any_` as many as the row's number modulo 3."""
    row = {}
    for dtype, values in VALUES.items():
        turned = values[number % 4 :] + values[: number % 4]
        row |= {f"one_{dtype}": turned[0], f"two_{dtype}": turned[:2]}
        if number % 3:
            row[f"any_{dtype}"] = turned[: number % 3]
        if number % 2 == 0:
            row |= {f"some_one_{dtype}": turned[0], f"some_two_{dtype}": turned[:2]}
    return row


def schema_of(defaults):
    schema = {}
    for dtype in VALUES:
        for some, extra in (("", {}), ("some_", {"optional": True})):
            for name, shape in (("one", []), ("two", [2])):
                default = {"default": defaults[dtype, name]} if some and defaults else {}
                schema[f"{some}{name}_{dtype}"] = {"dtype": dtype, "shape": shape, **extra, **default}
        schema[f"any_{dtype}"] = {"dtype": dtype, "shape": None, "optional": True}
    return schema


DECLARED = {
    ("int64", "one"): 7,
    ("float32", "one"): 0.25,
    ("bytes", "one"): "none",
    ("int64", "two"): [8, 9],
    ("float32", "two"): 2,
    ("bytes", "two"): ["a", {"bytes": "/wA="}],
}


@pytest.mark.parametrize("defaults", [{}, DECLARED], ids=["plain", "declared"])
@pytest.mark.parametrize("compression", ["none", "gzip"])
def test_values_are_those_that_input_fn_reads(tmp_path, defaults, compression):
    classes = [ClassData(label="a", rows=20, source_rows=40), ClassData(label="b", rows=12, first_id=100, shards=2)]
    path = write(
        tmp_path, Data(classes=classes, schema=schema_of(defaults), row=row_of, compression=compression, weight="w")
    )
    options = {"batch_size": 10, "num_epochs": 2, "shuffle": False}
    theirs = list(InputFn(path, **options)())
    ours = list(read_examples(path, **options))
    assert len(ours) == len(theirs) == 8
    for (features, label, weight), (wanted, wanted_label, wanted_weight) in zip(ours, theirs, strict=True):
        assert list(features) == list(wanted)
        for name, values in features.items():
            dtype = DTYPES[name.split("_")[-1]] if name != "id" else np.int64
            if name.startswith("any"):
                assert [each.tolist() for each in values] == tf.RaggedTensor.from_sparse(wanted[name]).to_list()
                assert {each.dtype for each in values} == {np.dtype(dtype)}
            else:
                assert (values.dtype, values.shape) == (dtype, wanted[name].shape)
                np.testing.assert_array_equal(values, wanted[name].numpy())
        assert label.dtype == object
        assert label.tolist() == wanted_label.numpy().tolist()
        np.testing.assert_array_equal(weight, wanted_weight.numpy())


@pytest.mark.parametrize("names", [["id"], ["two_bytes", "id"], [], ("any_int64",)])
def test_some_features(tmp_path, names):
    path = write(tmp_path, Data(classes=[ClassData(label=0, rows=9)], schema=schema_of({}), row=row_of))
    options = {"batch_size": 9, "num_epochs": 1, "shuffle": False}
    ((all_of_them, *_),) = read_examples(path, **options)
    ((features, label, weight),) = read_examples(path, features=names, **options)
    assert list(features) == list(names)
    for name in names:
        assert str(features[name].tolist()) == str(all_of_them[name].tolist())
    assert (label.tolist(), weight.tolist()) == ([0] * 9, [1] * 9)


@pytest.mark.parametrize(
    ("labels", "stored", "dtype"),
    [
        ((3, 10), (3, 10), np.int64),
        ((0.0, 0.5), (0.0, 0.5), np.float32),
        ((False, True), (0, 1), np.int64),
        (("", "a"), (b"", b"a"), object),
        (("a", b"\xff"), (b"a", b"\xff"), object),
    ],
)
def test_labels_as_stored_or_as_ids(tmp_path, labels, stored, dtype):
    path = write(tmp_path, Data(classes=[ClassData(label=label, rows=2) for label in labels]))
    options = {"batch_size": 4, "num_epochs": 1, "shuffle": False}
    ((_, label, _),) = read_examples(path, **options)
    assert (label.dtype, label.tolist()) == (dtype, [*[stored[0]] * 2, *[stored[1]] * 2])
    ((_, ids, _),) = read_examples(path, label_ids=True, mix={labels[0]: 0, labels[1]: 1}, **options)
    assert (ids.dtype, ids.tolist()) == (np.int64, [1, 1, 1, 1])


def test_records_of_another_shape_are_read_like_protobuf_does(tmp_path):
    path = write(
        tmp_path,
        Data(classes=[ClassData(label=0, rows=3)], schema={"x": {"dtype": "int64", "shape": [], "optional": True}}),
    )

    def example(**features):
        return tf.train.Example(
            features=tf.train.Features(feature={name: feature(value) for name, value in features.items()})
        ).SerializeToString()

    whole = example(id=1, label=0, weight=2.0)
    batches = read_examples(path, batch_size=3, num_epochs=1, shuffle=False, weights="stored")
    with tf.io.TFRecordWriter(str(tmp_path / "train/label=0/part-00000.tfrecord")) as writer:
        for record in (whole + example(id=5, x=3), example(x=4) + whole, whole):  # merged: the last one wins
            writer.write(record)
    ((features, _, weight),) = batches
    assert features["id"].tolist() == [5, 1, 1]
    assert features["x"].tolist() == [3, 4, -1]
    assert weight.tolist() == [2, 2, 2]


@pytest.mark.parametrize("window", [4, 8192])
def test_batches_are_the_callers_own(tmp_path, monkeypatch, window):
    monkeypatch.setattr(passes, "MIN_WINDOW", window)
    path = write(tmp_path, Data(classes=[ClassData(label=0, rows=12)], schema=schema_of({}), row=row_of))
    options = {"batch_size": 4, "num_epochs": 3, "shuffle": False}
    untouched = [str(batch) for batch in read_examples(path, **options)]
    seen = []
    for batch in read_examples(path, **options):
        seen.append(str(batch))
        features, label, weight = batch
        for dtype, value in (("int64", 99), ("float32", 0.25), ("bytes", b"other")):
            with pytest.raises(ValueError, match="read-only"):
                features[f"any_{dtype}"][1][0] = value
        for values in (*features.values(), label, weight):
            values[:] = 0
    assert seen == untouched


def test_a_default_that_the_feature_cannot_have(tmp_path):
    schema = {"x": {"dtype": "int64", "shape": [], "optional": True, "default": 0.5}}
    path = write(tmp_path, Data(classes=[ClassData(label=0, rows=2)], schema=schema))
    with pytest.raises(ManifestError, match=r"default of 'x' is 0\.5, which is not 1 int64 value\."):
        read_examples(path, batch_size=1)
