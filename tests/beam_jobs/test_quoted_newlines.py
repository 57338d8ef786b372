"""`--quoted_newlines`: CSV values that go on in the next line, and what becomes of a quote out of place."""

from __future__ import annotations

import gzip

import pytest

from beam_jobs.sources import csv_records
from beam_jobs.sources.files import SourceFile
from tests.beam_jobs.conftest import Presample
from tfrecord_io.errors import SourceError

CONTENT = b"\r\n".join(
    [
        b"y,id,text",
        b"0,0,plain",
        b'1,1,"two\r\nlines"',
        b"",
        b'0,2,"a ""quoted""\none, and ""more"" of it\n"',
        b'"1",3,"\r\n\r\n"',
        b'0,4,"lone\rreturn"',
        b'1,5,""',
        b'0,6,"""\n"""""',
        b"1,7,",
        b"",
    ]
)
TEXTS = {
    0: b"plain",
    1: b"two\r\nlines",
    2: b'a "quoted"\none, and "more" of it\n',
    3: b"\r\n\r\n",
    4: b"lone\rreturn",
    5: b"",
    6: b'"\n""',
    7: None,
}


@pytest.mark.parametrize("block_size", [1, 17, 8 << 20])
@pytest.mark.parametrize("content", [CONTENT, CONTENT[:-2], gzip.compress(CONTENT), b"\xef\xbb\xbf" + CONTENT])
def test_values_go_on_in_the_next_line(presample: Presample, write: ..., content: bytes, block_size: int) -> None:
    made = presample(write("a.csv", content), strategy="none", quoted_newlines=True, block_size=block_size)
    assert made.sizes() == {0: 4, 1: 4}
    assert {row["id"][0]: row.get("text", [None])[0] for row in made.rows()} == TEXTS
    assert made.manifest.source["rows"] == 8


@pytest.mark.parametrize("block_size", [1, 30, 8 << 20])
def test_a_bad_record_costs_no_other(presample: Presample, write: ..., block_size: int) -> None:
    bad = {
        b'9,"x\ny"': ("fields", "the record has 2 fields, the header 3"),
        b'9,9,"x\ny",9': ("fields", "the record has 4 fields"),
        b'9,\r9,"x\n\ry"': ("quote", "a carriage return outside quotes"),
        b'"9\nx",9,x': ("label", r"'9\nx' is no int64"),
        b',9,"\n"': ("label", "missing"),
        b"9,9": ("fields", "the record has 2 fields"),
    }
    good = [b'%d,%d,"%s"\r\n' % (i % 2, i, b"a\nb\rc\r\n" * (i % 4)) for i in range(48)]
    content = b"y,id,text\r\n" + b"".join(
        line + b"\r\n\r\n" + b"".join(good[8 * i : 8 * i + 8]) for i, line in enumerate(bad)
    )
    schema = '[{"name": "y", "type": "INTEGER"}]'
    made = presample(
        write("bad.csv", content),
        strategy="none",
        schema=schema,
        quoted_newlines=True,
        block_size=block_size,
        max_bad_fraction=0.5,
    )
    assert made.ids() == dict.fromkeys(range(48), 1)
    assert [(row["position"], row["raw"], row["reason"]) for row in made.rejected()] == [
        (content.index(b"\n" + line + b"\r") + 1, line.decode(), reason) for line, (reason, _) in bad.items()
    ]
    assert all(message in row["message"] for row, (_, message) in zip(made.rejected(), bad.values(), strict=True))


