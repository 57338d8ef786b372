"""CSV: what is a row, what is a value, and of which type."""

from __future__ import annotations

import csv
import gzip
import io
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from beam_jobs import PresampleOptions
from beam_jobs.sources import open_source
from beam_jobs.sources.block import Range
from beam_jobs.sources.csv_columns import convert_columns
from beam_jobs.sources.csv_lines import parse_lines
from beam_jobs.sources.csv_types import ColumnType, infer_type
from beam_jobs.sources.declared import DeclaredField
from beam_jobs.sources.text import split_lines
from tests.beam_jobs.conftest import Presample, csv_text
from tfrecord_io.errors import SourceError

PLAIN = csv_text("y,id,text", [(i % 2, i, f"row {i}") for i in range(100)]).encode()
QUOTED = b"y,id,text\n" + b"".join(b'"%d",%d,"a ""%d"", b"\n' % (i % 2, i, i) for i in range(20))


def _all_rows(presample: Presample, inputs: Path | list[Path], **options: object) -> dict[int, dict[str, object]]:
    made = presample(inputs, strategy="none", **options)
    return {row["id"][0]: {n: v[0] for n, v in row.items() if n != "weight"} for row in made.rows()}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("plain", PLAIN),
        ("no final newline", PLAIN[:-1]),
        ("CRLF", PLAIN.replace(b"\n", b"\r\n")),
        ("CRLF without the last", PLAIN.replace(b"\n", b"\r\n")[:-2]),
        ("CRLF cut in half", PLAIN.replace(b"\n", b"\r\n")[:-1]),
        ("mixed line ends", PLAIN.replace(b"7\n", b"7\r\n")),
        ("BOM", b"\xef\xbb\xbf" + PLAIN),
        ("empty lines", PLAIN.replace(b"\n", b"\n\n\r\n\n")),
        ("quoted header", PLAIN.replace(b"y,id,text", b'"y","id",text')),
        ("gzip", gzip.compress(PLAIN)),
        ("gzip of two members", gzip.compress(PLAIN[:700]) + gzip.compress(PLAIN[700:])),
        ("gzip with an empty member", gzip.compress(PLAIN) + gzip.compress(b"")),
        ("gzip CRLF BOM", gzip.compress(b"\xef\xbb\xbf" + PLAIN.replace(b"\n", b"\r\n"))),
    ],
)
@pytest.mark.parametrize("block_size", [13, 8 << 20])
def test_the_same_rows_however_they_are_written(
    presample: Presample, write: ..., name: str, content: bytes, block_size: int
) -> None:
    found = _all_rows(presample, write("rows.csv", content), block_size=block_size)
    assert found == {i: {"y": i % 2, "id": i, "text": b"row %d" % i} for i in range(100)}


@pytest.mark.parametrize("block_size", [1, 1000])
def test_quoted_fields(presample: Presample, write: ..., block_size: int) -> None:
    found = _all_rows(presample, write("quoted.csv", QUOTED), block_size=block_size)
    assert found == {i: {"y": i % 2, "id": i, "text": b'a "%d", b' % i} for i in range(20)}


def test_a_header_only_file_and_an_empty_one_beside_others(presample: Presample, write: ...) -> None:
    first = write("a.csv", "y,id,text\n")
    found = _all_rows(presample, [first, write("b.csv", PLAIN), write("c.csv", "y,id,text"), write("d.csv", "")])
    assert len(found) == 100
    made = presample([first.parent / "*.csv"], splits="train=0.5,eval=0.5", split_by="id", row_id=("id",))
    assert made.manifest.source["rows"] == 100
    assert made.manifest.source["files"] == 3


def test_a_file_of_one_column(presample: Presample, write: ...) -> None:
    made = presample(write("one.csv", 'y\na\n\n""\nb\na\n"a"\n'), strategy="none")
    assert made.sizes() == {"a": 3, "b": 1, "": 1}
    assert made.manifest.schema == {"y": {"dtype": "bytes", "shape": [], "optional": False}}


