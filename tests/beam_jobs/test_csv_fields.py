"""The label cut out of plain lines, against splitting each line at its commas."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from beam_jobs.sources.csv_fields import short_labels, text_of
from beam_jobs.sources.text import split_lines, true_places

_FIELD = st.text(alphabet="ab01.-\x00é", max_size=12).map(str.encode)
_LABEL = st.text(alphabet="ab01\x00", max_size=8).map(str.encode)
_LONG_FIELD = st.integers(50, 200).map(lambda size: b"x" * size)


@st.composite
def _tables(draw: st.DrawFn) -> tuple[list[list[bytes]], int]:
    """Rows of text, mostly of one number of fields, and the column that is wanted."""
    fields = draw(st.integers(1, 6))
    column = draw(st.integers(0, fields - 1))
    row = st.tuples(*(_LABEL if i == column else st.one_of(_FIELD, _LONG_FIELD) for i in range(fields))).map(list)
    rows = draw(st.lists(row, min_size=1, max_size=8))
    if draw(st.integers(0, 9)) == 9:
        rows[draw(st.integers(0, len(rows) - 1))].append(b"more")
    return [row for row in rows if b",".join(row)], column


@given(_tables())
def test_what_is_cut_out_is_what_stands_between_the_commas(table: tuple[list[list[bytes]], int]) -> None:
    rows, column = table
    fields = min(map(len, rows), default=1)
    lines, _ = split_lines(b"\n".join(map(b",".join, rows)))
    found = short_labels(lines, fields, column)
    if found is None:
        return
    texts, codes = found
    assert {len(row) for row in rows} == {fields}
    assert [text_of(texts[code].as_py()) for code in codes] == [row[column] for row in rows]
    assert len(texts.unique()) == len(texts)


def test_it_serves_labels_in_the_first_and_the_last_column_of_long_lines() -> None:
    middle = b"," + b",".join([b"0.123456789"] * 20) + b","
    lines, _ = split_lines(b"".join(b"%d%s%d\n" % (i % 3, middle, i % 2) for i in range(500)))
    for column, modulus in ((0, 3), (21, 2)):
        found = short_labels(lines, 22, column)
        assert found is not None
        texts, codes = found
        assert [text_of(texts[code].as_py()) for code in codes] == [b"%d" % (i % modulus) for i in range(500)]


def test_texts_that_differ_in_a_zero_byte_are_two() -> None:
    assert short_labels(split_lines(b"0,a\n0\x00,a\n")[0], 2, 0) is not None
    texts, codes = short_labels(split_lines(b"0,a\n0\x00,a\n")[0], 2, 0) or ([], np.zeros(0))
    assert [text_of(texts[code].as_py()) for code in codes] == [b"0", b"0\x00"]


def test_it_leaves_to_the_parser_what_needs_one() -> None:
    for text in (b'1,"a"\n2,b\n', b"1,a\r\n2,b\r\n", b"1,a\n2\n", b"1,a,b\n2,b\n", b"1,a\n2,longer than seven\n"):
        assert short_labels(split_lines(text)[0], 2, 1) is None, text


@given(st.lists(st.booleans(), max_size=400))
def test_true_places(mask: list[bool]) -> None:
    assert true_places(np.array(mask, bool)).tolist() == [place for place, true in enumerate(mask) if true]
