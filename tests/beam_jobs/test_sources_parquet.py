"""Parquet: types, nulls, lists, row groups, several files."""

from __future__ import annotations

import datetime
import decimal
import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from beam_jobs.sources import parquet as parquet_source
from tests.beam_jobs.conftest import Presample, Row, csv_text
from tfrecord_io.errors import SourceError, UsageError
from tfrecord_io.verify import verify


def _write(path: Path, columns: dict[str, Any], **options: Any) -> Path:
    rows = len(next(iter(columns.values())))
    columns = {"y": [i % 2 for i in range(rows)], "id": list(range(rows)), **columns}
    pq.write_table(pa.table(columns), path, **options)
    return path


def _by_id(rows: list[Row], name: str) -> list[Any]:
    found = {row["id"][0]: row.get(name) for row in rows}
    return [found.get(i, "rejected") for i in range(max(found) + 1)]


@pytest.mark.parametrize(
    ("values", "dtype", "stored"),
    [
        (pa.array([-128, 127, None], pa.int8()), "int64", [[-128], [127], None]),
        (pa.array([-(2**15), 0, None], pa.int16()), "int64", [[-(2**15)], [0], None]),
        (pa.array([-(2**31), 0, None], pa.int32()), "int64", [[-(2**31)], [0], None]),
        (pa.array([-(2**63), 2**63 - 1, None], pa.int64()), "int64", [[-(2**63)], [2**63 - 1], None]),
        (pa.array([0, 255, None], pa.uint8()), "int64", [[0], [255], None]),
        (pa.array([0, 2**16 - 1, None], pa.uint16()), "int64", [[0], [2**16 - 1], None]),
        (pa.array([0, 2**32 - 1, None], pa.uint32()), "int64", [[0], [2**32 - 1], None]),
        (pa.array([0, 2**63 - 1, None], pa.uint64()), "int64", [[0], [2**63 - 1], None]),
        (pa.array([2**63, 5, None], pa.uint64()), "int64", ["rejected", [5], None]),
        (pa.array([True, False, None]), "int64", [[1], [0], None]),
        (pa.array([np.float16(0.5), np.float16(-2), None], pa.float16()), "float32", [[0.5], [-2.0], None]),
        (pa.array([0.25, -0.0, None], pa.float32()), "float32", [[0.25], [-0.0], None]),
        (pa.array([1e300, 0.5, None], pa.float64()), "float32", ["rejected", [0.5], None]),
        (pa.array([float("inf"), 0.5, None], pa.float64()), "float32", [[float("inf")], [0.5], None]),
        (pa.array(["", "é", None]), "bytes", [[b""], ["é".encode()], None]),
        (pa.array(["", "é", None], pa.large_string()), "bytes", [[b""], ["é".encode()], None]),
        (pa.array([b"", b"\xff", None]), "bytes", [[b""], [b"\xff"], None]),
        (pa.array([b"ab", b"\xff\x00", None], pa.binary(2)), "bytes", [[b"ab"], [b"\xff\x00"], None]),
        (pa.array(["a", "b", None]).dictionary_encode(), "bytes", [[b"a"], [b"b"], None]),
        (pa.array([7, 7, None]).dictionary_encode(), "int64", [[7], [7], None]),
        (pa.nulls(3), "bytes", [None, None, None]),
        (pa.array([[1, 2], [], None]), "int64", [[1, 2], [], None]),
        (pa.array([[0.5], [1.5, 2.5, 3.5], None]), "float32", [[0.5], [1.5, 2.5, 3.5], None]),
        (pa.array([["a", ""], [], None]), "bytes", [[b"a", b""], [], None]),
        (pa.array([["a"], ["b"], None], pa.large_list(pa.large_string())), "bytes", [[b"a"], [b"b"], None]),
        (pa.array([[1, None], [2], None]), "int64", ["rejected", [2], None]),
        (pa.array([[2**63], [2], None], pa.list_(pa.uint64())), "int64", ["rejected", [2], None]),
        # pyarrow itself cannot read nulls of fixed-size lists back from Parquet.
        (pa.array([[1e300, 1], [2, 2], [3, 0]], pa.list_(pa.float64(), 2)), "float32", ["rejected", [2, 2], [3, 0]]),
        (pa.array([[1, 2], [3, 4], [5, 6]], pa.list_(pa.int32(), 2)), "int64", [[1, 2], [3, 4], [5, 6]]),
    ],
    ids=lambda value: str(value.type) if isinstance(value, pa.Array) else "",
)
def test_every_type(presample: Presample, tmp_path: Path, values: pa.Array, dtype: str, stored: list[Any]) -> None:
    path = _write(tmp_path / "types.parquet", {"v": pa.concat_arrays([values, values.slice(2)])})
    made = presample(path, strategy="none", max_bad_fraction=0.5)
    assert _by_id(made.rows(), "v") == [*stored, stored[2]]
    fixed = [2] if pa.types.is_fixed_size_list(values.type) else None
    shape = fixed if isinstance(values, (pa.ListArray, pa.LargeListArray, pa.FixedSizeListArray)) else []
    assert made.manifest.schema["v"] == {"dtype": dtype, "shape": shape, "optional": fixed is None}
    assert made.manifest.source["rejected_rows"] == stored.count("rejected")
    assert verify(made.folder).problems == []


