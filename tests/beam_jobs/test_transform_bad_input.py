"""`Presample`: values that fit or not, and what it refuses, before the pipeline runs or in it."""

from __future__ import annotations

import datetime
import decimal
import json
import re
from pathlib import Path
from typing import Any

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pytest

from beam_jobs import Presample, PresampleOptions
from beam_jobs.failures import cause_of
from beam_jobs.sources.dict_rows import to_batch
from presample.cleaning import main as clean
from tests.beam_jobs.conftest import Dataset
from tfrecord_io import Manifest, PresampleError
from tfrecord_io.errors import OutputError, SourceError, UsageError

SCHEMA = pa.schema([("id", pa.int64()), ("y", pa.string()), ("x", pa.float64())])
ROWS = [{"id": i, "y": "ab"[i % 2], "x": i / 2} for i in range(20)]


def _run(folder: Path, rows: list[Any], columns: pa.Schema | None = SCHEMA, **options: Any) -> Dataset:
    chosen = PresampleOptions(output=str(folder), **{"label": "y", "row_id": ("id",), **options})
    with beam.Pipeline(runner="FnApiRunner") as pipeline:
        _ = pipeline | beam.Create(rows) | Presample(chosen, schema=columns)
    return Dataset(folder, Manifest.load(folder))


_DAY = datetime.datetime(1970, 1, 2, tzinfo=datetime.timezone.utc)
_VALUES: list[tuple[pa.DataType, list[tuple[Any, list[Any] | None]]]] = [
    (
        pa.int64(),
        [(-1, [-1]), (2.0, [2]), (np.int32(3), [3]), (decimal.Decimal(4), [4]), (-(2**63), [-(2**63)])]
        + [(bad, None) for bad in (1.5, "1", True, 2**63, float("nan"), [1])],
    ),
    (pa.uint8(), [(255, [255]), (256, None), (0.5, None)]),
    (pa.float64(), [(1, [1.0]), (np.float32(0.5), [0.5]), (float("inf"), [float("inf")]), ("1", None), (1e300, None)]),
    (pa.float32(), [(0.25, [0.25]), (float("-inf"), [float("-inf")]), (1e300, None)]),
    (pa.string(), [("é", ["é".encode()]), (b"a", [b"a"]), ("", [b""]), (b"\xff", None), (1, None)]),
    (pa.binary(), [(b"\xff", [b"\xff"]), ("é", ["é".encode()]), (1, None)]),
    (pa.bool_(), [(True, [1]), (np.bool_(False), [0]), (1, None), ("true", None)]),
    (pa.list_(pa.int64()), [([1, 2], [1, 2]), (np.array([3]), [3]), ([], []), ([1.5], None), (1, None), ("ab", None)]),
    (pa.list_(pa.float32()), [((0.5, 1), [0.5, 1.0]), ([1e300], None)]),
    (pa.list_(pa.string(), 2), [(["a", "b"], [b"a", b"b"]), (["a"], None)]),
    (
        pa.timestamp("s"),
        [
            (_DAY.replace(tzinfo=None), [86_400]),
            (_DAY.replace(tzinfo=None, microsecond=1), None),
            (_DAY, None),
            (datetime.date(1970, 1, 2), None),
        ],
    ),
]


def test_each_value_is_stored_exactly_or_its_row_is_a_bad_one(tmp_path: Path) -> None:
    schema = pa.schema([*SCHEMA, *((f"v{i}", kind) for i, (kind, _) in enumerate(_VALUES))])
    cases = [(f"v{i}", value, stored) for i, (_, values) in enumerate(_VALUES) for value, stored in values]
    rows = [{"id": row, "y": "a", name: value} for row, (name, value, _) in enumerate(cases)]
    options = {"strategy": "none", "max_bad_fraction": 1.0}
    declared = json.dumps([{"name": f"v{len(_VALUES) - 1}", "type": "INTEGER"}])
    made = _run(tmp_path / "made", rows, schema, **options, schema=declared)
    found = {row["id"][0]: row for row in made.rows()}
    for row, (name, value, stored) in enumerate(cases):
        assert (found[row].get(name, []) if row in found else None) == stored, (name, value)
    rejected = {re.search(r"id=(\d+)", row["message"])[1]: row for row in made.rejected()}  # type: ignore[index]
    assert sorted(map(int, rejected)) == [row for row, case in enumerate(cases) if case[2] is None]
    assert {row["reason"] for row in rejected.values()} == {"type"}
    together = {misfit.row for misfit in to_batch(rows, schema)[1]}
    alone = {number for number, row in enumerate(rows) if to_batch([row], schema)[1]}
    assert alone == together  # a value fits or not whatever its neighbours are