@pytest.mark.parametrize("block_size", [1, 8 << 20])
def test_missing_values_are_absent_features(presample: Presample, write: ..., block_size: int) -> None:
    lines = [
        "a,1,1.5,text",
        'b,2,,""',
        "c,,NA,",
        "d,4,NaN,NA",
        'e,null,"null",null',
        'f,NA,"","NaN"',
        'g,7,nan,"te,xt"',
    ]
    path = write("missing.csv", "y,i,f,b\n" + "\n".join(lines) + "\n")
    made = presample(path, strategy="none", block_size=block_size)
    values = {label: tuple(made.rows(label)[0].get(name, [None])[0] for name in "ifb") for label in made.sizes()}
    assert np.isnan(values["g"][1])
    assert values == {
        "a": (1, 1.5, b"text"),
        "b": (2, None, b""),
        "c": (None, None, None),
        "d": (4, None, b"NA"),
        "e": (None, None, b"null"),
        "f": (None, None, b"NaN"),
        "g": (7, values["g"][1], b"te,xt"),
    }
    assert made.manifest.schema == {
        "b": {"dtype": "bytes", "shape": [], "optional": True},
        "f": {"dtype": "float32", "shape": [], "optional": True},
        "i": {"dtype": "int64", "shape": [], "optional": True},
        "y": {"dtype": "bytes", "shape": [], "optional": False},
    }


@pytest.mark.parametrize(
    ("texts", "dtype"),
    [
        (["0", "-5", "9223372036854775807", "-9223372036854775808"], "int64"),
        (["1", None, "NA", "NaN", "null"], "int64"),
        (["01234"], "bytes"),
        (["1", "007"], "bytes"),
        (["1.5", "007"], "bytes"),
        (["18446744073709551615"], "bytes"),
        (["9223372036854775808"], "bytes"),
        (["1.5", "9223372036854775808"], "bytes"),
        (["1", "1.5", "-2e10", "1E-3", ".5", "5."], "float32"),
        (["0.10"], "float32"),
        (["1.5", "NA"], "float32"),
        (["inf", "1"], "float32"),
        (["1", "x"], "bytes"),
        (["true", "false"], "bytes"),
        (["2020-01-01"], "bytes"),
        (["1_000"], "bytes"),
        (["0x10"], "bytes"),
        (["1,5"], "bytes"),
        (["\u0661"], "bytes"),
        ([], "bytes"),
        ([None, "NA"], "bytes"),
        (["-"], "bytes"),
        (["--1"], "bytes"),
    ],
)
def test_inferred_types(texts: list[str | None], dtype: str) -> None:
    values = pa.array([text and text.encode() for text in texts], pa.binary())
    assert infer_type(values) == ColumnType(dtype)


def test_inferred_types_end_to_end(presample: Presample, write: ...) -> None:
    rows = [(i % 2, f"0{i}", 2**64 - 1, i / 2, f"x{i}", i, "true") for i in range(40)]
    made = presample(write("types.csv", csv_text("y,zip,big,half,text,id,flag", rows)), strategy="none")
    assert {name: spec["dtype"] for name, spec in made.manifest.schema.items()} == {
        "y": "int64",
        "zip": "bytes",
        "big": "bytes",
        "half": "float32",
        "text": "bytes",
        "id": "int64",
        "flag": "bytes",
    }
    row = next(row for row in made.rows() if row["id"] == [7])
    assert row["zip"] == [b"07"]
    assert row["big"] == [b"18446744073709551615"]
    assert row["half"] == [3.5]


def test_a_type_is_inferred_from_all_parts_of_a_file(presample: Presample, write: ...) -> None:
    rows = [(i % 2, i if i < 4990 else "x") for i in range(5000)]
    made = presample(write("late.csv", csv_text("y,v", rows)), block_size=1000)
    assert made.manifest.schema["v"]["dtype"] == "bytes"
    assert made.manifest.source["rejected_rows"] == 0