DAYS = [datetime.date(1970, 1, 1 + i) for i in range(4)]
UNMAPPED = {
    "decimal": pa.array([decimal.Decimal(i) for i in range(4)]),
    "day": pa.array(DAYS),
    "moment": pa.array(range(4)).cast(pa.timestamp("s")),
    "span": pa.array([datetime.timedelta(seconds=i) for i in range(4)], pa.duration("s")),
    "clock": pa.array([datetime.time(0, 0, 0, 1000 * i) for i in range(4)], pa.time32("ms")),
}


def test_types_without_a_mapping_are_named(presample: Presample, tmp_path: Path) -> None:
    struct = pa.array([{"a": 1}] * 4)
    path = _write(tmp_path / "odd.parquet", {**UNMAPPED, "nested": struct, "deep": pa.array([[[1]]] * 4)})
    with pytest.raises(SourceError) as error:
        presample(path)
    for name in (*UNMAPPED, "nested", "deep"):
        assert f"{name} (" in str(error.value)
    assert "--schema" in str(error.value)
    assert " y (" not in str(error.value)


def _schema(kind: str, names: Any = UNMAPPED) -> str:
    return json.dumps([{"name": name, "type": kind} for name in names])


@pytest.mark.parametrize(("kind", "stored"), [("INTEGER", [0, 1, 2, 3]), ("FLOAT", [0.0, 1.0, 2.0, 3.0])])
def test_declared_numbers(presample: Presample, tmp_path: Path, kind: str, stored: list[float]) -> None:
    columns = {name: column for name, column in UNMAPPED.items() if name != "moment"}
    path = _write(tmp_path / "odd.parquet", {**columns, "moment": UNMAPPED["moment"].cast(pa.timestamp("us"))})
    made = presample(path, strategy="none", schema=_schema(kind))
    for name in columns:
        assert _by_id(made.rows(), name) == [[value] for value in stored], name
    assert _by_id(made.rows(), "moment") == [[1_000_000 * value] for value in stored]


def test_declared_text(presample: Presample, tmp_path: Path) -> None:
    made = presample(_write(tmp_path / "odd.parquet", UNMAPPED), strategy="none", schema=_schema("STRING"))
    rows = made.rows()
    assert _by_id(rows, "decimal") == [[b"0"], [b"1"], [b"2"], [b"3"]]
    assert _by_id(rows, "day")[1] == [b"1970-01-02"]
    assert _by_id(rows, "moment")[2][0].startswith(b"1970-01-01 00:00:02")
    assert _by_id(rows, "clock")[3] == [b"00:00:00.003"]


def test_a_declared_type_that_a_value_does_not_fit_rejects_the_row(presample: Presample, tmp_path: Path) -> None:
    columns = {"v": pa.array([decimal.Decimal("1.5"), decimal.Decimal("2.0")]), "s": pa.array(["7", "x"])}
    path = _write(tmp_path / "odd.parquet", columns)
    schema = _schema("INTEGER", ["v", "s"])
    with pytest.raises(SourceError, match="2 of 2"):
        presample(path, strategy="none", schema=schema)
    made = presample(path, strategy="none", max_bad_fraction=1.0, schema=schema)
    assert made.sizes() == {0: 0, 1: 0}
    assert len(made.rejected()) == 2
    made = presample(path, strategy="none", max_bad_fraction=0.5, schema=_schema("FLOAT", ["v", "s"]))
    assert [(row["id"], row["v"], row["s"]) for row in made.rows()] == [([0], [1.5], [7.0])]
    assert "'s': x" in made.rejected()[0]["message"]


def test_required_and_repeated(presample: Presample, tmp_path: Path) -> None:
    path = _write(tmp_path / "null.parquet", {"v": pa.array([1, None, 3])})
    schema = json.dumps([{"name": "v", "type": "INTEGER", "mode": "REQUIRED"}])
    made = presample(path, strategy="none", max_bad_fraction=0.5, schema=schema)
    assert made.ids() == {0: 1, 2: 1}
    with pytest.raises(UsageError, match="REPEATED"):
        presample(path, schema=schema.replace("REQUIRED", "REPEATED"))


