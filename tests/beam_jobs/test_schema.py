"""`--schema` in both of its forms: what it declares, what it does not use, and what the manifest keeps of it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from google.protobuf import text_format
from hypothesis import given
from hypothesis import strategies as st
from tensorflow_metadata.proto.v0 import schema_pb2

from beam_jobs.schema_file import content_of, read_schema
from beam_jobs.sources.declared import DeclaredField
from tests.beam_jobs.conftest import Presample, csv_text
from tfrecord_io.errors import UsageError
from tfrecord_io.manifest import Manifest
from tfrecord_io.verify import verify

TFMD = """
    feature { name: "y" type: INT presence { min_fraction: 1.0 min_count: 1 } value_count { min: 1 max: 1 } }
    feature { name: "flag" type: INT bool_domain {} shape {} }
    feature { name: "age" type: INT presence { min_fraction: 1.0 } int_domain { min: 0 max: 150 } }
    feature { name: "fare" type: FLOAT shape { dim { size: 1 } } skew_comparator { jensen_shannon_divergence {} } }
    feature { name: "zip" type: BYTES presence { min_fraction: 0.5 } annotation { tag: "place" } }
    feature { name: "new" type: INT lifecycle_stage: PLANNED }
    string_domain { name: "words" value: "a" }
    tensor_representation_group {
      key: ""
      value {
        tensor_representation {
          key: "fare"
          value { dense_tensor { column_name: "fare" shape { dim { size: 1 } } default_value { float_value: -0.5 } } }
        }
        tensor_representation { key: "age" value { varlen_sparse_tensor { column_name: "age" } } }
      }
    }
