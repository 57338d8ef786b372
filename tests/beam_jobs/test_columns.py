"""`--columns` and `--drop_columns`: what is stored, and what is never shown."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from beam_jobs.rejects import BYTES_A_REASON
from tests.beam_jobs.conftest import Presample, csv_text, tfrecord_bytes
from tfrecord_io import verify
from tfrecord_io.errors import SourceError

HEADER = "y,id,age,secret,w,group,at"
SCHEMA = json.dumps([{"name": n, "type": "INTEGER"} for n in ("y", "age", "at")] + [{"name": "w", "type": "FLOAT"}])
ROWS = [(i % 3 // 2, f"k{i}", i, f"hidden{i}", 1 + i % 5, f"g{i % 7}", i) for i in range(120)]
KEYS = {
    "weight_in": "w",
    "split_time": "at=90",
    "row_id": ("secret",),
    "where": "age < 100 and group != 'g0'",
    "schema": SCHEMA,
}


@pytest.fixture(params=["csv", "parquet", "tfrecord"])
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / f"rows.{request.param}"
    if request.param == "csv":
        path.write_text(csv_text(HEADER, ROWS))
        return path
    columns = dict(zip(HEADER.split(","), zip(*ROWS, strict=True), strict=True))
    if request.param == "parquet":
        pq.write_table(pa.table(columns), path)
    else:
        path.write_bytes(tfrecord_bytes({**columns, "w": list(map(float, columns["w"]))}))
    return path


@pytest.mark.parametrize(
    ("options", "stored"),
    [
        ({"columns": ("id", "y", "age")}, {"id", "y", "age"}),
        ({"drop_columns": ("secret", "w", "group", "at")}, {"y", "id", "age"}),
        ({"columns": ("y", "id"), "drop_columns": ("secret",)}, {"y", "id"}),
    ],
)
def test_key_columns_do_their_work_without_being_stored(
    source: Path, presample: Presample, options: dict[str, tuple[str, ...]], stored: set[str]
) -> None:
    whole = presample(source, **KEYS)
    made = presample(source, **KEYS, **options)
    assert set(made.manifest.schema) == stored
    for split in ("train", "test"):
        rows = {row["id"][0]: row for row in whole.rows(split=split)}
        assert rows
        assert {row["id"][0]: row for row in made.rows(split=split)} == {
            name: {key: row[key] for key in (*stored, "weight")} for name, row in rows.items()
        }
    assert verify(made.folder).problems == []


def test_the_weight_column_may_take_the_name_of_a_dropped_one(source: Path, presample: Presample) -> None:
    with pytest.raises(SourceError, match=r"--weight_out age: .* already has a (column|feature) of that name"):
        presample(source, weight_out="age")
    made = presample(source, weight_out="age", drop_columns=("age",), strategy="none")
    assert {row["age"][0] for row in made.rows()} == {1.0}


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"columns": ("y", "agee")}, "--columns agee: .*no such column. Did you mean 'age'"),
        ({"drop_columns": ("secrets",)}, "--drop_columns secrets: .*Did you mean 'secret'"),
        ({"split_time": "a=5"}, "--split_time a: .*no such column"),
    ],
)
def test_columns_that_are_not_there(source: Path, presample: Presample, options: ..., says: str) -> None:
    with pytest.raises(SourceError, match=says):
        presample(source, **options)


def test_bad_values_in_columns_that_are_not_stored_are_not_looked_at(presample: Presample, write: ...) -> None:
    rows = [(*row[:2], "x" * (i % 2), *row[3:]) for i, row in enumerate(ROWS)]
    path = write("rows.csv", csv_text(HEADER, rows))
    for options in ({"drop_columns": ("age",)}, {"columns": ("y", "id")}):
        made = presample(path, schema=SCHEMA, strategy="none", **options)
        assert len(made.rows()) == 120
        assert made.manifest.source["rejected_rows"] == 0


def test_columns_without_a_mapping_and_files_that_differ_in_dropped_columns(
    presample: Presample, tmp_path: Path
) -> None:
    plain = {"y": [0, 1] * 5, "id": range(10)}
    struct, dates = [{"a": 1}] * 10, pa.array(range(10), pa.date32())
    pq.write_table(pa.table({**plain, "info": struct, "day": dates}), tmp_path / "a.parquet")
    pq.write_table(pa.table({"id": range(10, 20), "y": [0, 1] * 5, "info": ["text"] * 10}), tmp_path / "b.parquet")
    for options in ({"drop_columns": ("info", "day")}, {"columns": ("y", "id")}):
        made = presample(tmp_path / "[ab].parquet", strategy="none", **options)
        assert sorted(made.ids()) == list(range(20))
    pq.write_table(pa.table({**plain, "more": range(10)}), tmp_path / "c.parquet")
    pq.write_table(pa.table(plain), tmp_path / "b_and_c.parquet")
    with pytest.raises(SourceError, match=r"c\.parquet: its schema differs .* in more\. "):
        presample((tmp_path / "b_and_c.parquet", tmp_path / "c.parquet"))
    with pytest.raises(SourceError, match=r"b\.parquet: its schema differs .* in day\. "):
        presample(tmp_path / "[ab].parquet", split_time="day=1970-01-05", columns=("y", "id"))
    with pytest.raises(SourceError, match=r"column 'info' holds nested values \(struct"):
        presample(tmp_path / "a.parquet", where="info is None", columns=("y",))


BAD = {
    "1,k1,x,hidden,1,g,5": ("type", "1,k1,***,***,***,g,***"),
    ',k1,5,"hid, den",1,g,5': ("label", ",k1,***,***,***,g,***"),
    '1,"k ""1""",5,hidden,1,,5': ("missing", '1,"k ""1""",***,***,***,,***'),
    "1,k1,5,,1,g,5": ("missing", "1,k1,***,***,***,g,***"),
    "1,k1,5,hidden,1x23,g,5": ("weight", "1,k1,***,***,***,g,***"),
    "1,k1,5,hidden,1,g,hidden": ("time", "1,k1,***,***,***,g,***"),
    "1,k1,500,hidden,1,g,5": ("where", "1,k1,***,***,***,g,***"),
    "1,k1,5,hidden,1,g": ("fields", ""),
    "1,k1,5,hidden,1,g,5,hidden": ("fields", ""),
    '1,k1,5,"hidden,1,g,5': ("quote", ""),
}


