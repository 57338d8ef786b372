"""`--input bq://...` and `--query`, against a BigQuery and a Cloud Storage on loopback."""

from __future__ import annotations

import datetime
import decimal
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from apache_beam.io.filesystems import FileSystems

from beam_jobs import PresampleOptions, plan, run
from beam_jobs.command import main
from beam_jobs.driver import submit
from beam_jobs.like import options_like
from tests.beam_jobs.conftest import Dataset
from tests.dataflow.bigquery_server import BigQuery, bigquery
from tests.dataflow.bigquery_tables import StoredTable
from tfrecord_io.errors import SourceError
from tfrecord_io.manifest import Manifest

_TABLE = "data-project.shop.orders"
_FIELDS = [
    {"name": "id", "type": "INTEGER", "mode": "REQUIRED"},
    {"name": "returned", "type": "BOOLEAN"},
    {"name": "amount", "type": "FLOAT"},
    {"name": "note", "type": "STRING"},
    {"name": "tags", "type": "STRING", "mode": "REPEATED"},
]
_ROWS = 2_000
_COLUMNS: dict[str, list[Any]] = {
    "id": list(range(_ROWS)),
    "returned": [i % 20 == 0 for i in range(_ROWS)],
    "amount": [i / 8 for i in range(_ROWS)],
    "note": [None if i % 7 == 0 else "n" * (i % 50) for i in range(_ROWS)],
    "tags": [["a", "b"][: i % 3] for i in range(_ROWS)],
}


@pytest.fixture
def service(bucket: str) -> Iterator[BigQuery]:
    """BigQuery with the table of orders."""
    with bigquery() as served:
        served.tables[_TABLE] = StoredTable.of(_FIELDS, _COLUMNS)
        yield served


def sample(bucket: str, output: Path, **options: Any) -> Dataset:
    """Runs on the table, unless the options say otherwise."""
    source = {} if "query" in options else {"input": (f"bq://{_TABLE}",)}
    chosen = {"label": "returned", "row_id": ("id",), "shard_size": 2_000, **source, **options}
    manifest = run(PresampleOptions(output=str(output), **chosen), [f"--temp_location={bucket}/temp"])
    return Dataset(output, manifest)


def left_over(bucket: str) -> list[str]:
    return [found.path for found in FileSystems.match([f"{bucket}/temp/**"])[0].metadata_list]


def test_a_table_gives_the_rows_of_a_parquet_file(service: BigQuery, bucket: str, tmp_path: Path) -> None:
    pq.write_table(service.tables[_TABLE].latest, tmp_path / "orders.parquet")
    options = {"label": "returned", "row_id": ("id",), "splits": "train=0.8,eval=0.2", "folds": 2}
    patterns = (str(tmp_path / "orders.parquet"),)
    local = run(PresampleOptions(input=patterns, output=str(tmp_path / "local"), **options))
    remote = sample(bucket, tmp_path / "remote", shard_size=128 * 10**6, **options)
    assert remote.files() == Dataset(tmp_path / "local", local).files()
    assert remote.manifest.schema == local.schema
    assert remote.manifest.splits == local.splits
    assert remote.manifest.source["rows"] == _ROWS


def test_another_export_gives_the_same_dataset(service: BigQuery, bucket: str, tmp_path: Path) -> None:
    bad = {**_COLUMNS, "returned": [None if i % 200 == 3 else v for i, v in enumerate(_COLUMNS["returned"])]}
    service.tables[_TABLE].change(bad, datetime.timedelta(minutes=1))
    service.files = 1
    first = sample(bucket, tmp_path / "first", strategy="none")
    service.files = 17
    second = sample(bucket, tmp_path / "second", strategy="none")
    assert second.manifest.dataset_id == first.manifest.dataset_id
    assert second.files() == first.files()
    assert len(list(first.manifest.shards())) > 20
    assert len(first.rejected()) == 10
    assert {row["file"] for row in first.rejected()} == {f"bq://{_TABLE}"}
    assert re.search(r"Its id: id=\d+\.$", first.rejected()[0]["message"])


def test_the_shards_are_about_as_large_as_asked_for(service: BigQuery, bucket: str, tmp_path: Path) -> None:
    dataset = sample(bucket, tmp_path / "out", strategy="none", shard_size=10_000)
    large = [shard.bytes for shard in dataset.classes()[False].shards]
    assert 3_000 < sum(large) / len(large) < 20_000


def test_one_export_at_one_time_which_the_manifest_names(service: BigQuery, bucket: str, tmp_path: Path) -> None:
    before = datetime.datetime.now(datetime.timezone.utc)
    dataset = sample(bucket, tmp_path / "out")
    after = datetime.datetime.now(datetime.timezone.utc)
    (statement,) = service.statements
    time = re.search(r"FROM `data-project\.shop\.orders` FOR SYSTEM_TIME AS OF TIMESTAMP '([^']*)'", statement)
    assert time is not None
    read_at = datetime.datetime.fromisoformat(time[1])
    assert before <= read_at <= after
    stamp = read_at.replace(tzinfo=None).isoformat(timespec="microseconds")
    source = dataset.manifest.source
    assert source["patterns"] == [f"bq://{_TABLE}@{stamp}Z"]
    assert (source["format"], source["files"], source["bytes"]) == ("bigquery", 0, 0)
    assert "temp" not in dataset.manifest.to_json()
    assert left_over(bucket) == []


