"""The expressions of `--where`: the same filter as pyarrow's own, and nothing of Python's gets through."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beam_jobs import PresampleOptions
from beam_jobs.where import Where
from tfrecord_io.errors import UsageError

TABLE = pa.table(
    {
        "a": pa.array([0, 1, -2, None, 7, 2**40], pa.int64()),
        "b": pa.array([1.5, None, float("nan"), -0.5, 7.0, 1e300], pa.float64()),
        "s": pa.array(["", "DE", None, "é", "x'y", "DE"], pa.string()),
        "t": pa.array([True, None, False, True, False, None], pa.bool_()),
    }
)
Pair = tuple[str, pc.Expression]
"""An expression as text, and as pyarrow builds it."""

_COMPARED: dict[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_COMPUTED = {"+": operator.add, "-": operator.sub, "*": operator.mul}
_LOGICAL = {"&": operator.and_, "|": operator.or_, "and": operator.and_, "or": operator.or_}
_numbers = st.integers(-5, 5) | st.sampled_from([0.5, -2.25, 1e300])
_texts = st.sampled_from(["DE", "", "x'y", 'q"']) | st.text(max_size=3)


def _column(name: str) -> st.SearchStrategy[Pair]:
    forms = [name, f"field({name!r})", f'pc.field("{name}")', f"ds.field({name!r})"]
    return st.sampled_from(forms).map(lambda text: (text, pc.field(name)))


def _scalar(value: object) -> Pair:
    return f"pc.scalar({value!r})", pc.scalar(value)


def _join(signs: dict[str, Callable[[Any, Any], Any]], inner: st.SearchStrategy[Pair]) -> st.SearchStrategy[Pair]:
    return st.builds(
        lambda left, sign, right: (f"({left[0]}) {sign} ({right[0]})", signs[sign](left[1], right[1])),
        inner,
        st.sampled_from(sorted(signs)),
        inner,
    )


def _tests(values: st.SearchStrategy[Pair], listed: st.SearchStrategy[Any]) -> st.SearchStrategy[Pair]:
    """Conditions on values of one type."""
    return st.one_of(
        _join(_COMPARED, values),
        values.map(lambda v: (f"({v[0]}).is_null()", v[1].is_null())),
        values.map(lambda v: (f"({v[0]}) is not None", v[1].is_valid())),
        st.builds(
            lambda v, w: (f"({v[0]}).isin({w!r})", v[1].isin(w)), values, st.lists(listed, min_size=1, max_size=3)
        ),
        st.builds(
            lambda v, w: (f"({v[0]}) not in {w!r}", ~v[1].isin(w)), values, st.lists(listed, min_size=1, max_size=3)
        ),
        st.builds(
            lambda v, low, high: (f"{low!r} <= ({v[0]}) < {high!r}", (pc.scalar(low) <= v[1]) & (v[1] < high)),
            values,
            listed,
            listed,
        ),
    )


_number = st.recursive(
    _column("a")
    | _column("b")
    | _numbers.map(_scalar)
    | _column("s").map(lambda s: (f"{s[0]}.is_valid().cast('int64')", s[1].is_valid().cast("int64"))),
    lambda inner: _join(_COMPUTED, inner) | inner.map(lambda v: (f"-({v[0]})", pc.negate_checked(v[1]))),
    max_leaves=3,
)
_condition = st.recursive(
    _tests(_number, st.integers(-3, 9)) | _tests(_column("s") | _texts.map(_scalar), _texts) | _column("t"),
    lambda inner: (
        _join(_LOGICAL, inner)
        | st.sampled_from(["~", "not "]).flatmap(lambda no: inner.map(lambda v: (f"{no}({v[0]})", ~v[1])))
    ),
    max_leaves=6,
)


@settings(max_examples=300, deadline=None)
@given(_condition)
def test_an_expression_lets_the_same_rows_pass_as_pyarrows_own(pair: Pair) -> None:
    text, expression = pair
    where = Where(f"({text}) & (a.is_null() | a.is_valid())")
    try:
        expected = TABLE.append_column("at", pa.array(range(6))).filter(expression).column("at").to_pylist()
    except pa.ArrowInvalid:  # an overflow, or a division by zero
        assert where.judge(TABLE).wrong
        return
    judged = where.judge(TABLE)
    assert judged.passes.nonzero()[0].tolist() == expected
    assert judged.wrong == {}


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("a > 0 and s == 'DE'", [1, 5]),
        ("a > 0 and not s in ('DE', 'FR')", [4]),
        ("(pc.field('a') > 0) & ~ds.field('s').isin(['DE'])", [4]),
        ("b.is_nan()", [2]),
        ("b.is_null(nan_is_null=True)", [1, 2]),
        ("s is None or t", [0, 2, 3]),
        ("a + 2 * a >= 3 != 1", [1, 4, 5]),
        ("a.cast('string') == '7'", [4]),
        ("s == b'DE'.cast('string')", [1, 5]),
        ("-9223372036854775808 < a < +1", [0, 2]),
        (" \n a == 1 # of all", [1]),
        ("pc.scalar('2024-01-01').cast('timestamp[us]') < a.cast('timestamp[us]')", []),
        ("pc.scalar('1970-01-01T00:00:01Z').cast('timestamp[s, tz=UTC]') == a.cast('timestamp[s, UTC]')", [1]),
    ],
)  # fmt: skip
def test_what_passes(text: str, rows: list[int]) -> None:
    where = Where(text)
    where.check(dict(zip(TABLE.column_names, TABLE.schema.types, strict=True)))
    assert where.judge(TABLE).passes.nonzero()[0].tolist() == rows


def test_rows_that_it_cannot_be_computed_for_are_found() -> None:
    judged = Where("8 / (a - 1) > 0").judge(TABLE)
    assert judged.wrong == {1: "divide by zero"}
    assert judged.passes.tolist() == [False, False, False, False, True, False]


REFUSED = {
    "a >": "does not parse at its end: invalid syntax",
    "a > 1 and (b": r"does not parse at character 11: '\(' was never closed",
    "a; b": "does not parse at character 2",
    "": "is empty",
    " ": "does not parse",
    "x := a": "does not parse",
    "a == '\ud800'": "is nested too deeply, or holds characters",
    "a == '\\ud800'": "a value that no column can",
    "1 < 2": "names no column",
    "a > 1 & b < 2": "joins 1 with & or |, which bind more tightly",
    "a == None": "compares with None, which is never true. Write: COLUMN is None",
    "a is 5": "Compare values with ==",
    "a in b": r"looks for values in b\. Give them as a list",
    "a in [b]": "a plain number or text instead of b",
    "a in [1, 'x']": "a list of values that no column can hold together",
    "a == 9223372036854775808000": "holds a value that no column can",
    "a == 1j": "has 1j, which is not part of",
    "a == ...": "is not part of",
    "a ** 2 > 1": r"has a \*\* 2, which is not part of",
    "a.b == 1": r"has a\.b, which",
    "a[0] == 1": r"has a\[0\], which",
    "f'{a}' == 'x'": "is not part of",
    "(lambda: a)() == 1": "which is not known here",
    "[x for x in a]": "is not part of",
    "a if b else c": "is not part of",
    "__import__('os').system('true') == a": "calls __import__",
    "a.__class__() == 1": r"calls a\.__class__, which is not known here\. Columns have isin, is_null",
    "pc.sin(a) > 0": r"calls pc\.sin",
    "np.field('a') > 0": r"calls np\.field",
    "field(a) > 0": "a plain number or text instead of a",
    "field('a', 'b') > 0": "gives field other than one value",
    "field(5) > 0": "names a column other than by a text",
    "a.isin([1], 2)": "gives isin other arguments",
    "a.is_null(nan_is_null=1)": "gives is_null other arguments",
    "a.is_null(**{})": "gives is_null other arguments|instead of",
    "a.cast('text') == 1": "casts to 'text', which is no type",
    "a == " + "1" * 5000: "does not parse",
    "a" * 10_001: "has 10,001 characters; it may have up to 10,000",
    "-" * 9_000 + "a": "is nested too deeply",
    "not " * 100 + "a": "is too large",
    "a + " * 2_000 + "a > 1": "is nested too deeply|is too large",
    "1 < (" * 40 + "a" + " < 9) < 9" * 40: "is too large",
}


@pytest.mark.parametrize(("text", "says"), REFUSED.items(), ids=map(str, range(len(REFUSED))))
def test_what_is_refused(text: str, says: str) -> None:
    with pytest.raises(UsageError, match=rf"^--where .*({says})") as caught:
        PresampleOptions(input=("a.csv",), output="out", label="y", where=text)
    assert len(str(caught.value)) < 500