def test_types_declared_in_the_options(tmp_path: Path) -> None:
    declared = [{"name": name, "type": kind} for name, kind in (("id", "BYTES"), ("y", "BOOLEAN"), ("x", "FLOAT"))]
    declared += [{"name": "n", "type": "INTEGER", "mode": "REQUIRED"}]
    declared += [{"name": "l", "type": "STRING", "mode": "REPEATED"}]
    rows = [{"id": bytes([i]), "y": i % 2 == 0, "x": i, "n": i, "l": ["é"] * i} for i in range(9)] + [{"id": b"none"}]
    made = _run(tmp_path / "made", rows, None, schema=json.dumps(declared), strategy="none", max_bad_fraction=0.5)
    assert {name: (spec["dtype"], spec["shape"]) for name, spec in made.manifest.schema.items()} == {
        "id": ("bytes", []), "y": ("int64", []), "x": ("float32", []), "n": ("int64", []), "l": ("bytes", None),
    }  # fmt: skip
    assert made.sizes() == {False: 4, True: 5}
    assert made.rejected()[0]["reason"] == "label"


@pytest.mark.parametrize(
    ("schema", "options", "message"),
    [
        (None, {}, r"schema=pyarrow\.schema"),
        (SCHEMA, {"row_id": ()}, "Presample needs row_id"),
        (SCHEMA, {"row_id": ("key",)}, "--row_id key: the PCollection has no such column.*columns are id, y, x"),
        (SCHEMA, {"label": "Y"}, "--label Y.*Did you mean 'y'"),
        (SCHEMA, {"weight_in": "v"}, "--weight_in v"),
        (SCHEMA, {"weight_out": "x"}, "--weight_out x: the PCollection already has"),
        (SCHEMA, {"input": ("a.csv",)}, "not files: leave input out"),
        (SCHEMA, {"format": "csv"}, "leave format out"),
        (SCHEMA, {"plan_only": True}, "leave plan_only out"),
        (SCHEMA, {"schema": '[{"name": "z", "type": "FLOAT"}]'}, "the PCollection has no column 'z'"),
        (None, {"schema": '[{"name": "y", "type": "DATE"}]'}, r"'y' has type DATE.*pyarrow\.Schema"),
        (pa.schema([*SCHEMA, ("x", pa.int64())]), {}, "names x twice"),
        (pa.schema([*SCHEMA, ("s", pa.struct([("a", pa.int64())]))]), {}, "no mapping for s"),
        (pa.schema([*SCHEMA, ("t", pa.timestamp("s"))]), {}, "no mapping for t"),
        (pa.schema([("id", pa.int64()), ("y", pa.list_(pa.int64()))]), {}, "'y' holds lists"),
    ],
)
def test_what_is_refused_before_there_is_a_pipeline(
    tmp_path: Path, schema: pa.Schema | None, options: dict[str, Any], message: str
) -> None:
    chosen = PresampleOptions(output=str(tmp_path / "made"), **{"label": "y", "row_id": ("id",), **options})
    with pytest.raises(PresampleError, match=message):
        Presample(chosen, schema=schema)


_BATCH = pa.RecordBatch.from_pylist(ROWS, SCHEMA)