def test_a_table_as_it_was(service: BigQuery, bucket: str, tmp_path: Path) -> None:
    then = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(minutes=2)
    service.tables[_TABLE].change(
        {name: values[:100] for name, values in _COLUMNS.items()}, datetime.timedelta(minutes=1)
    )
    now = sample(bucket, tmp_path / "now")
    before = sample(bucket, tmp_path / "before", input=(f"bq://{_TABLE}@{then.isoformat()}",))
    assert now.manifest.source["rows"] == 100
    assert before.manifest.source["rows"] == _ROWS


def test_a_query(service: BigQuery, bucket: str, tmp_path: Path) -> None:
    query = f"SELECT id, returned, amount * 2 AS twice FROM `{_TABLE}` WHERE id < 1000 -- the first;"
    dataset = sample(bucket, tmp_path / "out", query=query, strategy="none")
    assert dataset.manifest.source["patterns"] == [query]
    assert dataset.manifest.options["query"] == query
    assert sorted(dataset.ids()) == list(range(1000))
    assert {row["id"][0]: row["twice"][0] for row in dataset.rows()}[12] == 3.0
    assert f"FROM (\nSELECT * FROM (\n{query.rstrip(';')}\n)\n)" in service.statements[0]
    assert left_over(bucket) == []


def test_only_the_columns_that_are_needed_are_exported(service: BigQuery, bucket: str, tmp_path: Path) -> None:
    dataset = sample(bucket, tmp_path / "out", columns=("returned", "amount"), where='note != "nnn"')
    assert "SELECT `id`, `returned`, `amount`, `note` FROM" in service.statements[0]
    assert set(dataset.manifest.schema) == {"returned", "amount"}


def test_the_types_of_a_table(service: BigQuery, bucket: str, tmp_path: Path) -> None:
    moment = datetime.datetime.fromisoformat("2024-05-01T12:30:00.000005")
    inner = [{"name": "city", "type": "STRING"}, {"name": "zips", "type": "INTEGER", "mode": "REPEATED"}]
    given: list[tuple[str, str, Any, Any]] = [
        ("price", "NUMERIC", decimal.Decimal("1.5"), [1.5]),
        ("exact", "BIGNUMERIC", decimal.Decimal("2.25"), [2.25]),
        ("on", "DATE", datetime.date(1970, 1, 11), [10]),
        ("at", "DATETIME", moment, [1714566600000005]),
        ("seen", "TIMESTAMP", moment, [1714566600000005]),
        ("daily", "TIME", datetime.time(0, 0, 1), [1_000_000]),
        ("flag", "BOOLEAN", True, [1]),
        ("raw", "BYTES", b"\xff\x00", [b"\xff\x00"]),
        ("place", "GEOGRAPHY", b"\x01\x01", [b"\x01\x01"]),
        ("cents", "NUMERIC", decimal.Decimal("1.500000001"), [b"1.500000001"]),
    ]
    fields: list[dict[str, Any]] = [{"name": name, "type": kind} for name, kind, _, _ in given]
    fields += [{"name": "home", "type": "RECORD", "fields": inner}, {"name": "y", "type": "INTEGER"}]
    columns = {name: [value] * 10 for name, _, value, _ in given}
    columns |= {"home": [{"city": "Rome", "zips": [1, 2]}] * 10, "y": list(range(10))}
    service.tables["p.d.typed"] = StoredTable.of(fields, columns)
    own = '[{"name": "cents", "type": "STRING"}]'
    dataset = sample(
        bucket, tmp_path / "out", input=("bq://p.d.typed",), label="y", row_id=("y",), schema=own, max_classes=10
    )
    row = dataset.rows(3)[0]
    assert row.pop("weight") == [1.0]
    wanted = {name: value for name, _, _, value in given}
    assert row == {**wanted, "home.city": [b"Rome"], "home.zips": [1, 2], "y": [3]}


def test_like_reads_the_table_as_it_is_now(service: BigQuery, bucket: str, tmp_path: Path) -> None:
    first = sample(bucket, tmp_path / "first", columns=("returned", "amount"))
    again = options_like(str(first.folder), output=str(tmp_path / "again"))
    assert again.input == (f"bq://{_TABLE}",)
    manifest = run(again, [f"--temp_location={bucket}/temp"])
    assert manifest.dataset_id == first.manifest.dataset_id
    queried = sample(bucket, tmp_path / "queried", query=f"SELECT id, returned FROM `{_TABLE}`")
    same = options_like(str(queried.folder), output="again")
    assert (same.input, same.query) == ((), f"SELECT id, returned FROM `{_TABLE}`")
    other = options_like(str(queried.folder), output="again", input=(f"bq://{_TABLE}",), schema=None)
    assert (other.input, other.query) == ((f"bq://{_TABLE}",), None)


