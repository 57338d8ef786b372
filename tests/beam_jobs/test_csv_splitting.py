"""How CSV files are cut: any range, any block, any quoting gives the rows of Python's csv module."""

from __future__ import annotations

import csv
import gzip
import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beam_jobs import PresampleOptions
from beam_jobs.sources import open_source
from beam_jobs.sources.block import Range
from beam_jobs.sources.csv import CsvSource
from beam_jobs.sources.csv_lines import parse_lines
from beam_jobs.sources.declared import DeclaredField

Table = tuple[list[list[str]], list[tuple[list[bool], str, int]]]
"""Rows of cells, and for each one which cells are quoted, its line end and how many empty lines follow."""

_CELL = st.text(st.sampled_from('ab0 ,"\n\ré\ufeff\U0001f600\x00'), max_size=6)
_LINE_CELL = st.text(st.sampled_from('ab0 ,"\ré\ufeff\U0001f600\x00'), max_size=6)


@st.composite
def tables(draw: st.DrawFn, cell: st.SearchStrategy[str]) -> Table:
    fields = draw(st.integers(1, 4))
    rows = draw(st.lists(st.lists(cell, min_size=fields, max_size=fields), min_size=1, max_size=10))
    flags = st.lists(st.booleans(), min_size=fields, max_size=fields)
    style = st.tuples(flags, st.sampled_from(["\n", "\r\n"]), st.sampled_from([0, 0, 0, 1, 2]))
    return rows, draw(st.lists(style, min_size=len(rows), max_size=len(rows)))


def written(table: Table, final_newline: bool) -> str:
    """The text of a table below a header; cells are quoted where they must be, or as the table says."""

    def line(row: list[str], quoted: list[bool], end: str, empty: int) -> str:
        must = [bool(re.search('[",\n\r]', cell)) or row == [""] for cell in row]
        cells = [
            '"' + cell.replace('"', '""') + '"' if flag or needed else cell
            for cell, flag, needed in zip(row, quoted, must, strict=True)
        ]
        return ",".join(cells) + end * (1 + empty)

    rows, styles = table
    header = ",".join(f"c{i}" for i in range(len(rows[0])))
    text = header + "\n" + "".join(line(row, *style) for row, style in zip(rows, styles, strict=True))
    return text if final_newline else text.rstrip("\r\n")


def opened(path: Path, block_size: int, quoted_newlines: bool) -> CsvSource:
    options = PresampleOptions(
        input=(str(path),), output="none", label="c0", block_size=block_size, quoted_newlines=quoted_newlines
    )
    source = open_source(options, [DeclaredField(name="c0", type="STRING")])
    assert isinstance(source, CsvSource)
    return source


def read(source: CsvSource, ranges: list[Range]) -> list[tuple[int, tuple[str, ...]]]:
    """(position, cells) of all rows of some ranges."""
    found = []
    for block in (block for part in ranges for block in source.blocks(part)):
        parsed = parse_lines(block._lines, source.header, dict.fromkeys(source.header, pa.binary()))  # type: ignore[attr-defined]
        assert not parsed.bad
        columns = [parsed.table.column(name).to_pylist() for name in source.header]
        rows = [tuple((cell or b"").decode() for cell in row) for row in zip(*columns, strict=True)]
        found += list(zip(block.positions.tolist(), rows, strict=True))
    return found


def expected(text: str) -> list[tuple[int, tuple[str, ...]]]:
    """(position, cells) of all rows below the header, by Python's csv module."""
    lines = re.findall(r"[^\n]*\n|[^\n]+\Z", text)
    starts = np.cumsum([0, *(len(line.encode()) for line in lines)]).tolist()
    reader, start, found = csv.reader(lines, strict=True), 0, []
    for row in reader:
        if row:
            found.append((starts[start], tuple(row)))
        start = reader.line_num
    return found[1:]


@pytest.mark.parametrize("quoted_newlines", [False, True])
@settings(max_examples=150, deadline=None)
@given(st.data(), st.integers(1, 60), st.booleans(), st.sampled_from([b"", b"\xef\xbb\xbf"]), st.booleans())
def test_any_split_gives_the_rows_of_pythons_csv_module(
    tmp_path_factory: pytest.TempPathFactory,
    quoted_newlines: bool,
    data: st.DataObject,
    block_size: int,
    final_newline: bool,
    mark: bytes,
    zipped: bool,
) -> None:
    text = written(data.draw(tables(_CELL if quoted_newlines else _LINE_CELL)), final_newline)
    content = mark + text.encode()
    path = tmp_path_factory.getbasetemp() / "cut.csv"
    path.write_bytes(gzip.compress(content, 1) if zipped else content)
    wanted = [(position + len(mark), cells) for position, cells in expected(text)]
    source = opened(path, block_size, quoted_newlines)
    assert read(source, list(source.ranges(0))) == wanted
    if zipped:
        return
    cuts = data.draw(st.lists(st.integers(1, len(content)), max_size=5).map(sorted))
    starts = list(source.framing.starts(source.files[0], [0, *cuts]))
    ranges = [Range(0, start, stop) for start, stop in zip(starts, [*starts[1:], len(content)], strict=True)]
    assert read(source, ranges) == wanted