@pytest.mark.parametrize(
    ("rows", "options", "message"),
    [
        ([*ROWS, {**ROWS[3], "x": 9.0}], {}, r"more than one row has the id 3\..*Name more columns\."),
        ([{**ROWS[0], "why": 1}], {}, "has the key 'why', which the schema does not name"),
        ([{**ROWS[0], "X": 1}], {}, "Did you mean 'x'"),
        ([(1, "a", 0.5)], {}, "dicts or of pyarrow RecordBatches; this one holds a tuple"),
        ([_BATCH.select(["id", "y"])], {}, "differs from the schema in x"),
        (
            [_BATCH.set_column(0, "id", _BATCH.column(0).cast(pa.int32()))],
            {},
            "differs from the schema in id.*id: int32",
        ),
        ([_BATCH.append_column("z", _BATCH.column(0))], {}, "differs from the schema in z"),
        ([*ROWS, {**ROWS[0], "id": 77, "x": -1.0}], {"weight_in": "x"}, r"'x' is -1\..*Its id: id=77\."),
        ([{"id": 1, "x": 1.0}], {"max_bad_fraction": 0.5}, "1 of 1 rows are bad.*label is missing. Its id: id=1"),
        ([*ROWS, {"id": "k", "y": "a"}], {"on_bad_row": "fail"}, "'id': 'k' is no int64. Its id: id=missing"),
        ([*ROWS, {"id": 50, "y": "a", "x": 1e99}], {"on_bad_row": "fail"}, r"1e\+99.*Its id: id=50"),
        ([_BATCH, {"id": 50, "y": "a", "x": "?"}], {"on_bad_row": "fail"}, r"'\?' is no double\. Its id: id=50"),
        ([], {}, "The PCollection holds no usable rows"),
        (ROWS, {"strategy": "rates:a=1"}, "b"),
    ],
)
def test_what_ends_the_pipeline(tmp_path: Path, rows: list[Any], options: dict[str, Any], message: str) -> None:
    folder = tmp_path / "made"
    with pytest.raises(Exception, match=f"(?s){message}") as caught:
        _run(folder, rows, **{"strategy": "none", **options})
    cause = cause_of(caught.value)
    assert cause is not None
    assert re.search(f"(?s){message}", str(cause))
    assert [path.name[:11] for path in folder.iterdir()] == [".presample-"]
    assert clean([str(folder)]) == 0
    assert not list(folder.glob("*"))


def test_a_dataset_that_is_there_stays(tmp_path: Path) -> None:
    made = _run(tmp_path / "made", ROWS)
    with pytest.raises(OutputError, match="already holds a dataset"):
        _run(tmp_path / "made", [])
    assert Manifest.load(made.folder) == made.manifest


def test_a_stream_is_refused(tmp_path: Path) -> None:
    pipeline = beam.Pipeline(runner="FnApiRunner")
    endless = pipeline | beam.Create(ROWS)
    endless.is_bounded = False
    chosen = PresampleOptions(output=str(tmp_path / "made"), label="y", row_id=("id",))
    with pytest.raises(UsageError, match="must be bounded"):
        _ = endless | Presample(chosen, schema=SCHEMA)
    assert not (tmp_path / "made").exists()


def test_an_output_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Exception, match="cannot be written") as caught:
        _run(tmp_path / "file" / "made", ROWS)
    assert isinstance(cause_of(caught.value), OutputError)


def test_an_unreadable_row_of_a_batch_is_named(tmp_path: Path) -> None:
    schema = pa.schema([("id", pa.int64()), ("y", pa.string()), ("x", pa.uint64())])
    rows = [{"id": i, "y": "a", "x": 2**63 + i if i == 3 else i} for i in range(30)]
    made = _run(tmp_path / "made", [pa.RecordBatch.from_pylist(rows, schema)], schema, max_bad_fraction=0.1)
    (bad,) = made.rejected()
    assert (bad["reason"], json.loads(bad["raw"])["id"]) == ("type", 3)
    assert bad["message"].endswith("Its id: id=3.")
    with pytest.raises(Exception, match="1 of 30") as caught:
        _run(tmp_path / "other", [pa.RecordBatch.from_pylist(rows, schema)], schema)
    assert isinstance(cause_of(caught.value), SourceError)
