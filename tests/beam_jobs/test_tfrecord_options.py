"""`--where`, `--drop_columns`, `--split_time` and `--schema` on records of any writer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import tensorflow as tf

from tests.beam_jobs.conftest import Presample, decode
from tests.beam_jobs.test_sources_tfrecord import _write, example
from tests.beam_jobs.test_sources_tfrecord_odd import CONTEXT, _unpacked, _unusual
from tfrecord_io.verify import verify

BROKEN = b"\xff"
NO_EXAMPLE = "the record is no serialized tf.train.Example"


def test_a_record_that_where_cannot_judge_is_bad_and_one_it_leaves_out_is_nothing(
    presample: Presample, tmp_path: Path
) -> None:
    good = [example(y=i % 2, age=30 + i, v=i / 2 or 0.1) for i in range(20)]
    left_out = [example(y=b"x", age=1, v=1.0), example(age=1, v=1.0), example(y=[0, 1], age=1), example(y=1)]
    left_out += [example(y=0, age=50) + example(age=1, v=1.0)]  # the last age counts
    bad = {
        example(y=1, age=b"old"): ("type", "feature 'age' is bytes, elsewhere it is int64."),
        example(y=1, age=[30, 40]): ("type", "feature 'age' has 2 values; one is needed."),
        example(y=1, age=30, v=2): ("type", "feature 'v' is int64, elsewhere it is float32."),
        example(y=1, age=25, v=1.0): ("where", "--where cannot be computed for this row: divide by zero."),
        example(age=40, v=1.0): ("label", "feature 'y' is missing."),
        BROKEN: ("record", NO_EXAMPLE),
    }
    made = presample(
        _write(tmp_path / "rows.tfrecord", [*good, *left_out, *bad]),
        where="age > 20 and 100 / (age - 25) != 5000 and v * 10 != 1",  # the float32 of 0.1 is a little more
        strategy="none",
        max_bad_fraction=0.5,
        block_size=200,
    )
    assert sorted(made.ids("age")) == list(range(30, 50))
    found = sorted((row["reason"], row["message"][: len(NO_EXAMPLE)]) for row in made.rejected())
    assert found == sorted((reason, message[: len(NO_EXAMPLE)]) for reason, message in bad.values())
    assert made.manifest.source["filtered_rows"] == len(left_out)


BAD_KEYS = {
    "label": [example(id=1, key="a", w=1.0, at=5), example(y=[0, 1], key="a", at=5), example(y="x", key="a", at=5)],
    "missing": [example(y=1, w=1.0, at=5), example(y=1, key="a", w=1.0)],
    "type": [example(y=1, key=["a", "b"], w=1.0, at=5)],
    "time": [example(y=1, key="a", w=1.0, at=[5, 6]), example(y=1, key="a", w=1.0, at="2024-01-01")],
    "weight": [example(y=1, key="a", w=[1.0, 2.0], at=5), example(y=1, key="a", w="1", at=5)],
    "record": [BROKEN],
}


def test_the_reasons_of_records_without_good_keys(presample: Presample, tmp_path: Path) -> None:
    good = [example(y=i % 2, id=i, key=f"k{i}", w=1.0, at=i) for i in range(40)]
    records = [*good, *(record for listed in BAD_KEYS.values() for record in listed)]
    made = presample(
        _write(tmp_path / "rows.tfrecord", records),
        weight_in="w",
        row_id=("key",),
        split_time="at=30",
        drop_columns=("w",),  # of two types, which would end the job if it were stored
        strategy="none",
        max_bad_fraction=0.5,
    )
    assert made.manifest.rejected["reasons"] == {reason: len(listed) for reason, listed in BAD_KEYS.items()}
    assert sorted(made.ids()) == list(range(30))
    assert sorted(made.ids(split="test")) == list(range(30, 40))
    messages = [row["message"] for row in made.rejected() if row["reason"] == "time"]
    assert messages == [
        "feature 'at' has 2 values; one is needed.",
        "feature 'at' of --split_time is bytes, elsewhere it is int64.",
    ]


def test_dropped_features_are_cut_out_and_all_else_stays_as_it_was(presample: Presample, tmp_path: Path) -> None:
    rest = [example(y=i % 2, id=i) for i in range(40)]
    secret = [example(secret=f"hidden{i}", empty=[]) for i in range(40)]
    records = [one + other + CONTEXT * (i % 2) for i, (one, other) in enumerate(zip(rest, secret, strict=True))]
    made = presample(
        _write(tmp_path / "rows.tfrecord", records), drop_columns=("secret", "empty"), strategy="none", block_size=300
    )
    for shard in made.manifest.shards():
        for record in made.records(shard.path):
            row = decode(record)["id"][0]
            assert record.startswith(rest[row])
            assert (CONTEXT in record) == bool(row % 2)
            assert b"secret" not in record
            assert b"empty" not in record
    assert set(made.manifest.schema) == {"y", "id"}
    assert verify(made.folder).whole


def test_any_block_size_gives_the_same_bytes(presample: Presample, tmp_path: Path) -> None:
    """Also where odd records stand beside others, with features that few have."""
    records = [_unusual(i) if i % 3 else example(y=i % 2, id=i, w=0.5, key="k", group=i) for i in range(150)]
    records += [_unpacked(1, id=200 + i, w=0.5, rare="r", none=tf.train.Feature()) for i in range(9)]
    path = _write(tmp_path / "rows.tfrecord", [*records, BROKEN, example(id=1)])
    options = {"where": "id != 7", "columns": ("y", "id"), "split_time": "id=100", "weight_in": "w"}
    schema = json.dumps([{"name": "group", "type": "INTEGER", "required": True}, {"name": "id", "type": "INTEGER"}])
    made = [
        presample(path, block_size=size, schema=schema, strategy="max=30", max_bad_fraction=0.1, **options)
        for size in (1, 700, 4 << 20)
    ]
    assert made[0].files() == made[1].files() == made[2].files()
    assert set(made[0].manifest.schema) == {"y", "id"}
    assert all(set(row) == {"y", "id", "weight"} for row in made[0].rows())
    assert not any(b"none" in content for name, content in made[0].files().items() if "label=" in name)


def test_dropped_values_are_in_no_bad_row(presample: Presample, tmp_path: Path) -> None:
    good = [example(y=i % 2, id=i, secret="hidden", at=f"2024-01-{10 + i}", n=i) for i in range(15)]
    bad = [
        BROKEN + b"hidden",
        example(id=50, secret="hidden", at="2024-01-20", n=1),
        example(y=1, id=51, secret="hidden", at="hidden", n=1),
        example(y=1, id=52, secret="hidden", at="2024-01-20", n=99),
        example(y=1, id=53, secret=["hidden", "hidden"], at="2024-01-20", n=1),
        example(y=1, id=[54, 54], secret="hidden", at="2024-01-20", n=1),
        _unpacked(1, id=[55, 55], at="2024-01-20", secret="hidden", n=1),
        _unpacked(1, id=56, at="2024-01-20", secret="hidden", n=1),
    ]
    made = presample(
        _write(tmp_path / "rows.tfrecord", good + bad),
        where="1 / (n - 99) < 5 and secret == 'hidden'",
        split_time="at=2024-01-20",
        drop_columns=("secret", "at", "n"),
        schema='[{"name": "id", "type": "INTEGER", "length": 1}]',
        strategy="none",
        max_bad_fraction=0.5,
    )
    listed = sorted(made.rejected(), key=lambda row: row["position"])
    assert [row["reason"] for row in listed] == ["record", "label", "time", "where", "type", "type", "type"]
    shown = [b"", example(id=50), *(example(y=1, id=i) for i in (51, 52, 53)), example(y=1, id=[54, 54])]
    assert [decode(row["raw"].encode()) for row in listed[1:]] == [
        *map(decode, shown[1:]),
        decode(shown[5]) | {"id": [55, 55]},
    ]
    assert listed[0]["raw"] == ""
    for content in (json.dumps(listed).encode(), *made.files().values()):
        assert b"hidden" not in content
    assert made.ids(split="test")[56] == 1


DECLARED: list[dict[str, Any]] = [
    {"name": "y", "type": "BOOLEAN"},
    {"name": "age", "type": "INTEGER", "mode": "REQUIRED"},
    {"name": "pair", "type": "FLOAT", "mode": "REPEATED", "length": 2, "default": [0.5, 1]},
    {"name": "flags", "type": "BOOLEAN", "mode": "REPEATED"},
    {"name": "city", "type": "STRING", "default": "?"},
    {"name": "seen", "type": "TIMESTAMP"},
]
CONTRADICTIONS = {
    example(y=2, age=1): "the label in feature 'y' is no label: 2 is neither 0 nor 1, where --schema says BOOLEAN.",
    example(y=1.0, age=1): "feature 'y' holds float32, where --schema says BOOLEAN.",
    example(y=1): "feature 'age' is missing, which --schema says is REQUIRED.",
    example(y=1, age=[]): "feature 'age' holds 0 values, where --schema says 1.",
    example(y=1, age=1.5): "feature 'age' holds float32, where --schema says INTEGER.",
    example(y=1, age=1, pair=[1.0, 2.0, 3.0]): "feature 'pair' holds 3 values, where --schema says 2.",
    example(y=1, age=1, flags=[0, 1, 3, 4]): "feature 'flags' holds 3, where --schema says BOOLEAN.",
    example(y=1, age=1, city=["a", "b"]): "feature 'city' holds 2 values, where --schema says 1.",
    example(y=1, age=1, seen="2024-01-01"): "feature 'seen' holds bytes, where --schema says TIMESTAMP.",
    _unpacked(1, age=[1, 2]): "feature 'age' holds 2 values, where --schema says 1.",
}


def test_records_that_contradict_the_schema_are_bad(presample: Presample, tmp_path: Path) -> None:
    good = [example(y=i % 2, age=i, flags=[1] * (i % 3)) for i in range(30)] + [_unpacked(1, age=30)]
    path = _write(tmp_path / "rows.tfrecord", [*CONTRADICTIONS, *good])
    made = presample(path, schema=json.dumps(DECLARED), strategy="none", max_bad_fraction=0.5, block_size=100)
    found = {row["message"]: row["reason"] for row in made.rejected()}
    assert sorted(row["message"] for row in made.rejected()) == sorted(CONTRADICTIONS.values())
    assert {reason for message, reason in found.items() if "'y'" not in message} == {"type"}
    assert {reason for message, reason in found.items() if "'y'" in message} == {"label"}
    assert sorted(made.ids("age")) == list(range(31))
    assert made.sizes() == {False: 15, True: 16}
    assert all(type(label) is bool for label in made.sizes())
    assert made.manifest.schema == {
        "age": {"dtype": "int64", "shape": [], "optional": False},
        "city": {"dtype": "bytes", "shape": [], "optional": True, "default": "?"},
        "flags": {"dtype": "int64", "shape": None, "optional": True},
        "pair": {"dtype": "float32", "shape": [2], "optional": True, "default": [0.5, 1.0]},
        "seen": {"dtype": "int64", "shape": [], "optional": True},
        "y": {"dtype": "int64", "shape": [], "optional": False},
    }
    assert verify(made.folder).whole


def test_what_is_not_stored_need_not_be_as_declared(presample: Presample, tmp_path: Path) -> None:
    records = [example(y=i % 2, id=i, v=1 if i % 3 else 1.5) for i in range(30)]
    schema = '[{"name": "v", "type": "STRING", "default": "x"}]'
    made = presample(_write(tmp_path / "rows.tfrecord", records), schema=schema, drop_columns=("v",), strategy="none")
    assert len(made.rows()) == 30
    assert set(made.manifest.schema) == {"y", "id"}
