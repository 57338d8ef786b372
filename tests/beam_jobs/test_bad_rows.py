"""Bad rows are set aside and counted; their neighbours, and what is drawn, stay as they were."""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path

import pytest

from tests.beam_jobs.conftest import Dataset, Presample, csv_text
from tfrecord_io.errors import SourceError
from tfrecord_io.verify import verify

ROWS = 300
GOOD = [f"{i % 3 // 2},{i},{i % 7}.5,text {i}" for i in range(ROWS)]
SCHEMA = '[{"name": "y", "type": "INTEGER"}, {"name": "w", "type": "FLOAT"}]'

BAD = {
    "too few fields": ("1,2,3", "fields", "3 fields, the header 4"),
    "too many fields": ("1,2,3,4,5", "fields", "5 fields"),
    "one field": ("x", "fields", "1 field"),
    "spaces": ("   ", "fields", "1 field"),
    "an open quote": ('1,2,3,"te', "quote", "--quoted_newlines"),
    "an open quote in front": ('"1,2,3,te', "quote", "--quoted_newlines"),
    "an open quote after others": ('1,2,"3","te', "quote", "--quoted_newlines"),
    "the end of a value": ('te"', "fields", "1 field"),
    "no label": (",2,3,4", "label", "missing"),
    "an empty label": ('"",2,3,4', "label", "missing"),
    "a label of another type": ("x,2,3,4", "label", "'x' is no int64"),
    "a float label": ("1.5,2,3,4", "label", "'1.5' is no int64"),
    "a carriage return": ("1,2,\r3,4", "quote", "carriage return"),
}


def _content(bad: dict[int, str], end: str = "\n") -> str:
    lines = list(GOOD)
    for index in sorted(bad):
        lines.insert(index, bad[index])
    return f"y,id,w,text{end}" + "".join(line + end for line in lines)