def test_the_commands_of_the_page(service: BigQuery, bucket: str) -> None:
    fields = [{**_FIELDS[0], "name": "order_id"}, *_FIELDS[1:]]
    columns = {"order_id": _COLUMNS["id"], **_COLUMNS}
    service.tables["my-project.shop.orders"] = StoredTable.of(fields, columns)
    page = (Path(__file__).parents[2] / "docs/sources.md").read_text()
    block = next(each for each in re.findall(r"(?:^    .*\n)+", page, flags=re.MULTILINE) if "bq://" in each)
    commands = block.replace("my-bucket", bucket.removeprefix("gs://")).replace("\\\n", "").split("presample run")[1:]
    assert [main(shlex.split(command)) for command in commands] == [0, 0]


def test_an_outage_is_waited_for(service: BigQuery, bucket: str, tmp_path: Path) -> None:
    service.outages = 1
    assert sample(bucket, tmp_path / "out").manifest.source["rows"] == _ROWS
    assert service.outages == 0


def test_a_plan_leaves_nothing(service: BigQuery, bucket: str, tmp_path: Path) -> None:
    options = PresampleOptions(
        input=(f"bq://{_TABLE}",), output=str(tmp_path / "out"), label="returned", row_id=("id",)
    )
    planned = plan(options, [f"--temp_location={bucket}/temp"])
    assert sum(stratum.source.rows for stratum in planned.strata) == _ROWS
    assert left_over(bucket) == []


def test_a_job_that_is_left_alone_removes_the_export(service: BigQuery, bucket: str, tmp_path: Path) -> None:
    options = PresampleOptions(input=(f"bq://{_TABLE}",), output=str(tmp_path), label="returned", row_id=("id",))
    submit(options, [f"--temp_location={bucket}/temp"]).wait_until_finish()
    assert Manifest.load(tmp_path).source["rows"] == _ROWS
    assert left_over(bucket) == []


def test_splits_by_a_timestamp(service: BigQuery, bucket: str, tmp_path: Path) -> None:
    day = datetime.datetime.fromisoformat("2024-05-01T00:00:00")
    columns = {**_COLUMNS, "at": [day + datetime.timedelta(minutes=i) for i in range(_ROWS)]}
    service.tables["p.d.timed"] = StoredTable.of([*_FIELDS, {"name": "at", "type": "TIMESTAMP"}], columns)
    times = "at=2024-05-01T10:00:00Z,2024-05-02T00:00:00+00:00"
    dataset = sample(bucket, tmp_path / "out", input=("bq://p.d.timed",), split_time=times)
    rows = {name: split.source_rows for name, split in dataset.manifest.splits.items()}
    assert rows == {"train": 600, "eval": 840, "test": 560}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"row_id": ("returned",)}, "more than one row has the id"),
        ({"label": "note", "max_classes": 3}, "max_classes"),
        ({"where": "id < 0"}, "leaves out all"),
    ],
)
def test_a_run_that_fails_leaves_nothing(
    service: BigQuery, bucket: str, tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(SourceError, match=message):
        sample(bucket, tmp_path / "out", **options)
    assert len(service.statements) == 1
    assert left_over(bucket) == []
    assert not (tmp_path / "out").exists()


def test_an_export_that_breaks_leaves_nothing(service: BigQuery, bucket: str, tmp_path: Path) -> None:
    service.broken = (400, "invalidQuery", "Query exceeded limit for bytes billed: 1. 10485760 or higher required.")
    with pytest.raises(SourceError, match=rf"bq://{_TABLE}@.*: BigQuery refuses it: Query exceeded limit for bytes"):
        sample(bucket, tmp_path / "out")
    assert left_over(bucket) == []


def test_an_empty_table(service: BigQuery, bucket: str, tmp_path: Path) -> None:
    service.tables[_TABLE].change({name: [] for name in _COLUMNS}, datetime.timedelta(minutes=1))
    with pytest.raises(SourceError, match=rf"bq://{_TABLE}@\S+: .*no usable rows"):
        sample(bucket, tmp_path / "out")
    assert left_over(bucket) == []


def test_what_is_dropped_is_neither_exported_nor_shown(service: BigQuery, bucket: str, tmp_path: Path) -> None:
    columns = {**_COLUMNS, "id": [None if i == 7 else i for i in range(_ROWS)]}
    service.tables[_TABLE].change(columns, datetime.timedelta(minutes=1))
    dataset = sample(bucket, tmp_path / "out", drop_columns=("id", "note"))
    assert "`note`" not in service.statements[0]
    assert "id" not in dataset.manifest.schema
    (bad,) = dataset.rejected()
    assert "id=***" in bad["message"]