def test_dropped_values_are_masked_in_rejected_rows_and_in_messages(presample: Presample, write: ...) -> None:
    path = write("rows.csv", "\n".join([HEADER, *(",".join(map(str, row)) for row in ROWS), *BAD]) + "\n")
    options = {**KEYS, "where": "100 / (age - 500) <= 0", "row_id": ("secret", "group"), "max_bad_fraction": 0.5}
    made = presample(path, **options, drop_columns=("age", "secret", "w", "at"), strategy="none")
    assert [(row["reason"], row["raw"]) for row in made.rejected()] == list(BAD.values())
    for secret in ("hid", "1x23", "'x'", "500"):
        assert secret not in json.dumps(made.rejected())
    assert "a value (not shown because of --drop_columns)" in made.rejected()[0]["message"]
    assert not any(b"hid" in content for content in made.files().values())


def test_a_dropped_weight_or_id_is_not_quoted_by_the_error_either(presample: Presample, write: ...) -> None:
    weight = write("weights.csv", "y,w\n0,1\n1,-7.53125\n")  # a number that no temporary folder has in its name
    with pytest.raises(SourceError, match="the weight in column 'w' is a value") as caught:
        presample(weight, weight_in="w", drop_columns=("w",))
    assert "7.53125" not in str(caught.value)
    ids = write("ids.csv", "y,key,x\n0,secret,1\n1,secret,1\n")
    with pytest.raises(SourceError, match=r"more than one row has the id \*\*\*, 1\. ") as caught:
        presample(ids, row_id=("key", "x"), drop_columns=("key",))
    assert "secret" not in str(caught.value)


def test_dropped_values_of_parquet_are_masked(presample: Presample, tmp_path: Path) -> None:
    nanoseconds = pa.array([5 * 10**9 + 7] * 20, pa.timestamp("ns"))
    columns = {"y": [0, 1] * 9 + [None, 1], "name": ["hidden"] * 20, "t": nanoseconds, "w": [1] * 20}
    pq.write_table(pa.table({**columns, "key": [f"k{i}" for i in range(19)] + [None]}), tmp_path / "rows.parquet")
    options = {"where": "name == 'hidden' and t is not None", "row_id": "key", "max_bad_fraction": 0.2}
    made = presample(tmp_path / "rows.parquet", **options, drop_columns=("name", "t", "key"))
    assert [row["raw"] for row in made.rejected()] == [
        '{"y": null, "key": "***", "name": "***", "t": "***"}',
        '{"y": 1, "key": "***", "name": "***", "t": "***"}',
    ]
    schema = '[{"name": "t", "type": "STRING"}]'
    shown = presample(tmp_path / "rows.parquet", **options, schema=schema, drop_columns=("name",))
    assert "00:00:05.000000007" in shown.rejected()[0]["raw"]


@pytest.mark.parametrize("block_size", [5_000, 8 << 20])
def test_rejected_is_bounded_in_bytes_and_the_same_in_any_block_size(
    presample: Presample, write: ..., block_size: int
) -> None:
    lengths = [(i * 7919) % 4_000 for i in range(900)]
    text = "y,id\n" + "".join(f"{i % 2},{i}\n{'z' * length}a\n" for i, length in enumerate(lengths))
    made = presample(write("rows.csv", text), strategy="none", max_bad_fraction=0.6, block_size=block_size)
    assert made.manifest.rejected["reasons"] == {"fields": 900}
    total, kept = 0, 0
    for length in lengths:
        total += min(length + 1, 2_000) + len("the line has 1 fields, the header 2.")
        if total > BYTES_A_REASON:
            break
        kept += 1
    assert 0 < kept < 900
    assert [len(row["raw"]) for row in made.rejected()] == [min(length + 1, 2_000) for length in lengths[:kept]]