def test_declared_types(presample: Presample, tmp_path: Path, write: ...) -> None:
    fields = {"y": "STRING", "code": "INTEGER", "flag": "BOOLEAN", "f": "FLOAT64", "i": "INT64", "s": "BYTES"}
    schema = write("schema.json", json.dumps([{"name": n, "type": t} for n, t in fields.items()]))
    text = 'y,code,flag,f,i,s\n01,007,true,5,+7,12\n01,-010,0,,,\n01,000,FALSE,1e3, 9 ,"NA"\n'
    made = presample(write("declared.csv", text), schema=str(schema), strategy="none")
    assert {name: spec["dtype"] for name, spec in made.manifest.schema.items()} == {
        "y": "bytes",
        "code": "int64",
        "flag": "int64",
        "f": "float32",
        "i": "int64",
        "s": "bytes",
    }
    rows = {row["code"][0]: row for row in made.rows("01")}
    assert (rows[7]["flag"], rows[7]["f"], rows[7]["i"], rows[7]["s"]) == ([1], [5.0], [7], [b"12"])
    assert set(rows[-10]) == {"y", "code", "flag", "weight"}
    assert rows[-10]["flag"] == [0]
    assert (rows[0]["flag"], rows[0]["f"], rows[0]["i"], rows[0]["s"]) == ([0], [1000.0], [9], [b"NA"])


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("INTEGER", "1.5"),
        ("INTEGER", "+-5"),
        ("INTEGER", "9223372036854775808"),
        ("INTEGER", "x"),
        ("FLOAT", "x"),
        ("FLOAT", "4e+38"),
        ("BOOLEAN", "2"),
        ("BOOLEAN", "yes"),
        ("INTEGER", ""),
        ("STRING", ""),
    ],
)
def test_a_value_that_is_not_of_its_declared_type_is_a_bad_row(
    presample: Presample, write: ..., kind: str, value: str
) -> None:
    mode = "NULLABLE" if value else "REQUIRED"
    schema = json.dumps([{"name": "v", "type": kind, "mode": mode}])
    text = csv_text("y,id,v", [(0, 1, "1"), (0, 2, value), (0, 3, "1")])
    made = presample(write("bad.csv", text), schema=schema, strategy="none", max_bad_fraction=0.5)
    assert made.ids() == {1: 1, 3: 1}
    assert [row["position"] for row in made.rejected()] == [text.index("0,2,")]
    assert "--schema" in made.rejected()[0]["message"]
    assert "REQUIRED" in made.rejected()[0]["message"] or value in made.rejected()[0]["message"]


def test_values_that_are_not_utf8(presample: Presample, write: ...) -> None:
    content = b"y,id,b\n" + b"".join(b"%d,%d,\xff\xfe%d\n" % (i % 2, i, i) for i in range(10))
    found = _all_rows(presample, write("latin.csv", content))
    assert found[3] == {"y": 1, "id": 3, "b": b"\xff\xfe3"}
    content = content.replace(b"\xff\xfe9\n", b"\x80\n").replace(b"b\n", b"n\n").replace(b"\xff\xfe", b"1")
    made = presample(
        write("number.csv", content), schema='[{"name":"n","type":"INTEGER"}]', strategy="none", max_bad_fraction=0.2
    )
    assert len(made.rows()) == 9
    assert made.rejected()[0]["raw"] == "1,9,\\x80"


@pytest.mark.parametrize("block_size", [1, 100, 8 << 20])
def test_a_byte_order_mark_inside_a_file_is_part_of_its_value(
    presample: Presample, write: ..., block_size: int
) -> None:
    content = b"y,id\n" + b"".join(b"\xef\xbb\xbfa,%d\n" % i for i in range(30))
    made = presample(write("bom.csv", content), block_size=block_size)
    assert made.sizes() == {"\ufeffa": 30}


def test_a_file_counts_once_however_it_is_named(
    presample: Presample, write: ..., monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write("folder/rows.csv", PLAIN)
    other = write("folder/more.csv", PLAIN)
    monkeypatch.chdir(path.parent)
    ways = [path, "*.csv", "./rows.csv", path.parent / ".." / "folder" / "rows.csv", f"{path.parent}//r*.csv"]
    made = presample(ways, strategy="none")
    assert made.manifest.source["files"] == 2
    assert made.manifest.source["rows"] == 200
    assert made.manifest.dataset_id == presample([other, path], strategy="none").manifest.dataset_id


_FIELD = st.text(st.sampled_from('ab0,"\r\n é\ufeff\x00'), max_size=6)
_QUOTED = _FIELD.map(lambda text: '"' + text.replace("\n", "").replace('"', '""') + '"')
_BARE = st.text(st.sampled_from("ab0 é\ufeff"), max_size=4)
_LINE = st.lists(_QUOTED | _BARE, min_size=3, max_size=3).map(",".join)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.tuples(_LINE | st.just(""), st.sampled_from(["\n", "\r\n"])), min_size=1, max_size=12),
    st.integers(1, 40),
    st.booleans(),
)
def test_any_block_size_gives_the_rows_of_pythons_csv_module(
    tmp_path_factory: pytest.TempPathFactory, lines: list[tuple[str, str]], block_size: int, final_newline: bool
) -> None:
    text = "a,b,c\n" + "".join(line + end for line, end in lines)
    text = text if final_newline else text.removesuffix("\n").removesuffix("\r")
    path = tmp_path_factory.getbasetemp() / "hypothesis.csv"
    path.write_bytes(text.encode())
    expected = [tuple(row) for row in csv.reader(io.StringIO(text, newline="")) if row][1:]
    schema = [DeclaredField(name=name, type="STRING") for name in "abc"]
    options = PresampleOptions(input=(str(path),), output="none", label="a", block_size=block_size)
    source = open_source(options, schema)
    found = []
    for part in source.ranges(0):
        for block in source.blocks(part):
            encoded = convert_columns(block._lines, "abc", source.types, None)  # type: ignore[attr-defined]
            assert not encoded.reasons
            found += list(zip(*(encoded.columns[name].to_pylist() for name in "abc"), strict=True))
    assert [tuple((value or b"").decode() for value in row) for row in found] == expected


