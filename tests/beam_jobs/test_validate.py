"""`--validate all`: values that do not parse are found in pass 1, in every row, drawn or not."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import beam_jobs
from beam_jobs import PresampleOptions
from tests.beam_jobs.conftest import Dataset, Presample, csv_text, tfrecord_bytes
from tfrecord_io.errors import SourceError

SCHEMA = '[{"name": "v", "type": "INTEGER"}, {"name": "big", "type": "INTEGER"}]'
ROWS = 900
BAD = [i for i in range(ROWS) if i % 10 == 5]


def _values(i: int) -> tuple[object, ...]:
    return i % 3 // 2, i, "x" if i % 20 == 5 else i % 10, 2**64 - 1 if i % 20 == 15 else i


@pytest.fixture(params=["csv", "quoted", "parquet", "tfrecord"])
def source(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, dict[str, object]]:
    """900 rows, 300 of them of class 1, with a value that does not parse in every tenth; and the options to read it."""
    if request.param == "parquet":
        path = tmp_path / "rows.parquet"
        rows = range(ROWS)
        big = pa.array([2**64 - 1 if i in BAD else i for i in rows], pa.uint64())
        table = pa.table({"y": [i % 3 // 2 for i in rows], "id": list(rows), "big": big})
        pq.write_table(table, path, row_group_size=250)
        return path, {}
    if request.param == "tfrecord":
        path = tmp_path / "rows.tfrecord"
        columns = {"y": [i % 3 // 2 for i in range(ROWS)], "id": range(ROWS)}
        kinds = {
            "v": [None if i in BAD else i for i in range(ROWS)],
            "big": [[i] * (1 + (i in BAD)) for i in range(ROWS)],
        }
        path.write_bytes(tfrecord_bytes({**columns, **kinds}))
        return path, {"schema": SCHEMA.replace('R"}', 'R", "mode": "REQUIRED"}'), "block_size": 5000}
    path = tmp_path / "rows.csv"
    text = csv_text("y,id,v,big", map(_values, range(ROWS)))
    if request.param == "csv":
        path.write_text(text)
        return path, {"schema": SCHEMA, "block_size": 1000}
    path.write_text(text.replace("y,id", '"y\n",id').replace("\n0,", '\n"0",'))
    return path, {"schema": SCHEMA, "block_size": 700, "quoted_newlines": True, "label": "y\n"}


def test_it_rejects_what_drawing_every_row_would(presample: Presample, source: tuple[Path, dict[str, object]]) -> None:
    path, options = source
    drawn = presample(path, strategy="none", max_bad_fraction=0.1, **options)
    made = presample(path, strategy="none", max_bad_fraction=0.1, validate="all", **options)
    assert made.rejected() == drawn.rejected()
    assert made.manifest.rejected["reasons"] == {"type": len(BAD)}
    assert made.ids() == drawn.ids() == {i: 1 for i in range(ROWS) if i not in BAD}
    assert [entry.rejected_rows for entry in drawn.classes().values()] == [60, 30]
    assert [entry.rejected_rows for entry in made.classes().values()] == [0, 0]
    assert [entry.source_rows for entry in made.classes().values()] == [540, 270]
    assert made.manifest.source["rows"] == ROWS
    assert made.manifest.source["rejected_rows"] == len(BAD)


def test_no_drawn_row_is_lost_and_the_weights_are_exact(
    presample: Presample, source: tuple[Path, dict[str, object]]
) -> None:
    path, options = source
    made = presample(path, strategy="max=100", max_bad_fraction=0.1, validate="all", **options)
    assert made.sizes() == {0: 100, 1: 100}
    assert [entry.weight for entry in made.classes().values()] == [5.4, 2.7]
    assert made.manifest.rejected["reasons"] == {"type": len(BAD)}
    assert not set(made.ids()) & set(BAD)


def test_the_plan_counts_good_rows_only(source: tuple[Path, dict[str, object]]) -> None:
    path, options = source
    chosen = PresampleOptions(
        input=str(path), output="none", validate="all", max_bad_fraction=0.1, **{"label": "y", **options}
    )
    assert [(s.source.rows, s.rows) for s in beam_jobs.plan(chosen).strata] == [(540, 270), (270, 270)]


def test_the_limits_on_bad_rows_apply_to_all_rows(presample: Presample, source: tuple[Path, dict[str, object]]) -> None:
    path, options = source
    few = {"strategy": "max=1", "validate": "all", **options}
    with pytest.raises(SourceError, match=r"90 of 900 rows are bad \(type 90\), more than --max_bad_fraction 0\.0999"):
        presample(path, max_bad_fraction=0.0999, **few)
    with pytest.raises(SourceError, match=r"Bad row \(--on_bad_row fail\): rows\..*(column|feature) '(v|big)'"):
        presample(path, on_bad_row="fail", **few)


def test_rows_that_pass_1_refuses_anyway_are_refused_once(presample: Presample, write: ...) -> None:
    text = "y,id,v\n0,1,1\n0,2\n,3,x\n1,4,x\n1,5,5\n"
    made = presample(
        write("rows.csv", text),
        schema='[{"name": "v", "type": "INTEGER"}]',
        strategy="none",
        validate="all",
        max_bad_fraction=1.0,
    )
    assert made.ids() == {1: 1, 5: 1}
    assert [(row["raw"], row["reason"]) for row in made.rejected()] == [
        ("0,2", "fields"),
        (",3,x", "label"),
        ("1,4,x", "type"),
    ]


def _records(last: dict[str, list[object]]) -> bytes:
    """5 000 records, too many for the sample that is looked at first, and one more."""
    first = {"y": [i % 2 for i in range(5000)], "id": list(range(5000))}
    return tfrecord_bytes(first) + tfrecord_bytes(last)


@pytest.mark.parametrize(
    ("last", "says"),
    [
        ({"y": [0], "id": [5000], "weight": [1]}, "--weight_out weight: "),
        ({"y": [0], "id": [0.5]}, r"record at byte \d+: feature 'id' is of two types, int64 and float32"),
    ],
)
def test_every_record_is_checked_for_what_ends_the_job(
    presample: Presample, write: ..., last: dict[str, list[object]], says: str
) -> None:
    path = write("rows.tfrecord", _records(last))

    def made(**options: object) -> Dataset:
        return presample(path, strategy="max=2", **options)

    assert made().sizes() == {0: 2, 1: 2}
    with pytest.raises(SourceError, match=says):
        made(validate="all")
    assert made(validate="all", columns=("y",)).sizes() == {0: 2, 1: 2}