def test_the_flag_changes_nothing_where_no_value_has_a_newline(presample: Presample, write: ...) -> None:
    content = b"y,id,text\n" + b"".join(b'%d,%d,"a ""%d"", b"\n' % (i % 5 // 4, i, i) for i in range(400))
    path = write("quoted.csv", content)
    without = presample(path, block_size=300)
    made = presample(path, block_size=20, quoted_newlines=True)
    assert made.files() == without.files()


def test_types_are_inferred_from_whole_records(presample: Presample, write: ...) -> None:
    # Most of the text is in quotes, and looks like rows of letters.
    rows = [f'{i % 2},{i},"{"x,y,z" * (i % 3)}{chr(10)}{("u,v,w" + chr(10)) * 50}"\n' for i in range(6000)]
    text = "y,id,text\n" + "".join(rows)
    assert len(text) > 64 * 25_000
    plain = write("plain.csv", text)
    made = presample(plain, quoted_newlines=True, strategy="max=10")
    assert {name: spec["dtype"] for name, spec in made.manifest.schema.items()} == {
        "id": "int64",
        "text": "bytes",
        "y": "int64",
    }
    assert made.manifest.source["rejected_rows"] == 0
    assert made.manifest.source["rows"] == 6000


def test_a_column_name_of_two_lines(presample: Presample, write: ...) -> None:
    content = b'\xef\xbb\xbf"y","two\r\nlines"\r\n0,1\r\n1,2\r\n'
    made = presample([write("a.csv", content), write("b.csv", content)], quoted_newlines=True, strategy="none")
    assert made.ids("two\r\nlines") == {1: 2, 2: 2}


GOOD = b'0,"a\nb"\n'
FAULTS = {
    "an inch": (b'1,5" pipe\n', 3, "neither opens nor closes"),
    "a closed quote goes on": (b'1,"a"b\n', 4, "neither opens nor closes"),
    "a space before": (b'1, "a"\n', 3, "neither opens nor closes"),
    "a space behind": (b'1,"a" \n', 4, "neither opens nor closes"),
    "not doubled": (b'1,"a "b" c"\n', 5, "neither opens nor closes"),
    "never opened": (b'1,a"\n', 3, "neither opens nor closes"),
    "behind a return": (b'1\r"a"\n', 2, "neither opens nor closes"),
}


@pytest.mark.parametrize(("block_size", "name"), [(1, "a.csv"), (40, "a.csv.gz"), (8 << 20, "a.csv")])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_quote_out_of_place_fails_the_file(
    presample: Presample, write: ..., fault: str, block_size: int, name: str
) -> None:
    line, at, what = FAULTS[fault]
    before = b'\xef\xbb\xbf"y",v\r\n' + GOOD * 30
    content = before + line + GOOD * 30 + line + GOOD * 30
    path = write(name, gzip.compress(content) if name.endswith("gz") else content)
    message = rf"{name}, byte {len(before) + at}: the quote there {what}.*record that starts at byte {len(before)},"
    with pytest.raises(SourceError, match=message):
        presample(path, quoted_newlines=True, block_size=block_size)


@pytest.mark.parametrize("block_size", [1, 40, 8 << 20])
def test_a_quote_that_is_never_closed_fails_the_file(presample: Presample, write: ..., block_size: int) -> None:
    before = b"y,v\n" + GOOD * 30
    path = write("a.csv", before + b'1,"a\n' + b"1,b\n" * 30)
    with pytest.raises(SourceError, match=rf"a\.csv, byte {len(before) + 2}: the quote there is never closed"):
        presample(path, quoted_newlines=True, block_size=block_size)


@pytest.mark.parametrize("block_size", [1, 1000, 8 << 20])
@pytest.mark.parametrize("value", [b'"%s"' % (b"a\n" * 60), b"a" * 120, b'""' * 60])
def test_a_record_may_not_be_endless(
    presample: Presample, write: ..., monkeypatch: pytest.MonkeyPatch, value: bytes, block_size: int
) -> None:
    path = write("a.csv", b"y,v\n" + GOOD * 30 + b"1," + value + b"\n" + GOOD * 30)
    monkeypatch.setattr(csv_records, "RECORD_LIMIT", 110)
    at = 4 + 30 * len(GOOD)
    with pytest.raises(SourceError, match=rf"a\.csv, byte {at}: the record there has more than .* MB"):
        presample(path, quoted_newlines=True, block_size=block_size)
    with pytest.raises(SourceError, match="has more than"):
        list(csv_records.record_starts(SourceFile(str(path), path.name, path.stat().st_size), [0, at + 3]))
    monkeypatch.setattr(csv_records, "RECORD_LIMIT", 130)
    assert presample(path, quoted_newlines=True, block_size=block_size, strategy="none").manifest.source["rows"] == 61
