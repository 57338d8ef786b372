"""Defaults that the manifest's schema declares: what a missing value is read as."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from input_fns import InputFn
from tests.input_fns.conftest import ClassData, Data
from tfrecord_io.errors import ManifestError

CASES = [
    ("float32", [], 0.5, 0.5),
    ("float32", [], 7, 7.0),
    ("int64", [], 0, 0),
    ("int64", [], 2**63 - 1, 2**63 - 1),
    ("bytes", [], "", b""),
    ("bytes", [], "é", "é".encode()),
    ("bytes", [], {"bytes": "/wA="}, b"\xff\x00"),
    ("float32", [2], [0.5, -1], [0.5, -1.0]),
    ("int64", [3], 4, [4, 4, 4]),
    ("bytes", [2], ["a", {"bytes": "/w=="}], [b"a", b"\xff"]),
    ("int64", [1], [4], [4]),
]


@pytest.mark.parametrize(("dtype", "shape", "default", "read"), CASES)
def test_a_missing_value_is_read_as_its_default(dataset, dtype, shape, default, read):
    present = {"float32": 3.5, "int64": 3, "bytes": b"x"}[dtype]
    present = [present] * shape[0] if shape else present

    def row(number):
        return {} if number else {"x": present}

    schema = {"x": {"dtype": dtype, "shape": shape, "optional": True, "default": default}}
    path = dataset(Data(classes=[ClassData(label=0, rows=2)], schema=schema, row=row))
    for features in (None, ["x"]):
        train = InputFn(path, batch_size=2, num_epochs=1, shuffle=False, features=features)
        ((got, _, _),) = train().as_numpy_iterator()
        assert got["x"].tolist() == [present, read]


@pytest.mark.parametrize(
    ("dtype", "shape", "default"),
    [
        ("int64", [], 1.5),
        ("int64", [], 2**63),
        ("int64", [], "1"),
        ("int64", [], [1]),
        ("float32", [], "0.5"),
        ("float32", [2], [0.5]),
        ("float32", [2], [0.5, 1, 2]),
        ("bytes", [], 1),
        ("bytes", [2], ["a", 1]),
    ],
)
def test_a_default_that_the_feature_cannot_have(dataset, dtype, shape, default):
    schema = {"x": {"dtype": dtype, "shape": shape, "optional": True, "default": default}}
    path = dataset(Data(classes=[ClassData(label=0, rows=2)], schema=schema))
    with pytest.raises(ManifestError, match=rf"default of 'x' is .*, which is not \d {dtype} values?\."):
        InputFn(path, batch_size=1)
    assert InputFn(path, batch_size=1, features=["id"]).num_rows == 2


@pytest.mark.parametrize("default", [True, None, {"bytes": "?"}, {"bool": True}, [[1]]])
def test_a_default_that_no_manifest_may_have(dataset, default):
    schema = {"x": {"dtype": "int64", "shape": [], "optional": True, "default": default}}
    path = dataset(Data(classes=[ClassData(label=0, rows=2)], schema=schema))
    with pytest.raises(ManifestError, match=r"is damaged: .*default"):
        InputFn(path, batch_size=1)


def test_a_spec_of_ones_own_has_its_own_default(dataset):
    schema = {"x": {"dtype": "float32", "shape": [], "optional": True, "default": 0.5}}
    path = dataset(Data(classes=[ClassData(label=0, rows=2)], schema=schema))
    spec = {"x": tf.io.FixedLenFeature([], tf.float32, -9.0)}
    ((features, _, _),) = InputFn(path, batch_size=2, num_epochs=1, features=spec)().as_numpy_iterator()
    np.testing.assert_array_equal(features["x"], [-9, -9])