"""
UNUSED = [
    "int_domain (age)",
    "skew_comparator (fare)",
    "presence.min_fraction below 1 (zip)",
    "features that are not in production (new)",
    "string_domain",
    "tensor representations that are not dense ones of the default group (age)",
]
JSON = [
    {"name": "y", "type": "INTEGER", "mode": "REQUIRED", "description": "the label"},
    {"name": "flag", "type": "BOOL", "mode": "NULLABLE"},
    {"name": "age", "type": "INT64", "required": True},
    {"name": "fare", "type": "NUMERIC", "length": 1, "default": [-0.5]},
    {"name": "zip", "type": "BYTES"},
]


def _tfmd() -> schema_pb2.Schema:
    return text_format.Parse(TFMD, schema_pb2.Schema())


@pytest.fixture
def rows(write: Any) -> Path:
    lines = [(i % 2, "true" if i % 3 else "0", i, i / 2 if i % 5 else "", f"0{i}") for i in range(20)]
    return write("rows.csv", csv_text("y,flag,age,fare,zip", [*lines, (1, 1, "", 1, 1), (0, "yes", 1, 1, 1)]))


OPTIONS: dict[str, Any] = {"strategy": "none", "max_bad_fraction": 0.2}


def test_both_forms_declare_the_same(
    presample: Presample, rows: Path, write: Any, caplog: pytest.LogCaptureFixture
) -> None:
    text = write("schema.pbtxt", text_format.MessageToString(_tfmd()))
    made = presample(rows, schema=str(text), **OPTIONS)
    (warning,) = [record.getMessage() for record in caplog.records if record.name == "presample"]
    assert all(part in warning for part in UNUSED)
    assert "annotation" not in warning
    assert made.manifest.schema == {
        "y": {"dtype": "int64", "shape": [], "optional": False},
        "flag": {"dtype": "int64", "shape": [], "optional": False},
        "age": {"dtype": "int64", "shape": [], "optional": False},
        "fare": {"dtype": "float32", "shape": [1], "optional": True, "default": [-0.5]},
        "zip": {"dtype": "bytes", "shape": [], "optional": False},
    }
    assert [row["message"] for row in made.rejected()] == [
        "column 'age' is REQUIRED in --schema, but empty.",
        "column 'flag': 'yes' is no bool, which --schema says it is.",
    ]
    assert {row["flag"][0] for row in made.rows() if row["age"][0] % 3} == {1}
    assert Manifest.load(made.folder).schema == made.manifest.schema
    assert verify(made.folder).whole

    caplog.clear()
    binary = write("schema.pb", _tfmd().SerializeToString())
    kept = made.manifest.options["schema"]
    for schema in (str(binary), kept, json.dumps({"fields": JSON}), str(write("schema.json", json.dumps(JSON)))):
        again = presample(rows, schema=schema, **OPTIONS)
        assert again.files() == made.files()
        assert again.manifest.schema == made.manifest.schema
    assert presample(rows, schema=kept, **OPTIONS).manifest.dataset_id == made.manifest.dataset_id
    assert len([record for record in caplog.records if record.name == "presample"]) == 1  # that of the binary form


def test_unused_statements_of_json_are_told(caplog: pytest.LogCaptureFixture) -> None:
    inner = {"name": "b", "type": "STRING", "mode": "REQUIRED", "maxLength": "5"}
    fields = [
        {"name": "a", "type": "RECORD", "mode": "NULLABLE", "fields": [inner]},
        {"name": "c", "type": "DATE", "mode": "REQUIRED", "defaultValueExpression": "CURRENT_DATE()"},
        *({"name": f"d{i}", "type": "STRING", "lenght": 2} for i in range(7)),
    ]
    declared = read_schema(json.dumps(fields))
    assert declared[0] == DeclaredField(name="a.b", type="STRING", repeated=False)
    assert declared[1] == DeclaredField(name="c", type="DATE", repeated=False, required=True)
    (message,) = [record.getMessage() for record in caplog.records]
    for part in ("maxLength (a.b)", "REQUIRED inside records that may be missing (a.b)", "no plain value (c)"):
        assert part in message
    assert "lenght (d0, d1, d2, d3, d4 and 2 more)" in message


@pytest.mark.parametrize(
    ("kind", "said", "kept"),
    [
        ("INTEGER", {"default": 0}, 0),
        ("INTEGER", {"default": -(2**63)}, -(2**63)),
        ("INTEGER", {"defaultValueExpression": "7"}, 7),
        ("INTEGER", {"length": 3, "default": [1, 0, -1]}, [1, 0, -1]),
        ("FLOAT", {"default": 1}, 1.0),
        ("FLOAT", {"defaultValueExpression": "-1.5e2"}, -150.0),
        ("BOOLEAN", {"default": False}, 0),
        ("BOOLEAN", {"defaultValueExpression": "TRUE"}, 1),
        ("STRING", {"default": ""}, ""),
        ("STRING", {"defaultValueExpression": "'é\"'"}, 'é"'),
        ("BYTES", {"default": {"bytes": "/wA="}}, {"bytes": "/wA="}),
        ("BYTES", {"default": {"bytes": "YQ=="}}, "a"),
        ("DATE", {"default": "1970-01-03"}, 2),
        ("DATE", {"defaultValueExpression": "DATE '1970-01-03'"}, 2),
        ("TIMESTAMP", {"default": "1970-01-01T00:00:01+01:00"}, -3_599_000_000),
        ("TIME", {"default": 5}, 5),
    ],
    ids=str,
)
def test_defaults_are_kept_for_readers(
    presample: Presample, tmp_path: Path, kind: str, said: dict[str, Any], kept: object
) -> None:
    types = {"INTEGER": pa.int32(), "FLOAT": pa.float64(), "BOOLEAN": pa.bool_(), "BYTES": pa.binary()}
    types |= {"DATE": pa.date32(), "TIMESTAMP": pa.timestamp("us"), "TIME": pa.time64("us"), "STRING": pa.string()}
    values = pa.nulls(4, pa.list_(types[kind]) if "length" in said else types[kind])
    pq.write_table(pa.table({"y": [0, 1, 0, 1], "v": values}), tmp_path / "rows.parquet")
    made = presample(tmp_path / "rows.parquet", schema=json.dumps([{"name": "v", "type": kind, **said}]))
    entry = Manifest.load(made.folder).schema["v"]
    assert (entry["default"], entry["optional"]) == (kept, True)
    assert type(entry["default"]) is type(kept)
    assert all("v" not in row for row in made.rows())  # what is missing stays so
    (field,) = read_schema(made.manifest.options["schema"])
    assert field == read_schema(json.dumps([{"name": "v", "type": kind, **said}]))[0]


_VALUES = {
    "INTEGER": st.integers(-(2**63), 2**63 - 1),
    "FLOAT": st.floats(width=32, allow_nan=False, allow_infinity=False),
    "STRING": st.text(st.characters(exclude_categories=["Cs"])) | st.just(b"\xff"),
    "DATE": st.integers(-(2**31), 2**31 - 1),
    "BOOLEAN": st.integers(0, 1),
}


@given(st.data())
def test_what_the_manifest_keeps_declares_the_same(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(sorted(_VALUES)))
    repeated, length = data.draw(st.sampled_from([(None, None), (False, None), (True, None), (None, 2), (True, 2)]))
    one = _VALUES[kind]
    values = one if length is None else st.tuples(*[one] * length)
    default = None if repeated and length is None else data.draw(st.none() | values)
    required = data.draw(st.booleans())
    field = DeclaredField(name="a", type=kind, required=required, repeated=repeated, length=length, default=default)
    assert list(read_schema(content_of([field]))) == [field]


def test_the_manifest_keeps_no_schema_where_none_was_given() -> None:
    assert (read_schema(None), content_of([])) == ([], None)


def test_without_its_library_a_schema_of_tensorflow_metadata_is_refused(
    write: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tensorflow_metadata.proto.v0", None)
    path = write("schema.pbtxt", text_format.MessageToString(_tfmd()))
    with pytest.raises(UsageError, match=r"schema\.pbtxt is no JSON.*\[beam\].*tensorflow-metadata"):
        read_schema(str(path))
