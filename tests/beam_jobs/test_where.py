"""`--where`: which rows are read, what is counted, and what a row is that cannot be judged."""

from __future__ import annotations

import datetime
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from beam_jobs import PresampleOptions, plan
from tests.beam_jobs.conftest import Presample, csv_text, tfrecord_bytes
from tfrecord_io import verify
from tfrecord_io.errors import SourceError, UsageError

COUNTRIES = ["DE", "FR", "", "É"]
ROWS = [(i % 3 // 2, i, COUNTRIES[i % 4], i / 8, f"n{i}") for i in range(400)]


@pytest.fixture(params=["csv", "parquet", "tfrecord"])
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """400 rows: y, id, country (missing in every fourth), x (a float), name."""
    path = tmp_path / f"rows.{request.param}"
    if request.param == "csv":
        path.write_text(csv_text("y,id,country,x,name", ROWS))
        return path
    y, ids, countries, x, names = zip(*ROWS, strict=True)
    columns = {"y": y, "id": ids, "x": x, "name": names}
    country = [value or None for value in countries]
    if request.param == "tfrecord":
        path.write_bytes(tfrecord_bytes({**columns, "country": country}))
        return path
    table = pa.table({**columns, "country": pa.array(country).dictionary_encode()})
    pq.write_table(table, path, row_group_size=150)
    return path


@pytest.mark.parametrize(
    ("where", "passes"),
    [
        ("id >= 100", lambda y, i, country, x: i >= 100),
        ("x > 0.7 and x < 1.625", lambda y, i, country, x: 0.7 < x < 1.625),
        ("country == 'É' or country == 'DE'", lambda y, i, country, x: country in ("É", "DE")),
        ("~field('country').isin(['DE'])", lambda y, i, country, x: country != "DE"),  # a missing one is in no list
        ("country != 'DE'", lambda y, i, country, x: country not in ("", "DE")),  # null: left out
        ("country is None", lambda y, i, country, x: country == ""),
        ("y == 1 and id - 10 * y < 200", lambda y, i, country, x: y == 1 and i < 210),
    ],
)
def test_rows_that_pass_are_all_there_is(source: Path, presample: Presample, where: str, passes: ...) -> None:
    made = presample(source, where=where, strategy="none")
    expected = {i: y for y, i, country, x, _ in ROWS if passes(y, i, country, x)}
    assert {row["id"][0]: row["y"][0] for row in made.rows()} == expected
    counts = {label: list(expected.values()).count(label) for label in set(expected.values())}
    assert {label: entry.source_rows for label, entry in made.classes().items()} == counts
    assert made.manifest.source["rows"] == 400
    assert made.manifest.source["filtered_rows"] == 400 - len(expected)
    assert made.manifest.source["rejected_rows"] == 0
    assert made.manifest.options["where"] == where
    assert verify(made.folder).problems == []


def test_the_sample_is_that_of_a_source_with_these_rows_alone_in_any_block_size(
    presample: Presample, tmp_path: Path
) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(csv_text("y,id,country,x,name", ROWS))
    options = {"where": "x > 4.55 and country != 'FR'", "row_id": ("id",), "strategy": "max=20"}
    made = [presample(path, block_size=size, **options) for size in (1, 700, 8 << 20)]
    assert made[0].files() == made[1].files() == made[2].files()
    assert len({one.manifest.dataset_id for one in made}) == 1
    rows = [row for row in ROWS if row[3] > 4.55 and row[2] not in ("FR", "")]
    (tmp_path / "few.csv").write_text(csv_text("y,id,country,x,name", rows))
    few = presample(tmp_path / "few.csv", row_id=("id",), strategy="max=20")
    assert few.ids() == made[0].ids()
    assert few.sizes() == made[0].sizes() == {0: 20, 1: 20}


def test_a_row_left_out_is_bad_for_nothing_else_but_a_broken_record_is(presample: Presample, write: ...) -> None:
    schema = json.dumps([{"name": "age", "type": "INTEGER"}, {"name": "w", "type": "FLOAT"}])
    good = [f"{i % 2},{30 + i},1.5,g{i}" for i in range(20)]
    left_out = ["x,1,1,g", ",1,1,g", "1,1,,g", "1,1,x,g", "1,1,-5,g", "1,1,1,", "1,,1,g"]
    bad = {"1,40": "fields", '"1,40,1,g': "quote", "1,old,1,g": "type", "1,40,x,g": "weight", ",40,1,g": "label"}
    bad |= {"1,40,1,": "missing", "1,25,1,g": "where"}
    made = presample(
        write("rows.csv", "\n".join(["y,age,w,group", *good, *left_out, *bad]) + "\n"),
        where="age > 20 and 100 / (age - 25) != 5000",
        schema=json.dumps([*json.loads(schema), {"name": "y", "type": "INTEGER"}]),
        weight_in="w",
        split_by="group",
        splits="train=0.9,test=0.1",
        strategy="none",
        max_bad_fraction=0.5,
        block_size=100,
    )
    assert made.ids("group") + made.ids("group", "test") == dict.fromkeys([f"g{i}".encode() for i in range(20)], 1)
    assert {row["raw"]: row["reason"] for row in made.rejected()} == bad
    assert made.manifest.source["rows"] == len(good) + len(left_out) + len(bad)
    assert made.manifest.source["filtered_rows"] == len(left_out)
    (message,) = [row["message"] for row in made.rejected() if row["reason"] == "where"]
    assert message == "--where cannot be computed for this row: divide by zero."


def test_parquet_times_are_compared_as_what_they_are(presample: Presample, tmp_path: Path) -> None:
    days = [
        datetime.datetime(2024, 1, 1, tzinfo=datetime.timezone.utc) + datetime.timedelta(hours=i) for i in range(100)
    ]
    table = {"y": [i % 2 for i in range(100)], "id": range(100), "at": pa.array(days, pa.timestamp("ns"))}
    pq.write_table(pa.table(table), tmp_path / "rows.parquet")
    where = "at.cast('date32') == pc.scalar('2024-01-02').cast('date32') or at is None"
    made = presample(tmp_path / "rows.parquet", where=where, drop_columns=("at",), strategy="none")
    assert sorted(made.ids()) == list(range(24, 48))


@pytest.mark.parametrize(
    ("where", "error", "says"),
    [
        ("agee > 5", SourceError, r"--where agee: .*rows\.\w+ has no such column\. Its columns are "),
        ("countri == 'DE'", SourceError, "Did you mean 'country'"),
        ("country > 5", UsageError, r"cannot be computed: Function 'greater' has no kernel .*country is string\."),
        ("id == 'DE'", UsageError, r"cannot be computed: .*id is int64\. Compare values of one type"),
        ("id in ['x']", UsageError, r"cannot be computed: "),
        ("id + 1", UsageError, r"gives int64, not true or false.*Compare with something: id > 0"),
        ("id > 1000", SourceError, r"--where 'id > 1000' leaves out all 400 rows that it judged"),
    ],
)
def test_expressions_that_do_not_fit_the_source(
    source: Path, presample: Presample, where: str, error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says):
        presample(source, where=where)
    assert list(source.parent.iterdir()) == [source]


def test_the_plan_counts_rows_that_pass(source: Path) -> None:
    options = PresampleOptions(input=(str(source),), output="none", label="y", where="id < 90")
    planned = plan(options)
    assert [(s.label, s.source.rows, s.rows) for s in planned.strata] == [(0, 60, 30), (1, 30, 30)]
    assert planned.filtered_rows == 310
