"""Schemas that contradict themselves or the source: one message that names the column and the way out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.presample.conftest import Command, assert_one_message, parquet_bytes, tfrecord_bytes

AGE = {"name": "age", "type": "INTEGER"}
DEFAULTS = [
    ("INTEGER", {"default": 2**63}, "which is no INTEGER"),
    ("INTEGER", {"default": 1.0}, "1.0, which is no INTEGER"),
    ("INTEGER", {"default": True}, "True, which is no INTEGER"),
    ("INTEGER", {"default": [1]}, "[1], which is no INTEGER"),
    ("INTEGER", {"default": {"x": 1}}, "is not a label"),
    ("INTEGER", {"default": [1, 2], "length": 1}, "[1, 2]; it must be a list of 1 values"),
    ("INTEGER", {"default": 1, "length": 1}, "default 1; it must be a list"),
    ("INTEGER", {"default": 1, "mode": "REPEATED"}, "Only lists with a length"),
    ("FLOAT", {"default": 1e39}, "1e+39, which is no FLOAT"),
    ("FLOAT", {"default": float("nan")}, "nan, which is no FLOAT"),
    ("STRING", {"default": 1}, "1, which is no STRING"),
    ("STRING", {"default": "\ud800"}, "which is no STRING"),
    ("BOOLEAN", {"default": 2}, "2, which is no BOOLEAN"),
    ("DATE", {"default": "2024-02-30"}, "'2024-02-30', which is no DATE"),
    ("INTEGER", {"defaultValueExpression": "'x'"}, "'x', which is no INTEGER"),
]
FIELDS = [
    (AGE | {"mode": "REPEATED"}, ("'age' has mode REPEATED", "a CSV column holds one value a row")),
    (AGE | {"length": 2}, ("'age' has length 2", "one value a row")),
    (AGE | {"length": 0}, ("length 0", "at least 1")),
    (AGE | {"length": "2"}, ("length '2'", "whole number")),
    (AGE | {"length": True}, ("length True", "whole number")),
    (AGE | {"required": 1}, ("required 1", "true or false")),
    (AGE | {"mode": 1}, ("mode 1", "NULLABLE, REQUIRED or REPEATED")),
    ({"name": "label", "type": "INTEGER", "default": 0}, ("--label label", "can have no default")),
    ({"name": "a", "type": "RECORD"}, ("'a' is a RECORD without fields",)),
    ({"name": "a", "type": "RECORD", "mode": "REPEATED", "fields": []}, ("list of records", "--drop_columns")),
    ({"name": "a", "type": "STRUCT", "fields": [AGE]}, ("'a.age' is not in the header",)),
    *[(AGE | {"type": kind} | more, ("'age'", "default", says)) for kind, more, says in DEFAULTS],
]
TFMD = {
    "what: 1": ("neither JSON nor a TensorFlow Metadata schema", "1:1"),
    "": ("declares no feature",),
    'feature { name: "age" }': ("'age' has no type", "BYTES, INT, FLOAT"),
    'feature { name: "age" type: STRUCT }': ("'age' is a STRUCT", '"address.city"'),
    'feature { name: "age" type: INT value_counts {} }': ("'age' holds lists of lists",),
    'feature { name: "age" type: INT shape { dim { size: 2 } dim { size: 3 } } }': ("the shape [2, 3]", "one dim"),
    'feature { name: "age" type: INT shape { dim { size: 0 } } }': ("the shape [0]",),
    'feature { name: "age" type: INT shape { dim { size: 2 } } }': ("'age' has length 2", "one value a row"),
    'feature { name: "age" type: INT value_count {} }': ("'age' has mode REPEATED",),
    'feature { name: "agee" type: INT }': ("'agee' is not in the header", "Did you mean 'age'?"),
    'feature { name: "age" type: INT } feature { name: "age" type: INT }': ("names column 'age' twice",),
}
LISTS = parquet_bytes(label=[0, 1] * 5, tags=[[1, 2]] * 10, one=list(range(10)), deep=[[[1]]] * 10)
PARQUET = [
    (
        {"name": "tags", "type": "INTEGER", "mode": "NULLABLE"},
        ("'tags' has mode NULLABLE, but is list<", "in the file"),
    ),
    ({"name": "tags", "type": "INTEGER", "default": 1}, ("'tags' has a default", 'declare "length"')),
    ({"name": "one", "type": "INTEGER", "length": 2}, ("'one' has length 2, but is int64 in the file",)),
    ({"name": "one", "type": "DATE"}, ("'one' is DATE, but int64 in the file", "STRING, or as what it is")),
    ({"name": "deep", "type": "INTEGER"}, ("'deep' is INTEGER, but list<", "--drop_columns")),
    ({"name": "tag", "type": "INTEGER"}, ("no column 'tag'", "Did you mean 'tags'?")),
]

RECORDS = tfrecord_bytes(label=[0, 1] * 5, age=list(range(10)), name=[b"a"] * 10)


def assert_refused(run: Command, schema: object, says: tuple[str, ...], **source: Path) -> None:
    outcome = run("--schema", str(schema), **source)
    for part in says:
        assert part in outcome.err
    assert_one_message(outcome.err)
    assert (outcome.code, outcome.out) == (2, "")


@pytest.mark.parametrize(("field", "says"), FIELDS, ids=lambda value: str(value)[:70])
def test_a_field_that_cannot_be(field: dict[str, object], says: tuple[str, ...], run: Command) -> None:
    assert_refused(run, json.dumps([field]), says)


@pytest.mark.parametrize("text", TFMD)
def test_a_schema_of_tensorflow_metadata_that_cannot_be(text: str, run: Command, tmp_path: Path) -> None:
    path = tmp_path / "schema.pbtxt"
    path.write_text(text)
    assert_refused(run, path, TFMD[text])


@pytest.mark.parametrize(("field", "says"), PARQUET, ids=lambda value: str(value)[:70])
def test_a_field_that_contradicts_a_parquet_file(
    field: dict[str, object], says: tuple[str, ...], run: Command, tmp_path: Path
) -> None:
    path = tmp_path / "lists.parquet"
    path.write_bytes(LISTS)
    assert_refused(run, json.dumps([field]), says, source=path)


def test_a_feature_that_no_record_has(run: Command, tmp_path: Path) -> None:
    path = tmp_path / "rows.tfrecord"
    path.write_bytes(RECORDS)
    says = ("none of the first records of", "has a feature 'agee'", "Did you mean 'age'?", "are age, label, name")
    assert_refused(run, '[{"name": "agee", "type": "INTEGER"}]', says, source=path)


@pytest.mark.parametrize(("name", "content"), [("s.json", b"x"), ("s.pb", b"\xff"), ("s.pbtxt", b"\xff")])
def test_a_file_that_is_no_schema(name: str, content: bytes, run: Command, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    says = {"s.json": "is not valid JSON", "s.pb": "neither JSON nor", "s.pbtxt": "cannot be read"}[name]
    assert_refused(run, path, (str(path), says))