@settings(max_examples=300, deadline=None)
@example(["a", "a\r\r"])
@example(["a,b", "a,b\r\r"])
@example([",", ',"\ra'])
@given(st.lists(st.text(st.sampled_from('ab,"\r '), min_size=1, max_size=8), min_size=1, max_size=12))
def test_a_line_is_good_or_bad_by_itself(lines: list[str]) -> None:
    def outcome(some: list[str]) -> tuple[list[tuple[bytes, ...]], dict[int, tuple[str, str]], list[int]]:
        split, _ = split_lines("".join(line + "\n" for line in some).encode())
        parsed = parse_lines(split, ["a", "b"], {"a": pa.binary(), "b": pa.binary()})
        columns = [parsed.table.column(name).to_pylist() for name in "ab"]
        return list(zip(*columns, strict=True)), dict(parsed.bad), parsed.good.tolist()

    lines = [line for line in lines if line != "\r"]
    if not lines:
        return
    rows, bad, good = outcome(lines)
    assert sorted([*bad, *good]) == list(range(len(lines)))
    by_line = dict(zip(good, rows, strict=True))
    for index, line in enumerate(lines):
        alone, alone_bad, _ = outcome([line])
        assert (alone[0] if alone else None) == by_line.get(index)
        assert alone_bad.get(0) == bad.get(index)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.text(st.sampled_from('ab0,,"\r \ufeff'), max_size=8), min_size=1, max_size=12),
    st.integers(2, 60),
    st.sampled_from(["STRING", "INTEGER"]),
)
def test_what_pass_1_learns_of_a_line_does_not_depend_on_its_block(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str], block_size: int, kind: str
) -> None:
    path = tmp_path_factory.getbasetemp() / "keys.csv"
    path.write_bytes(("y,b,c\n" + "".join(line + "\n" for line in lines)).encode())

    def learnt(size: int, **keys: object) -> dict[int, object]:
        options = PresampleOptions(input=(str(path),), output="none", label="y", block_size=size, **keys)
        source = open_source(options, [DeclaredField(name=name, type=kind) for name in "ybc"])
        found: dict[int, object] = {}
        for block in (block for part in source.ranges(0) for block in source.blocks(part)):
            keys_of_block = block.keys()
            why = {reject.row: (reject.position, reject.reason, reject.message) for reject in keys_of_block.rejects}
            for row, code in enumerate(keys_of_block.codes.tolist()):
                found[int(block.positions[row])] = why[row] if code < 0 else keys_of_block.labels[code]
        return found

    assert learnt(1) == learnt(block_size) == learnt(8 << 20)
    by_another_way = learnt(8 << 20, split_by="y", splits="train=0.5,test=0.5")
    assert by_another_way == learnt(1)


def test_ranges_cover_every_line_once(write: ...) -> None:
    path = write("ranges.csv", PLAIN)
    for block_size in (1, 2, 7, 100, 100_000):
        options = PresampleOptions(input=(str(path),), output="none", label="y", block_size=block_size)
        source = open_source(options, [])
        positions = [int(p) for part in source.ranges(0) for block in source.blocks(part) for p in block.positions]
        assert positions == [i + 1 for i, byte in enumerate(PLAIN[:-1]) if byte == 10]
    assert list(source.blocks(Range(0, len(PLAIN) - 1, len(PLAIN)))) == []


def test_a_file_with_another_header_is_refused(presample: Presample, write: ...) -> None:
    write("a.csv", "y,id\n1,2\n")
    path = write("b.csv", "y,other\n1,2\n")
    with pytest.raises(SourceError, match=r"b\.csv.*lacks id and has other"):
        presample(path.parent / "*.csv", strategy="none")
