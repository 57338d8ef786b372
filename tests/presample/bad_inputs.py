"""Bad inputs: files, flags, and what the one message must say."""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa

from tests.presample.conftest import parquet_bytes, rows_csv, tfrecord_bytes

GOOD = rows_csv()
PARQUET = parquet_bytes(label=[0, 1] * 50, age=list(range(100)), tags=[[1, 2]] * 100)
RECORDS = tfrecord_bytes(label=[0, 1] * 50, age=list(range(100)))
HUGE = "rates:0=1e12,1=1e12"
AGE = '[{"name": "age", "type": "INTEGER"}]'


def flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 255]) + data[at + 1 :]


@dataclass(frozen=True)
class Case:
    """Files to write, the command's flags, and what its message must say; {T} is the folder they are in."""

    name: str
    files: Mapping[str, bytes]
    says: tuple[str, ...]
    flags: tuple[str, ...] = ()
    source: str = "*"
    label: str = "label"
    code: int = 1
    output: str = "dataset"


CASES = [
    Case("no file matches", {}, ("--input {T}/in/*: no file matches", "quote the pattern")),
    Case("a folder", {"a/b.csv": GOOD}, ("--input {T}/in/a is a folder", "{T}/in/a/*.csv"), source="a"),
    Case(
        "no such label",
        {"a.csv": GOOD},
        ("--label lable", "{T}/in/a.csv", "Did you mean 'label'?", "label, age, name, w"),
        label="lable",
    ),
    Case("label of another case", {"a.csv": GOOD}, ("--label LABEL", "Did you mean 'label'?"), label="LABEL"),
    Case("no such label in Parquet", {"a.parquet": PARQUET}, ("Did you mean 'label'?", "age, tags"), label="lab"),
    Case("no such label in TFRecord", {"a.tfrecord": RECORDS}, ("Did you mean 'label'?", "age, label"), label="lab"),
    Case("one empty file", {"a.csv": b""}, ("{T}/in/*: 1 matching file is empty",)),
    Case("empty files", {"a.csv": b"", "b.csv": b""}, ("all 2 matching files are empty",)),
    Case("headers only", {"a.csv": b"label,age\n"}, ("no usable rows", "more than a header")),
    Case("no rows in Parquet", {"a.parquet": parquet_bytes(label=pa.array([], pa.int64()))}, ("no usable rows",)),
    Case(
        "a class that is not there",
        {"a.csv": GOOD},
        ("--strategy names '7'", "not found", "The classes found are 0, 1"),
        ("--strategy", "counts:0=5,7=3"),
    ),
    Case("a class not named", {"a.csv": GOOD}, ("does not name 1", "Use 0"), ("--strategy", "counts:0=5")),
    Case(
        "another header",
        {"a.csv": GOOD, "b.csv": rows_csv(header="label,age,nom,w")},
        ("{T}/in/b.csv", "differs from that of {T}/in/a.csv", "lacks name", "has nom besides"),
    ),
    Case(
        "another order of columns",
        {"a.csv": GOOD, "b.csv": rows_csv(header="age,label,name,w")},
        ("{T}/in/b.csv", "in another order", "by themselves"),
    ),
    Case(
        "another schema",
        {"a.parquet": parquet_bytes(label=[0, 1], x=[1, 2]), "b.parquet": parquet_bytes(label=[0, 1], y=[1, 2])},
        ("{T}/in/b.parquet", "differs from that of {T}/in/a.parquet in x, y"),
    ),
    Case("mixed formats", {"a.csv": GOOD, "b.parquet": PARQUET}, ("{T}/in/b.parquet looks like parquet", "--format")),
    Case("a name twice", {"a.csv": b"label,a,a\n1,2,3\n"}, ("{T}/in/a.csv", "names 'a' twice")),
    Case("no text", {"a.csv": "label,nä\n1,2\n".encode("latin-1")}, ("no CSV header", "UTF-8", "--format")),
    Case(
        "mostly unique labels",
        {"a.csv": GOOD},
        ("--label name", "200 classes in 200 rows", "like an id", "--max_classes"),
        label="name",
    ),
    Case("too many classes", {"a.csv": GOOD}, ("more than 1 classes", "--max_classes"), ("--max_classes", "1")),
    Case(
        "Parquet without its end", {"a.parquet": PARQUET[:-20]}, ("{T}/in/a.parquet", "no whole Parquet", "cut short")
    ),
    Case("Parquet of four bytes", {"a.parquet": PARQUET[:4]}, ("{T}/in/a.parquet", "no whole Parquet")),
    Case("Parquet that is broken inside", {"a.parquet": PARQUET[:60] + b"\xff" * 200 + PARQUET[260:]}, ("no whole",)),
    Case("CSV as Parquet", {"a.csv": GOOD}, ("{T}/in/a.csv is no whole Parquet",), ("--format", "parquet")),
    Case(
        "a broken CRC of a payload",
        {"a.tfrecord": flipped(RECORDS, len(RECORDS) - 10)},
        ("{T}/in/a.tfrecord: record 99 at byte", "CRC of its payload", "Restore"),
    ),
    Case(
        "no such column to drop",
        {"a.csv": GOOD},
        ("--drop_columns nam:", "Did you mean 'name'"),
        ("--drop_columns", "nam"),
    ),
    *[
        Case(f"a wrong {flag} for TFRecord", {"a.tfrecord": RECORDS}, says, (flag, value), code=code)
        for flag, value, says, code in (
            ("--drop_columns", "agee", ("--drop_columns agee: {T}/in/a.tfrecord has no", "Did you mean 'age'"), 1),
            ("--columns", "label,agee", ("--columns agee:", "Did you mean 'age'"), 1),
            ("--where", "agee > 5", ("--where agee:", "Did you mean 'age'"), 1),
            ("--where", "age == 'x'", ("cannot be computed", "age is int64"), 2),
            ("--split_time", "age=2024-01-01", ("column 'age' holds numbers (int64), not dates",), 2),
        )
    ],
    Case(
        "records that contradict the schema",
        {"a.tfrecord": RECORDS},
        ("100 of 100 drawn rows are bad (type 100)", "feature 'age' holds int64, where --schema says STRING"),
        ("--schema", AGE.replace("INTEGER", "STRING")),
    ),
    Case("nothing passes", {"a.csv": GOOD}, ("--where 'age < 0' leaves out all 200 rows",), ("--where", "age < 0")),
    Case("a broken CRC of a length", {"a.tfrecord": flipped(RECORDS, 0)}, ("record 0 at byte 0", "CRC of its length")),
    Case("TFRecord cut short", {"a.tfrecord": RECORDS[:-5]}, ("record 99", "the file ends inside")),
    Case(
        "gzip TFRecord cut short", {"a.tfrecord.gz": gzip.compress(RECORDS)[:-9]}, ("{T}/in/a.tfrecord.gz", "cut short")
    ),
    Case("gzip CSV cut short", {"a.csv.gz": gzip.compress(GOOD)[:-9]}, ("{T}/in/a.csv.gz is no whole gzip file",)),
    Case("weight name taken in CSV", {"a.csv": GOOD}, ("--weight_out age", "already has"), ("--weight_out", "age")),
    Case("weight name taken in Parquet", {"a.parquet": PARQUET}, ("--weight_out age",), ("--weight_out", "age")),
    Case("weight name taken in TFRecord", {"a.tfrecord": RECORDS}, ("--weight_out age",), ("--weight_out", "age")),
    Case(
        "a negative weight",
        {"a.csv": b"label,w\n1,1\n0,-2\n"},
        ("{T}/in/a.csv, line at byte 12", "'w' is -2", "0 or more"),
        ("--weight_in", "w"),
    ),
    Case("a weight of NaN", {"a.csv": b"label,w\n1,1\n0,NaN\n"}, ("missing or NaN",), ("--weight_in", "w")),
    Case("an infinite weight", {"a.csv": b"label,w\n1,1\n0,inf\n"}, ("is inf",), ("--weight_in", "w")),
    Case(
        "a weight of text", {"a.csv": b"label,w\n1,1\n0,x\n"}, ("--weight_in: 'x' is no number",), ("--weight_in", "w")
    ),
    Case(
        "a negative weight in Parquet",
        {"a.parquet": parquet_bytes(label=[0, 1], w=[1.0, -1.0])},
        ("{T}/in/a.parquet, row 1", "'w' is -1"),
        ("--weight_in", "w"),
    ),
    Case(
        "a missing weight in Parquet",
        {"a.parquet": parquet_bytes(label=[0, 1], w=[1.0, None])},
        ("missing or NaN",),
        ("--weight_in", "w"),
    ),
    Case(
        "a weight of text in Parquet",
        {"a.parquet": parquet_bytes(label=[0, 1], w=["a", "b"])},
        ("'w' of --weight_in is string, not a number",),
        ("--weight_in", "w"),
    ),
    Case(
        "a negative weight in TFRecord",
        {"a.tfrecord": tfrecord_bytes(label=[0, 1], w=pa.array([1, -1], pa.float32()))},
        ("{T}/in/a.tfrecord, record at byte", "'w' is -1"),
        ("--weight_in", "w"),
    ),
    Case(
        "weights of 0, balanced",
        {"a.csv": b"label,w\n1,0\n0,1\n"},
        ("--weights balanced", "class 1", "add up to 0"),
        ("--weight_in", "w", "--weights", "balanced"),
    ),
    Case("a label of lists", {"a.parquet": PARQUET}, ("{T}/in/a.parquet", "'tags' holds lists"), label="tags"),
    Case(
        "a split of lists",
        {"a.parquet": PARQUET},
        ("'tags' holds lists",),
        ("--split_by", "tags", "--splits", "train=0.5,eval=0.5"),
    ),
    Case("an id of lists", {"a.parquet": PARQUET}, ("'tags' holds lists",), ("--row_id", "tags")),
    Case("a label of nothing", {"a.parquet": parquet_bytes(label=[None, None])}, ("the label is missing",)),
    Case(
        "a nested column", {"a.parquet": parquet_bytes(label=[0, 1], x=[{"a": 1}] * 2)}, ("no mapping for x (struct",)
    ),
    Case(
        "a date", {"a.parquet": parquet_bytes(label=[0, 1], x=pa.array([1, 2], pa.date32()))}, ("x (date32", "--schema")
    ),
    Case("two values a label", {"a.tfrecord": tfrecord_bytes(label=[[0, 1], [1, 1]])}, ("'label' has 2 values",)),
    Case(
        "equal ids",
        {"a.csv": b"label,a\n1,2\n0,2\n"},
        ("--row_id a: more than one row has the id 2",),
        ("--row_id", "a"),
    ),
    Case(
        "bad rows",
        {"a.csv": b"label,a\n1,2\n1\n0,3\n"},
        (
            "1 of 3 rows are bad (fields 1)",
            "--max_bad_fraction 0.01",
            "a.csv, line at byte 12: the line has 1 fields, the header 2",
        ),
    ),
    Case(
        "the first bad row",
        {"a.csv": b"label,a\n1,2\n1\n"},
        ("--on_bad_row fail", "line at byte 12"),
        ("--on_bad_row", "fail"),
    ),
    Case(
        "the first bad value, drawn or not",
        {"a.csv": GOOD + b"0,x,n,1\n"},
        ("--on_bad_row fail", "line at byte", "column 'age': 'x' is no int64"),
        ("--on_bad_row", "fail", "--validate", "all", "--strategy", "max=1", "--schema", AGE),
    ),
    Case(
        "a quote out of place",
        {"a.csv": GOOD + b'0,1,a 5" pipe,1\n0,1,"a 6"" pipe",1\n'},
        (f"{{T}}/in/a.csv, byte {len(GOOD) + 7}: the quote there", "all rows after it", "is written twice"),
        ("--quoted_newlines",),
    ),
    Case(
        "quotes across lines in Parquet",
        {"a.parquet": PARQUET},
        ("--quoted_newlines is for CSV; the input is parquet",),
        ("--quoted_newlines",),
        code=2,
    ),
    Case(
        "semicolons between fields",
        {"a.csv": GOOD.replace(b",", b";")},
        ("{T}/in/a.csv: its header is one column, 'label;age;name;w'", "separated by ';'?", "reads commas"),
    ),
    Case("tabs between fields", {"a.csv": GOOD.replace(b",", b"\t")}, ("separated by tabs?",)),
    Case(
        "a rate of no row",
        {"a.csv": GOOD},
        ("class 0 1e-09", "0 rows after rounding"),
        ("--strategy", "rates:0=1e-9,1=1"),
    ),
    Case(
        "no training rows",
        {"a.csv": b"label\n1\n"},
        ("train split has no rows", "--splits"),
        ("--splits", "train=0.000001,eval=0.999999"),
    ),
    Case(
        "a disk too small",
        {"a.csv": GOOD},
        ("{T}/dataset: the plan needs about", "GB free", "--compression gzip"),
        ("--strategy", HUGE),
    ),
    Case(
        "a disk too small for gzip",
        {"a.csv": GOOD},
        ("or write elsewhere",),
        ("--strategy", HUGE, "--compression", "gzip"),
    ),
    Case(
        "too many shards",
        {"a.csv": GOOD},
        ("shards, more than the 1,000,000", "--shard_size 1)"),
        ("--strategy", "counts:0=2000000,1=1", "--shard_size", "1"),
    ),
    Case(
        "a file for a folder",
        {"a.csv": GOOD},
        ("{T}/in/a.csv cannot be written", "another --output"),
        output="in/a.csv",
    ),
    Case("a folder below a file", {"a.csv": GOOD}, ("{T}/in/a.csv/x/y cannot be written",), output="in/a.csv/x/y"),
    Case("an unknown file system", {"a.csv": GOOD}, ("foo://bar/x cannot be written",), output="foo://bar/x"),
]