@pytest.mark.parametrize(
    ("labels", "kept"),
    [
        ([0, -1, 2**63 - 1], {-1: 4, 0: 4, 2**63 - 1: 4}),
        ([0.0, -0.0, 0.1], {0.0: 8, 0.1: 4}),
        (["", "a", "é"], {"": 4, "a": 4, "é": 4}),
        ([b"\xff", b"", b"a"], {b"\xff": 4, "": 4, "a": 4}),
        ([True, False, True], {False: 4, True: 8}),
        (pa.array(["a", "b", "a"]).dictionary_encode(), {"a": 8, "b": 4}),
        (pa.array([1, 2, 1], pa.uint8()), {1: 8, 2: 4}),
        (pa.array([np.float16(0.5), np.float16(1), np.float16(1)], pa.float16()), {0.5: 4, 1.0: 8}),
    ],
    ids=str,
)
def test_labels_of_any_type(presample: Presample, tmp_path: Path, labels: Any, kept: dict[Any, int]) -> None:
    column = pa.concat_arrays([labels if isinstance(labels, pa.Array) else pa.array(labels)] * 4)
    made = presample(_write(tmp_path / "labels.parquet", {"label": column}), label="label", strategy="none")
    assert made.sizes() == kept
    assert Counter(map(type, made.sizes())) == Counter(map(type, kept))


def test_labels_that_are_none(presample: Presample, tmp_path: Path) -> None:
    label = pa.array([0.5, None, float("nan"), float("inf"), 0.5, 0.5])
    path = _write(tmp_path / "labels.parquet", {"label": label})
    made = presample(path, label="label", strategy="none", max_bad_fraction=0.5)
    assert made.sizes() == {0.5: 3}
    assert made.ids() == {0: 1, 4: 1, 5: 1}
    assert [(row["position"], row["reason"]) for row in made.rejected()] == [(i, "label") for i in (1, 2, 3)]
    assert "missing" in made.rejected()[0]["message"]
    lists = _write(tmp_path / "lists.parquet", {"label": pa.array([[1], [2]])})
    with pytest.raises(SourceError, match="label"):
        presample(lists, label="label")


