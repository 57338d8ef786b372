"""What declared columns hold: lists of one length, dates and times, decimals, fields of nested columns."""

from __future__ import annotations

import datetime
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.beam_jobs.conftest import Presample, Row, csv_text
from tfrecord_io.errors import SourceError, UsageError

OPTIONS: dict[str, Any] = {"strategy": "none", "max_bad_fraction": 1.0}


def _write(path: Path, columns: dict[str, Any]) -> Path:
    rows = len(next(iter(columns.values())))
    pq.write_table(pa.table({"y": [i % 2 for i in range(rows)], "id": list(range(rows)), **columns}), path)
    return path


def _schema(*fields: tuple[str, str], **more: object) -> str:
    return json.dumps([{"name": name, "type": kind, **more} for name, kind in fields])


def _by_id(rows: list[Row], name: str, count: int) -> list[Any]:
    found = {row["id"][0]: row.get(name) for row in rows}
    return [found.get(i, "rejected") for i in range(count)]


@pytest.mark.parametrize(
    ("values", "stored"),
    [
        (pa.array([[1, 2], [3], [], None, [4, 5, 6]]), [[1, 2], "rejected", "rejected", None, "rejected"]),
        (pa.array([["1", "2"], None, ["x", "2"]]), [[1, 2], None, "rejected"]),
        (pa.array([[1, None], [3, 4]], pa.large_list(pa.int8())), ["rejected", [3, 4]]),
        (pa.array([[1, 2], [3, 4]], pa.list_(pa.int32(), 2)), [[1, 2], [3, 4]]),
    ],
    ids=lambda value: str(value.type) if isinstance(value, pa.Array) else "",
)
@pytest.mark.parametrize("mode", [{}, {"mode": "REPEATED"}], ids=str)
def test_lists_of_a_declared_length(
    presample: Presample, tmp_path: Path, values: pa.Array, stored: list[Any], mode: dict[str, str]
) -> None:
    path = _write(tmp_path / "rows.parquet", {"v": values})
    made = presample(path, schema=_schema(("v", "INTEGER"), length=2, **mode), **OPTIONS)
    assert _by_id(made.rows(), "v", len(stored)) == stored
    assert made.manifest.schema["v"] == {"dtype": "int64", "shape": [2], "optional": None in stored}
    assert made.manifest.rejected["reasons"] == ({"type": stored.count("rejected")} if "rejected" in stored else {})


def test_a_list_of_the_wrong_length_is_named(presample: Presample, tmp_path: Path) -> None:
    path = _write(tmp_path / "rows.parquet", {"v": [[1, 2], [3], None, [5, 6]]})
    schema = _schema(("v", "INTEGER"), length=2, required=True)
    made = presample(path, schema=schema, **OPTIONS)
    assert [(row["position"], row["message"]) for row in made.rejected()] == [
        (1, "column 'v': a list of 1 values, where --schema says 2."),
        (2, "column 'v': the value is missing, which --schema says is REQUIRED."),
    ]
    assert made.manifest.schema["v"]["optional"] is False
    with pytest.raises(SourceError, match=r"rows\.parquet, row 1: column 'v': a list of 1 values, where"):
        presample(path, schema=schema, strategy="none")
    fixed = _write(tmp_path / "fixed.parquet", {"v": pa.array([[1, 2, 3]] * 2, pa.list_(pa.int64(), 3))})
    with pytest.raises(UsageError, match=r"'v' has length 2, but is fixed_size_list<.*>\[3\] in the file"):
        presample(fixed, schema=schema)


