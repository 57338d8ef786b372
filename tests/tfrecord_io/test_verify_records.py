"""verify looks into each record: wrong labels and weights in shards whose digests fit."""

from __future__ import annotations

import math

import pyarrow as pa
import pytest

from tests.tfrecord_io.shards import Rows, write
from tfrecord_io import verify

FIRST = "train/label=0/part-00000.tfrecord"


WRONG_LABELS = [
    (0, pa.array([1]), "int64 [1]"),
    (0, pa.array([0.0], pa.float32()), "float32 [0.0]"),
    (0, pa.array([b"0"], pa.binary()), "bytes [b'0']"),
    (0, pa.array([None], pa.int64()), "missing"),
    (0, pa.array([[]], pa.list_(pa.int64())), "int64 []"),
    (0, pa.array([[0, 0]], pa.list_(pa.int64())), "int64 [0, 0]"),
    (True, pa.array([2]), "int64 [2]"),
    (True, pa.array([b"true"], pa.binary()), "bytes [b'true']"),
    (0.5, pa.array([math.nan], pa.float32()), "float32 [nan]"),
    (0.5, pa.array([0.50000006], pa.float32()), "float32 [0.50000005"),
    (1.0, pa.array([1]), "int64 [1]"),
    ("a", pa.array([b"A"], pa.binary()), "bytes [b'A']"),
    ("", pa.array([None], pa.binary()), "missing"),
    (b"\xff", pa.array([b"\xfe"], pa.binary()), r"bytes [b'\xfe']"),
]


@pytest.mark.parametrize(("label", "found", "shown"), WRONG_LABELS, ids=lambda value: str(value)[:20])
def test_a_wrong_label(tmp_path, label, found, shown):
    """In a shard whose digest fits: what a job with a bug would write."""
    manifest = write(tmp_path, [[Rows(label=label, weight=25.0, rows=4, wrong={2: {"label": found}})]])
    (shard,) = manifest.shards()
    (problem,) = verify(tmp_path).problems
    assert problem.startswith(f"{shard.path}: record 2 at byte ")
    assert f"its label is {shown}" in problem


@pytest.mark.parametrize(
    ("weight", "shown"),
    [
        (pa.array([25.001], pa.float32()), "float32 [25.00"),
        (pa.array([math.nan], pa.float32()), "float32 [nan]"),
        (pa.array([-25.0], pa.float32()), "float32 [-25.0]"),
        (pa.array([25]), "int64 [25]"),
        (pa.array([b"25"], pa.binary()), "bytes [b'25']"),
        (pa.array([b"heavy"], pa.binary()), "bytes [b'heavy']"),
        (pa.array([None], pa.float32()), "missing"),
        (pa.array([[25.0, 25.0]], pa.list_(pa.float32())), "float32 [25.0, 25.0]"),
    ],
    ids=str,
)
def test_a_wrong_weight(tmp_path, weight, shown):
    write(tmp_path, [[Rows(label=0, weight=25.0, rows=4, wrong={3: {"weight": weight}})]])
    (problem,) = verify(tmp_path).problems
    assert problem.startswith(f"{FIRST}: record 3 at byte ")
    assert f"its weight is {shown}" in problem
    assert problem.endswith(", not 25.0.")


@pytest.mark.parametrize(
    ("weights", "factor"), [("calibrated", 25.0), ("none", 1.0), ("balanced", 25.0), ("calibrated", 100 / 3)]
)
def test_weights_follow_the_mode(tmp_path, weights, factor):
    sampling = {"strategy": "balance", "weights": weights, "seed": 0, "folds": 1, "draw": "x"}
    rows = 3 if factor == 100 / 3 else 4
    write(tmp_path, [[Rows(label=0, weight=factor, rows=rows)]], sampling=sampling)
    assert verify(tmp_path).problems == []
    write(tmp_path, [[Rows(label=0, weight=factor * 1.01, rows=rows)]], sampling=sampling)
    assert len(verify(tmp_path).problems) == 1


@pytest.mark.parametrize(
    ("weight", "fine"), [(0.0, True), (3.5, True), (-1.0, False), (math.nan, False), (math.inf, False)]
)
def test_rows_with_weights_of_their_own(tmp_path, weight, fine):
    """Only that each is a weight can be checked."""
    write(tmp_path, [[Rows(label=0, weight=weight, rows=4)]], options={"weight_in": "w"})
    problems = verify(tmp_path).problems
    assert problems == [] if fine else "its weight is float32" in problems[0]