@pytest.mark.parametrize(("block_size", "end"), [(50, "\r\n"), (8 << 20, "\n")], ids=["CRLF", "LF"])
@pytest.mark.parametrize("name", BAD)
def test_a_bad_line_costs_no_other(presample: Presample, write: ..., name: str, block_size: int, end: str) -> None:
    line, reason, message = BAD[name]
    places = [0, 7, 8, 150, ROWS + 4]
    content = _content(dict.fromkeys(places, line), end)
    made = presample(
        write("rows.csv", content), strategy="none", schema=SCHEMA, block_size=block_size, max_bad_fraction=0.02
    )
    rows = {row["id"][0]: (row["y"], row["w"], row["text"]) for row in made.rows()}
    assert rows == {i: ([i % 3 // 2], [i % 7 + 0.5], [f"text {i}".encode()]) for i in range(ROWS)}
    assert made.manifest.source["rows"] == ROWS + 5
    assert made.manifest.source["rejected_rows"] == 5
    assert made.manifest.rejected["reasons"] == {reason: 5}
    found = made.rejected()
    lines = content.split(end)
    assert [row["position"] for row in found] == [len(end.join(lines[: i + 1])) + len(end) for i in places]
    assert {(row["file"], row["raw"], row["reason"]) for row in found} == {("rows.csv", line, reason)}
    assert all(message in row["message"] for row in found)
    assert verify(made.folder).problems == []


def test_all_kinds_at_once_in_any_block_size(presample: Presample, write: ...) -> None:
    bad = {13 * number: line for number, (line, _, _) in enumerate(BAD.values())}
    path = write("rows.csv", _content(bad))
    options = {"strategy": "ratio=1", "schema": SCHEMA, "max_bad_fraction": 0.1, "splits": "train=0.8,test=0.2"}
    made = [presample(path, block_size=size, **options) for size in (1, 333, 8 << 20)]
    assert made[0].manifest.rejected["reasons"] == Counter(reason for _, reason, _ in BAD.values())
    assert made[0].manifest.source["rows"] == ROWS + len(BAD)
    assert sum(made[0].manifest.split(name).source_rows for name in ("train", "test")) == ROWS
    assert made[0].files() == made[1].files() == made[2].files()
    assert len({one.manifest.dataset_id for one in made}) == 1


def test_missing_weight_split_and_id_columns(presample: Presample, write: ...) -> None:
    lines = ["0,a,1,k1", "0,,1,k2", "0,b,1,", "1,c,x,k4", "1,d,1,k5", "1,e,0.5,k6"]
    made = presample(
        write("rows.csv", csv_text("y,group,w,key", [line.split(",") for line in lines])),
        weight_in="w",
        split_by="group",
        splits="train=0.99,eval=0.01",
        row_id=("key",),
        schema='[{"name": "w", "type": "FLOAT"}]',
        strategy="none",
        max_bad_fraction=0.5,
    )
    assert made.ids("key") + made.ids("key", "eval") == {b"k1": 1, b"k5": 1, b"k6": 1}
    assert [(row["raw"], row["reason"]) for row in made.rejected()] == [
        ("0,,1,k2", "missing"),
        ("0,b,1,", "missing"),
        ("1,c,x,k4", "weight"),
    ]


def _values(bad: str) -> str:
    """900 rows, `bad` as the value of every tenth."""
    return csv_text("y,id,v", [(i % 3 // 2, f"{i:04}", bad if i % 10 == 5 else i % 10) for i in range(900)])


VALUES = json.dumps([{"name": "v", "type": "INTEGER"}, {"name": "id", "type": "INTEGER"}])


@pytest.mark.parametrize("strategy", ["max=100", "rates:0=2.5,1=0.25", "none"])
def test_a_drawn_row_that_does_not_parse_is_not_replaced(presample: Presample, write: ..., strategy: str) -> None:
    options = {"strategy": strategy, "schema": VALUES, "max_bad_fraction": 0.5}
    whole = presample(write("whole/rows.csv", _values("5")), **options)
    made = presample(write("rows.csv", _values("x")), **options, block_size=700)
    bad = {i for i in range(900) if i % 10 == 5}
    lost = {label: sum(n for i, n in whole.ids(label=label).items() if i in bad) for label in (0, 1)}
    assert min(lost.values()) > 0
    assert made.ids() == Counter({i: n for i, n in whole.ids().items() if i not in bad})
    for label, entry in made.classes().items():
        assert entry.rejected_rows == lost[label]
        assert entry.rows == whole.classes()[label].rows - lost[label] == made.sizes()[label]
        assert entry.weight == whole.classes()[label].weight
        assert {row["weight"][0] for row in made.rows(label)} == {whole.rows(label)[0]["weight"][0]}
    drawn_bad = sorted(i for i in whole.ids() if i in bad)
    assert [int(row["raw"].split(",")[1]) for row in made.rejected()] == drawn_bad
    assert made.manifest.rejected["reasons"] == {"type": len(drawn_bad)}
    assert "'x' is no int64" in made.rejected()[0]["message"]
    assert "--schema" in made.rejected()[0]["message"]
    assert verify(made.folder).problems == []


def test_a_value_unlike_the_sample_suggests_a_schema(presample: Presample, write: ...) -> None:
    # 1.4 MB: the sample is the first 16 KB of each 64th part, so it stops short of byte 20 000.
    text = csv_text("y,id,v", [(i % 2, i, f"{i % 1000}.25" + "0" * 50) for i in range(22_000)])
    assert len(text) > 64 * 21_000
    at = text.index("\n", 20_000) + 1
    made = presample(write("large.csv", text[:at] + "1,-1,late\n" + text[at:]), strategy="none")
    assert made.manifest.schema["v"]["dtype"] == "float32"
    (row,) = made.rejected()
    assert row["raw"] == "1,-1,late"
    assert "inferred" in row["message"]
    assert "Declare the column in --schema" in row["message"]


def _nothing_is_left(folder: Path) -> bool:
    return not list(folder.glob("dataset*"))


def test_on_bad_row_fail(presample: Presample, write: ..., tmp_path: Path) -> None:
    first = write("rows.csv", _content({20: "1,2"}))
    with pytest.raises(SourceError, match=r"--on_bad_row fail.*rows\.csv, .* \d+: the line has 2 fields"):
        presample(first, on_bad_row="fail")
    second = write("values.csv", _values("x"))
    with pytest.raises(SourceError, match=r"--on_bad_row fail.*values\.csv, .* \d+: column 'v': 'x'"):
        presample(second, on_bad_row="fail", schema=VALUES)
    assert _nothing_is_left(tmp_path)


def test_max_bad_fraction(presample: Presample, write: ..., tmp_path: Path) -> None:
    path = write("rows.csv", _content(dict.fromkeys((5, 50, 100), "1,2")))
    with pytest.raises(SourceError, match=r"3 of 303 rows are bad \(fields 3\), more than --max_bad_fraction 0\.0099"):
        presample(path, max_bad_fraction=0.0099)
    with pytest.raises(SourceError, match="3 of 303 rows are bad"):
        presample(path, max_bad_fraction=0.0)
    values = write("values.csv", _values("x"))
    with pytest.raises(SourceError, match=r"\d+ of 600 drawn rows are bad \(type \d+\)"):
        presample(values, schema=VALUES, max_bad_fraction=0.05)
    assert _nothing_is_left(tmp_path)
    assert presample(path, max_bad_fraction=3 / 303).manifest.source["rejected_rows"] == 3


def test_rejected_holds_a_bounded_number_of_bounded_rows(presample: Presample, write: ...) -> None:
    text = "y,id\n" + "".join(f"{i % 2},{i}\n{i}" + ("z" * 5000 if i == 3 else "") + "\n" for i in range(1500))
    made = presample(write("rows.csv", text), strategy="none", max_bad_fraction=0.5, block_size=5000)
    assert made.manifest.rejected["reasons"] == {"fields": 1500}
    assert made.manifest.source["rejected_rows"] == 1500
    found = made.rejected()
    assert [row["raw"][:4] for row in found] == [str(i) + "z" * (3 if i == 3 else 0) for i in range(1000)]
    assert max(len(row["raw"]) for row in found) == 2000
    assert len(made.rows()) == 1500


def test_a_file_whose_name_is_not_utf8(presample: Presample, tmp_path: Path) -> None:
    for name in (b"\xfe.csv", b"\xff.csv"):
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)).write_text("y,id\n0,1\n1,2\n1\n")
    made = presample(tmp_path / "*.csv", max_bad_fraction=0.5)
    assert [row["position"] for row in made.rejected()] == [13, 13]
    assert made.sizes() == {0: 2, 1: 2}


def test_a_file_of_bad_rows_alone(presample: Presample, write: ...) -> None:
    with pytest.raises(SourceError, match="no usable rows"):
        presample(write("rows.csv", "y,id\n1\n2\n"), max_bad_fraction=1.0)


def test_rows_that_the_cut_leaves_out_leave_no_trace(presample: Presample, write: ...) -> None:
    options = {
        "strategy": "max=5",
        "row_id": "id",
        "schema": '[{"name": "v", "type": "INTEGER"}]',
        "on_bad_row": "fail",
    }

    def made(changed: int, value: str) -> Dataset:
        rows = [(int(i == 40), i, value if i == changed else i) for i in range(41)]
        return presample(write(f"{changed}{value}.csv", csv_text("y,id,v", rows)), **options)

    kept = set(made(-1, "").ids())
    inside, outside = min(kept), min(set(range(40)) - kept)
    assert made(outside, "").manifest.schema["v"]["optional"] is False
    assert made(inside, "").manifest.schema["v"]["optional"] is True
    assert made(outside, "x").sizes() == {0: 5, 1: 1}
    with pytest.raises(SourceError, match=r"Bad row \(--on_bad_row fail\).*'x' is no int64"):
        made(inside, "x")