SECOND = 1_000_000
DAY = 86_400 * SECOND
MOMENTS = [
    ("DATE", ["1970-01-02", "1969-12-31", "", "2024-02-30", "1970-1-2"], [[1], [-1], None, "rejected", "rejected"]),
    ("TIME", ["00:00:01.5", "23:59", "24:00:00"], [[SECOND * 3 // 2], [DAY - 60 * SECOND], "rejected"]),
    (
        "DATETIME",
        ["1970-01-02", "1970-01-01T00:00:01", "1970-01-01 00:00:00.000001", "1970-01-01 00:00:01Z"],
        [[DAY], [SECOND], [1], "rejected"],
    ),
    (
        "TIMESTAMP",
        [
            "1970-01-02",
            "1970-01-01 00:00:01",
            "1970-01-01 00:00:01.000001 UTC",
            "1970-01-01T01:00:00+01:00",
            " 1970-01-01T00:00:00.5Z",
            "1970-01-01 00:00:00.0000001",
            "é",
            "5",
        ],
        [[DAY], [SECOND], [SECOND + 1], [0], [SECOND // 2], "rejected", "rejected", "rejected"],
    ),
]


@pytest.mark.parametrize(("kind", "texts", "stored"), MOMENTS, ids=[kind for kind, _, _ in MOMENTS])
def test_dates_and_times_in_text(
    presample: Presample, tmp_path: Path, write: Any, kind: str, texts: list[str], stored: list[Any]
) -> None:
    rows = csv_text("y,id,v", [(i % 2, i, text) for i, text in enumerate(texts)])
    parquet = _write(tmp_path / "rows.parquet", {"v": [text.strip() or None for text in texts]})
    for path in (write("rows.csv", rows), parquet):
        made = presample(path, schema=_schema(("v", kind)), **OPTIONS)
        assert _by_id(made.rows(), "v", len(stored)) == stored
        assert made.manifest.schema["v"]["dtype"] == "int64"
        assert all(f"is no {kind}, which --schema says it is" in row["message"] for row in made.rejected())


@pytest.mark.parametrize(
    ("values", "kind", "stored"),
    [
        (pa.array([1, -1, None], pa.date32()), "DATE", [[1], [-1], None]),
        (pa.array([DAY // 1000, None], pa.date64()), "DATE", [[1], None]),
        (pa.array([1, None], pa.time32("ms")), "TIME", [[1000], None]),
        (pa.array([1000, 1001], pa.time64("ns")), "TIME", [[1], "rejected"]),
        (pa.array([1, None], pa.timestamp("ms")), "DATETIME", [[1000], None]),
        (pa.array([1000, 1001, -1000], pa.timestamp("ns")), "TIMESTAMP", [[1], "rejected", [-1]]),
        (pa.array([0, SECOND], pa.timestamp("us", "Europe/Paris")), "TIMESTAMP", [[0], [SECOND]]),
        (pa.array([[0, 1], [2]], pa.list_(pa.timestamp("us"))), "TIMESTAMP", [[0, 1], [2]]),
        (pa.array([1, 1001], pa.timestamp("ns")), "INTEGER", [[1], [1001]]),
        (pa.array([1, None], pa.timestamp("ms")), "STRING", [[b"1970-01-01 00:00:00.001"], None]),
        (pa.array([0], pa.timestamp("us", "UTC")), "STRING", [[b"1970-01-01 00:00:00.000000Z"]]),
        (pa.array([Decimal("2.00"), Decimal("2.50"), None]), "INTEGER", [[2], "rejected", None]),
        (pa.array([Decimal("9" * 20), Decimal("7")]), "INTEGER", ["rejected", [7]]),
        (pa.array([Decimal("2.50")]), "NUMERIC", [[2.5]]),
        (pa.array([Decimal("2.50")]), "STRING", [[b"2.50"]]),
        (pa.array([Decimal("2.50")], pa.decimal256(50, 2)), "BIGNUMERIC", [[2.5]]),
        (pa.array([0, 1, 2, None]), "BOOLEAN", [[0], [1], "rejected", None]),
    ],
    ids=lambda value: str(value.type) if isinstance(value, pa.Array) else None,
)
def test_declared_columns_of_parquet(
    presample: Presample, tmp_path: Path, values: pa.Array, kind: str, stored: list[Any]
) -> None:
    path = _write(tmp_path / "rows.parquet", {"v": values})
    made = presample(path, schema=_schema(("v", kind)), **OPTIONS)
    assert _by_id(made.rows(), "v", len(stored)) == stored
    assert [row["position"] for row in made.rejected()] == [i for i, one in enumerate(stored) if one == "rejected"]


def test_a_csv_and_a_parquet_of_the_same_rows_give_the_same_shards(
    presample: Presample, tmp_path: Path, write: Any
) -> None:
    start = datetime.datetime(2024, 2, 28, 23, 59, 59, 5, datetime.timezone.utc)
    moments = [start + datetime.timedelta(hours=7 * i) for i in range(40)]
    dates = [moment.date() for moment in moments]
    path = _write(tmp_path / "rows.parquet", {"at": pa.array(moments, pa.timestamp("us")), "on": dates})
    rows = [(i % 2, i, at, on) for i, (at, on) in enumerate(zip(moments, dates, strict=True))]
    text = write("rows.csv", csv_text("y,id,at,on", rows))
    schema = _schema(("at", "TIMESTAMP"), ("on", "DATE"))
    made = [presample(source, schema=schema, row_id="id", label="on", strategy="max=2") for source in (path, text)]
    assert made[0].files() == made[1].files()
    assert set(made[0].sizes()) == {(on - datetime.date(1970, 1, 1)).days for on in dates}


NESTED = {
    "home": [
        {"city": "Rom", "geo": {"lat": 1.5, "a.b": 1}, "tags": ["a", "b"]},
        {"city": None, "geo": None, "tags": []},
        None,
        {"city": "é", "geo": {"lat": None, "a.b": 4}, "tags": None},
    ]
}
PATHS = [("home.city", "STRING"), ("home.geo.lat", "FLOAT"), ("home.geo.a.b", "INTEGER"), ("home.tags", "STRING")]


def test_fields_of_nested_columns(presample: Presample, tmp_path: Path) -> None:
    path = _write(tmp_path / "rows.parquet", NESTED)
    geo = {"name": "geo", "type": "STRUCT", "fields": json.loads(_schema(("lat", "FLOAT"), ("a.b", "INTEGER")))}
    inner = [{"name": "city", "type": "STRING"}, geo, {"name": "tags", "type": "STRING"}]
    record = json.dumps([{"name": "home", "type": "RECORD", "fields": inner}])
    made = presample(path, schema=_schema(*PATHS), **OPTIONS)
    rows = made.rows()
    assert _by_id(rows, "home.city", 4) == [[b"Rom"], None, None, ["é".encode()]]
    assert _by_id(rows, "home.geo.lat", 4) == [[1.5], None, None, None]
    assert _by_id(rows, "home.geo.a.b", 4) == [[1], None, None, [4]]
    assert _by_id(rows, "home.tags", 4) == [[b"a", b"b"], [], None, None]
    assert "home" not in made.manifest.schema
    assert presample(path, schema=record, **OPTIONS).manifest.dataset_id == made.manifest.dataset_id
    by_city = presample(path, schema=_schema(*PATHS), label="home.city", **OPTIONS)
    assert by_city.sizes() == {"Rom": 1, "é": 1}
    assert json.loads(by_city.rejected()[0]["raw"]) == {"home.city": None}


def test_nested_columns_that_nothing_declares_are_shown_how(presample: Presample, tmp_path: Path) -> None:
    path = _write(tmp_path / "rows.parquet", NESTED | {"day": pa.array([1] * 4, pa.date32())})
    with pytest.raises(SourceError) as error:
        presample(path)
    for part in ("home (struct<", "day (date32", '{"name": "home.geo.lat", "type": "STRING"}', "--drop_columns"):
        assert part in str(error.value)
    with pytest.raises(SourceError, match=r"no mapping for home\.geo\.lat \(double\), .*home\.tags"):
        presample(path, schema=_schema(("home.city", "STRING"), ("day", "DATE")))
    with pytest.raises(UsageError, match=r"'home' is INTEGER, but struct<.*> in the file.*\"home\.city\""):
        presample(path, schema=_schema(("home", "INTEGER")))
    with pytest.raises(UsageError, match=r"no column 'home\.town'.*Did you mean"):
        presample(path, schema=_schema(("home.town", "STRING"), ("home.city", "STRING")))


def test_a_bad_row_that_python_has_no_value_for_is_still_shown(presample: Presample, tmp_path: Path) -> None:
    text = pa.Array.from_buffers(pa.string(), 2, pa.array([b"\xff", b"b"]).buffers())
    far = pa.array([10**18, 1], pa.timestamp("ms"))
    path = _write(tmp_path / "rows.parquet", {"v": [None, 1], "text": text, "far": far})
    schema = json.dumps([{"name": "v", "type": "INTEGER", "mode": "REQUIRED"}, {"name": "far", "type": "INTEGER"}])
    made = presample(path, schema=schema, **OPTIONS)
    (row,) = made.rejected()
    assert r"b'\\xff'" in row["raw"]
    assert made.ids() == {1: 1}