def test_row_groups_larger_than_a_batch(presample: Presample, tmp_path: Path) -> None:
    rows = 5 * parquet_source.BATCH_ROWS + 17
    text = [f"row {i}" for i in range(rows)]
    label = (np.arange(rows) % 100 == 0).astype(int)
    columns = {"id": np.arange(rows), "text": text, "label": label}
    large = _write(tmp_path / "large.parquet", columns, row_group_size=rows)
    options = {"label": "label", "strategy": "ratio=2", "splits": "train=0.9,eval=0.1"}
    made = presample(large, **options, row_id=("id",))
    assert made.sizes()[0] == 2 * made.sizes()[1]
    for row in made.rows():
        i = row["id"][0]
        assert (row["text"], row["label"]) == ([text[i].encode()], [int(i % 100 == 0)])
    assert sum(made.sizes("eval").values()) == made.manifest.split("eval").source_rows
    small = _write(tmp_path / "small.parquet", columns, row_group_size=rows // 7)
    again = presample(small, **options, row_id=("id",))
    assert again.ids() == made.ids()
    assert presample(large, **options, row_id=("id",)).files() == made.files()
    assert presample(small, **options).ids() != made.ids()


def test_a_key_column_may_be_all_there_is(presample: Presample, tmp_path: Path) -> None:
    path = tmp_path / "keys.parquet"
    rows = 3 * parquet_source.BATCH_ROWS
    pq.write_table(pa.table({"y": np.arange(rows) % 3, "id": np.arange(rows)}), path, row_group_size=rows)
    made = presample(path, row_id=("id",), strategy="max=500")
    assert made.sizes() == {0: 500, 1: 500, 2: 500}
    assert all(row["id"][0] % 3 == row["y"][0] for row in made.rows())


def test_several_files_and_row_groups_keep_exactly_their_rows(presample: Presample, tmp_path: Path) -> None:
    for part in range(4):
        ids = np.arange(part * 1000, part * 1000 + 1000)
        table = {"id": ids, "y": ids % 10 == 0, "w": ids % 4 + 0.5}
        _write(tmp_path / f"part{part}.parquet", table, row_group_size=130)
    pq.write_table(pq.read_table(tmp_path / "part0.parquet").slice(0, 0), tmp_path / "empty.parquet")
    made = presample(tmp_path / "*.parquet", strategy="ratio=3", weight_in="w")
    assert made.manifest.source["rows"] == 4000
    assert made.sizes() == {False: 1200, True: 400}
    assert set(made.ids().values()) == {1}
    for row in made.rows(False):
        assert row["weight"] == [pytest.approx((row["id"][0] % 4 + 0.5) * 3)]


def test_files_that_differ_are_refused(presample: Presample, tmp_path: Path) -> None:
    _write(tmp_path / "a.parquet", {"v": pa.array([1, 2])})
    _write(tmp_path / "b.parquet", {"v": pa.array([1.5, 2.5])})
    with pytest.raises(SourceError, match=r"b\.parquet.*differs.* in v"):
        presample(tmp_path / "*.parquet", strategy="none")


def test_shards_of_a_class_with_longer_rows(presample: Presample, tmp_path: Path) -> None:
    text = ["x" * (900 if i % 4 == 0 else 5) for i in range(8000)]
    path = _write(tmp_path / "long.parquet", {"long": [i % 4 == 0 for i in range(8000)], "text": text})
    made = presample(path, label="long", shard_size=200_000, strategy="none")
    for entry in made.classes().values():
        assert len(entry.shards) > 1
        assert all(100_000 <= shard.bytes <= 300_000 for shard in entry.shards)


def test_a_column_that_is_there_twice_is_refused(presample: Presample, tmp_path: Path) -> None:
    column = pa.array([1, 2])
    pq.write_table(pa.Table.from_arrays([column] * 3, names=["y", "a", "a"]), tmp_path / "twice.parquet")
    with pytest.raises(SourceError, match="names a twice"):
        presample(tmp_path / "twice.parquet")


def test_a_csv_and_a_parquet_of_the_same_ids_keep_the_same_rows(presample: Presample, tmp_path: Path) -> None:
    rows = [(i % 10 // 9, f"k{i}", i, i / 4) for i in range(3000)]
    columns = dict(zip(("y", "key", "id", "x"), map(list, zip(*rows, strict=True)), strict=True))
    parquet = _write(tmp_path / "rows.parquet", columns, row_group_size=700)
    text = tmp_path / "rows.csv"
    text.write_text(csv_text("id,key,x,y", [(i, f'"{key}"', x, y) for y, key, i, x in reversed(rows)]))
    options = {"row_id": ("key", "id"), "splits": "train=0.7,test=0.3", "split_by": "key", "strategy": "ratio=2"}
    made = [presample(path, **options) for path in (parquet, text)]
    assert made[0].ids() == made[1].ids()
    assert made[0].ids(split="test") == made[1].ids(split="test")
    assert made[0].files() == made[1].files()  # the order in a shard follows the ids as well
    assert presample(parquet, **options, seed=1).ids() != made[0].ids()


def test_files_without_row_groups_and_columns_that_are_never_null(presample: Presample, tmp_path: Path) -> None:
    never = pa.schema([pa.field("y", pa.int64(), nullable=False), pa.field("id", pa.int64(), nullable=False)])
    rows = pa.table({"y": [int(i == 45_000) for i in range(90_000)], "id": list(range(90_000))}, schema=never)
    (tmp_path / "parts").mkdir()
    pq.write_table(rows, tmp_path / "parts/b.parquet")
    pq.write_table(
        rows.slice(0, 9).cast(pa.schema([("y", pa.int64()), ("id", pa.int64())])), tmp_path / "parts/c.parquet"
    )
    pq.ParquetWriter(tmp_path / "parts/a.parquet", never).close()
    assert pq.ParquetFile(tmp_path / "parts/a.parquet").num_row_groups == 0
    assert presample(tmp_path / "parts/*", strategy="counts:0=2,1=1").sizes() == {0: 2, 1: 1}


def test_a_boolean_label_declared_otherwise(presample: Presample, tmp_path: Path) -> None:
    path = _write(tmp_path / "rows.parquet", {"y": [i % 3 == 0 for i in range(30)], "id": list(range(30))})
    made = presample(path, schema='[{"name": "y", "type": "STRING"}]')
    assert made.sizes() == {"false": 10, "true": 10}
    assert verify(made.folder).whole
    flags = _write(tmp_path / "flags.parquet", {"y": [2, *(i % 3 // 2 for i in range(30))], "w": [0.5] * 31})
    as_flag = presample(flags, schema='[{"name": "y", "type": "BOOLEAN"}]', max_bad_fraction=0.1)
    assert as_flag.sizes() == {False: 10, True: 10}
    assert [row["message"] for row in as_flag.rejected()] == ["column 'y': 2 is no bool label."]
    with pytest.raises(UsageError, match="'w' is BOOLEAN, but double in the file"):
        presample(flags, schema='[{"name": "w", "type": "BOOLEAN"}]')
