"""`--split_time`: rows before T1 are train, before T2 eval, the others test."""

from __future__ import annotations

import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beam_jobs import PresampleOptions
from beam_jobs.iso_times import parse_times
from beam_jobs.remarks import notes_on
from tests.beam_jobs.conftest import Dataset, Presample, csv_text, tfrecord_bytes
from tfrecord_io.errors import SourceError, UsageError

UTC = datetime.timezone.utc
EDGES = ["2023-12-31T23:59:59.999999999", "2024-01-01", "2024-06-30 23:59:59.999999999Z", "2024-07-01T00:00:00"]
T = "2024-01-01,2024-06-30T23:59:59.999999999Z"
WHERE = ["train", "eval", "test", "test"]
NANOSECONDS = [1704067199999999999, 1704067200000000000, 1719791999999999999, 1719792000000000000]


def _splits(made: Dataset) -> list[str]:
    """The split of each row, by id."""
    found = {i: split for split in made.manifest.splits for i in made.ids("id", split)}
    return [found[i] for i in sorted(found)]


KINDS: dict[str, tuple[object, str, list[str]]] = {
    "text": (EDGES, T, WHERE),
    "dictionary": (pa.array(EDGES).dictionary_encode(), T, WHERE),
    "binary": (pa.array(EDGES, pa.large_binary()), T, WHERE),
    "ns": (pa.array(NANOSECONDS, pa.timestamp("ns")), T, WHERE),
    "ns in a zone": (pa.array(NANOSECONDS, pa.timestamp("ns", "America/New_York")), T, WHERE),
    "us": (pa.array([n // 1000 for n in NANOSECONDS], pa.timestamp("us")), T, ["train", "eval", "eval", "test"]),
    "s": (pa.array([n // 10**9 for n in NANOSECONDS], pa.timestamp("s")), T, ["train", "eval", "eval", "test"]),
    "date32": (pa.array([n // 10**9 // 86400 for n in NANOSECONDS], pa.date32()), T, ["train", "eval", "eval", "test"]),
    "date64": (
        pa.array([n // 10**9 // 86400 * 86400000 for n in NANOSECONDS], pa.date64()),
        "2024-01-01",
        ["train", "test", "test", "test"],
    ),
    "beyond nanoseconds": (pa.array(NANOSECONDS, pa.timestamp("ns")), "2500-01-01", ["train"] * 4),
    "int64": (NANOSECONDS, "1704067200000000000,1719791999999999999", WHERE),
    "negative": ([-3, -2, 5, 2**62], "-2,5", ["train", "eval", "test", "test"]),
    "uint64": (pa.array([0, 5, 2**63, 2**64 - 1], pa.uint64()), "5,6", ["train", "eval", "test", "test"]),
    "int16": (pa.array([0, 5, 6, 7], pa.int16()), "5,6", ["train", "eval", "test", "test"]),
    "float": ([4.999, 5.0, 1e300, float("inf")], "5", ["train", "test", "test"]),
}


@pytest.mark.parametrize("kind", KINDS)
def test_parquet_columns(presample: Presample, tmp_path: Path, kind: str) -> None:
    values, times, expected = KINDS[kind]
    table = pa.table({"y": [0, 1, 0, 1] * 2, "id": range(8), "at": pa.concat_arrays([pa.array(values)] * 2)})
    pq.write_table(table, tmp_path / "rows.parquet")
    made = presample(
        tmp_path / "rows.parquet",
        split_time=f"at={times}",
        drop_columns=("at",),
        strategy="none",
        max_bad_fraction=0.5,
    )
    assert _splits(made) == expected * 2
    assert set(made.manifest.splits) == ({"train", "eval", "test"} if "," in times else {"train", "test"})
    assert made.manifest.options["split_time"] == f"at={times}"


@pytest.mark.parametrize(
    ("values", "times", "expected"),
    [
        *(KINDS[kind] for kind in ("text", "int64", "negative")),
        ([4.5, 5.0, 2.0**100, float("inf")], "5", ["train", "test", "test"]),
    ],
    ids=["text", "int64", "negative", "float"],
)
def test_features_of_records(
    presample: Presample, write: ..., values: list[object], times: str, expected: list[str]
) -> None:
    columns = {"y": [0, 1, 0, 1] * 2, "id": range(8), "at": [*values, *values]}
    path = write("rows.tfrecord", tfrecord_bytes(columns))
    options = {"split_time": f"at={times}", "strategy": "none", "max_bad_fraction": 0.5, "block_size": 150}
    made = presample(path, drop_columns=("at",), **options)
    assert _splits(made) == expected * 2
    assert set(made.manifest.splits) == ({"train", "eval", "test"} if "," in times else {"train", "test"})
    assert made.manifest.rejected["reasons"] == ({} if len(expected) == 4 else {"time": 2})


@pytest.mark.parametrize(
    ("values", "times", "expected"),
    [
        (EDGES, T, WHERE),
        (NANOSECONDS, f"{NANOSECONDS[1]},{NANOSECONDS[2]}", WHERE),
        (["4.5", "5", "5.5", "6"], "5,6", ["train", "eval", "eval", "test"]),
        (["2024-01-01T00:30+01:00", "2024-01-01T00:30+0030", "2024-01-01 01", "2024-01-01T01:00-01"], "2024-01-01", []),
    ],
    ids=["text", "int64", "float", "zones"],
)
def test_csv_columns(presample: Presample, write: ..., values: list[object], times: str, expected: list[str]) -> None:
    rows = [(i % 2, i, value) for i, value in enumerate(values * 50)]
    made = presample(
        write("rows.csv", csv_text("y,id,at", rows)),
        split_time=f"at={times}",
        strategy="none",
        block_size=300,
        max_bad_fraction=0.3,
    )
    # Of the zones, the third is an hour without minutes: no time.
    assert _splits(made) == (expected or ["train", "test", "test"]) * 50
    assert made.manifest.rejected["reasons"] == ({} if expected else {"time": 50})


def test_rows_without_a_time_are_bad(presample: Presample, write: ...) -> None:
    good = [f"{i % 2},{i},2024-0{1 + i % 9}-01" for i in range(40)]
    bad = {"0,50,": "missing", "0,51,2024-02-30": "time", "0,52,soon": "time", "0,53,5": "time", "0,54": "fields"}
    path = write("rows.csv", "\n".join(["y,id,at", *good, *bad]) + "\n")
    made = presample(path, split_time="at=2024-05-01", strategy="none", max_bad_fraction=0.2)
    assert {row["raw"]: row["reason"] for row in made.rejected()} == bad
    assert _splits(made) == ["train" if i % 9 < 4 else "test" for i in range(40)]
    assert [row["message"] for row in made.rejected()][1] == "column 'at' of --split_time: '2024-02-30' is no time."


def test_a_split_without_rows_is_a_warning_and_training_without_rows_an_error(presample: Presample, write: ...) -> None:
    path = write("rows.csv", csv_text("y,id,at", [(i % 2, i, i) for i in range(20)]))
    made = presample(path, split_time="at=10,100")
    options = PresampleOptions(input=(str(path),), output="none", label="y", split_time="at=10,100")
    notes, warnings = notes_on(options, made.manifest)
    assert warnings == ["--split_time at=10,100 leaves test without a row."]
    assert notes == []
    with pytest.raises(ValueError, match=r"The train split has no rows\. .*a later --split_time"):
        presample(path, split_time="at=0")


REFUSED: dict[str, tuple[str, ...]] = {
    "at": ("'at' must be COLUMN=T1 or COLUMN=T1,T2",),
    "": ("--split_time is empty",),
    "=5": ("must be COLUMN=T1",),
    "at=": ("'' is no time", "2024-01-01"),
    "at=1,2,3": ("must be COLUMN=T1",),
    "at=2024-02-30": ("'2024-02-30' is no time",),
    "at=1.5": ("'1.5' is no time",),
    "at=5,2024-01-01": ("mixes a whole number and a date",),
    "at=5,5": ("5 is not before 5", "the earlier time first"),
    "at=2024-01-01T00:00,2023-12-31T23:00-01:00": ("is not before",),
    "at=9223372036854775808": ("more than an int64 holds",),
}


@pytest.mark.parametrize(("text", "says"), REFUSED.items())
def test_times_that_are_none(text: str, says: tuple[str, ...]) -> None:
    with pytest.raises(UsageError, match=r"^--split_time") as caught:
        PresampleOptions(input=("a.csv",), output="out", label="y", split_time=text)
    for part in says:
        assert part in str(caught.value)


@pytest.mark.parametrize(
    ("column", "times", "says"),
    [
        ("day", "5", r"column 'day' holds dates or text \(date32"),
        ("text", "5", r"column 'text' holds dates or text \(string\)"),
        ("n", "2024-01-01", r"column 'n' holds numbers \(int64\), not dates"),
        ("flag", "5", r"column 'flag' is bool, which has no order in time"),
        ("list", "5", "holds lists"),
    ],
)
def test_times_of_another_kind_than_the_column(
    presample: Presample, tmp_path: Path, column: str, times: str, says: str
) -> None:
    columns = {"day": pa.array([0, 1], pa.date32()), "text": ["a", "b"], "n": [1, 2], "flag": [True, False]}
    pq.write_table(pa.table({"y": [0, 1], **columns, "list": [[1], [2]]}), tmp_path / "rows.parquet")
    with pytest.raises((UsageError, SourceError), match=says):
        presample(tmp_path / "rows.parquet", split_time=f"{column}={times}", columns=("y",))


_ZONES = st.none() | st.integers(-1439, 1439).map(lambda m: datetime.timezone(datetime.timedelta(minutes=m)))


@settings(max_examples=200, deadline=None)
@given(
    st.datetimes(timezones=_ZONES),
    st.sampled_from(["T", " "]),
    st.sampled_from(["auto", "minutes", "seconds", "milliseconds", "microseconds"]),
)
def test_times_are_read_as_python_reads_them(time: datetime.datetime, sep: str, precision: str) -> None:
    text = time.isoformat(sep, precision)
    found = parse_times(pa.array([text, "x", text.replace("+00:00", "Z"), None, text[:10]]))
    expected = datetime.datetime.fromisoformat(text)
    expected = expected if expected.tzinfo else expected.replace(tzinfo=UTC)
    seconds, rest = divmod(expected - datetime.datetime(1970, 1, 1, tzinfo=UTC), datetime.timedelta(seconds=1))
    assert found.bad.tolist() == [False, True, False, True, False]
    assert found.seconds[0] == found.seconds[2] == seconds
    assert found.nanoseconds[0] == found.nanoseconds[2] == rest // datetime.timedelta(microseconds=1) * 1000
    midnight = datetime.datetime(*time.timetuple()[:3], tzinfo=UTC) - datetime.datetime(1970, 1, 1, tzinfo=UTC)
    assert found.seconds[4] == midnight // datetime.timedelta(seconds=1)


@settings(max_examples=200, deadline=None)
@given(
    st.from_regex(
        r"[0-9]{4}-[01][0-9]-[0-3][0-9]"
        r"([T ][0-2][0-9]:[0-6][0-9](:[0-6][0-9](\.[0-9]{1,9})?)?(Z|[+-][0-2][0-9]:?[0-5][0-9])?)?",
        fullmatch=True,
    )
)
def test_what_python_refuses_is_no_time(text: str) -> None:
    try:
        datetime.datetime.fromisoformat(text)
    except ValueError:
        refused = True
    else:
        refused = False
    assert parse_times(pa.array([text])).bad.tolist() == [refused]
