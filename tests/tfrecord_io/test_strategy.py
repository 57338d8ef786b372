"""Every strategy as a table, and every message."""

from __future__ import annotations

import json
import math
from fractions import Fraction

import pytest

from tfrecord_io.errors import PlanError, UsageError
from tfrecord_io.rounding import largest_remainder, round_half_up
from tfrecord_io.strategy import Strategy, parse_strategy

TEN_TO_ONE = {0: 990, 1: 10}


THREE = {0: 900, 1: 90, 2: 10}


@pytest.mark.parametrize(
    ("text", "counts", "kept"),
    [
        ("none", THREE, {0: 900, 1: 90, 2: 10}),
        ("balance", THREE, {0: 10, 1: 10, 2: 10}),
        ("not minority", THREE, {0: 10, 1: 10, 2: 10}),
        ("auto", THREE, {0: 10, 1: 10, 2: 10}),
        ("  balance ", THREE, {0: 10, 1: 10, 2: 10}),
        ("majority", THREE, {0: 10, 1: 90, 2: 10}),
        ("majority", {0: 5, 1: 5}, {0: 5, 1: 5}),
        ("ratio=1", THREE, {0: 10, 1: 10, 2: 10}),
        ("ratio=3", THREE, {0: 30, 1: 30, 2: 10}),
        ("ratio=2.55", THREE, {0: 26, 1: 26, 2: 10}),
        ("ratio=7/2", THREE, {0: 35, 1: 35, 2: 10}),
        ("ratio=1e6", THREE, THREE),
        ("max=50", THREE, {0: 50, 1: 50, 2: 10}),
        ("max=1", THREE, {0: 1, 1: 1, 2: 1}),
        ("max=1e3", THREE, THREE),
        ("counts:0=100,1=10", TEN_TO_ONE, {0: 100, 1: 10}),
        ("counts:0=0,1=35", TEN_TO_ONE, {0: 0, 1: 35}),
        ("counts: 0 = 100 , 1 = 10 ", TEN_TO_ONE, {0: 100, 1: 10}),
        ("rates:0=0.05,1=1", TEN_TO_ONE, {0: 50, 1: 10}),
        ("rates:0=0.05,1=3.5", TEN_TO_ONE, {0: 50, 1: 35}),
        ("rates:0=0.1,1=0", {0: 15, 1: 3}, {0: 2, 1: 0}),
        ("rates:0=0.1", {0: 14}, {0: 1}),
        ("rates:0=0.29", {0: 50}, {0: 15}),
        ("shares:0=0.5,1=0.5", TEN_TO_ONE, {0: 10, 1: 10}),
        ("shares:0=0.99,1=0.01", TEN_TO_ONE, TEN_TO_ONE),
        ("shares:0=0.75,1=0.25", TEN_TO_ONE, {0: 30, 1: 10}),
        ("shares:0=1,1=0", TEN_TO_ONE, {0: 990, 1: 0}),
        ("shares:0=0.333333,1=0.333333,2=0.333334", {0: 100, 1: 100, 2: 7}, {0: 7, 1: 6, 2: 7}),
        ("shares:0=1/3,1=2/3", {0: 10, 1: 10}, {0: 5, 1: 10}),
        ("soften:0,0", THREE, THREE),
        ("soften:1,1", {0: 900, 1: 90, 2: 9}, {0: 333, 1: 333, 2: 333}),
        ("soften:1,0", {0: 900, 1: 90, 2: 9}, {0: 333, 1: 90, 2: 9}),
        ("soften:0,1", {0: 900, 1: 90, 2: 9}, {0: 900, 1: 333, 2: 333}),
        ("soften:0.5,0.5", {0: 90, 1: 10}, {0: 67, 1: 22}),
        # Classes that the training split does not have.
        ("balance", {0: 0, 1: 5, 2: 7}, {0: 0, 1: 5, 2: 5}),
        ("ratio=1.2", {0: 0, 1: 5, 2: 7}, {0: 0, 1: 5, 2: 6}),
        ("soften:1,1", {0: 0, 1: 5, 2: 7}, {0: 0, 1: 6, 2: 6}),
        ("counts:0=0,1=5", {0: 0, 1: 5}, {0: 0, 1: 5}),
        ("balance", {0: 7}, {0: 7}),
    ],
)
def test_table_of_strategies(text, counts, kept):
    sizes = parse_strategy(text).sizes(counts, "int64")
    assert sizes == kept
    assert list(sizes) == list(counts)
    assert all(type(rows) is int for rows in sizes.values())


@pytest.mark.parametrize(
    ("dtype", "labels", "names"),
    [
        ("int64", [0, -1, 2**63 - 1, -(2**63)], ["0", "-1", str(2**63 - 1), str(-(2**63))]),
        ("float32", [0.0, -0.5, 0.1, 1e10], ["-0", "-.5", "0.1", "1e10"]),
        ("float32", [16777216.0, 0.3], ["16777217", "0.30000001192092896"]),
        ("bool", [False, True], ["false", "True"]),
        ("bytes", ["", "groß", "0", "a b"], ["", "groß", "0", "a b"]),
    ],
)
def test_labels_of_every_dtype_in_a_mapping(dtype, labels, names):
    text = ",".join(f"{name}={number}" for number, name in enumerate(names, 1))
    sizes = parse_strategy(f"counts:{text}").sizes(dict.fromkeys(labels, 9), dtype)
    assert sizes == {label: number for number, label in enumerate(labels, 1)}


def test_labels_with_commas_and_equals_signs_as_json():
    wanted = {"a,b": 1, "x=y": 2, "": 3, '"': 4, "{": 5, "é": 6}
    for text in (json.dumps(wanted), json.dumps(wanted, ensure_ascii=False), " " + json.dumps(wanted, indent=1)):
        assert parse_strategy(f"counts:{text}").sizes(dict.fromkeys(wanted, 9), "bytes") == wanted


def test_numbers_in_json_stay_exact():
    """0.29 x 50 is 14.5, which goes up; as a float it is 14.499999999999998."""
    assert parse_strategy('rates:{"a": 0.29}').sizes({"a": 50}, "bytes") == {"a": 15}
    assert parse_strategy('rates:{"a": "0.29"}').sizes({"a": 50}, "bytes") == {"a": 15}
    assert parse_strategy('rates:{"a": 0.2899999999999999999999}').sizes({"a": 50}, "bytes") == {"a": 14}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("balanced", r"--strategy 'balanced' is not known\. It is one of none, balance, majority, ratio=M"),
        ("", r"--strategy '' is not known\."),
        ("none=1", r"'none=1' is not known"),
        ("ratio", r"'ratio' is not known"),
        ("counts=5", r"'counts=5' is not known"),
        ("ratio=0.99", r"ratio=0\.99: M is negatives a positive, at least 1\."),
        ("ratio=x", r"ratio=x: 'x' is not a number\. It is one of"),
        ("ratio=nan", r"'nan' is not a number"),
        ("ratio=inf", r"'inf' is not a number"),
        ("ratio=1/0", r"'1/0' is not a number"),
        ("ratio=", r"ratio=: '' is not a number"),
        ("ratio=-3", r"ratio=-3: -3 is negative\."),
        ("max=0", r"max=0: N is a whole number of rows, at least 1\."),
        ("max=1.5", r"max=1\.5: N is a whole number of rows, at least 1\."),
        ("counts:A=1,A=2", r"counts:A=1,A=2: 'A' is named twice\."),
        ('counts:{"A": 1, "A": 2}', r"'A' is named twice\."),
        ("counts:A=1.5", r"counts are whole numbers of rows; use rates for fractions\."),
        ("counts:A=0,B=0", r"counts:A=0,B=0 keeps no row of any class\."),
        ("counts:{}", r"counts:\{\} keeps no row of any class\."),
        ("counts:", r"'' is not LABEL=NUMBER\. Labels with a comma or an equals sign in them are given as JSON"),
        ("counts:A", r"'A' is not LABEL=NUMBER\."),
        ("counts:a=b=1", r"'a=b=1' is not LABEL=NUMBER\."),
        ("counts:a,b=1", r"'a' is not LABEL=NUMBER\."),
        ("counts:A=-1", r"counts:A=-1: -1 is negative\."),
        ("counts:A=many", r"'many' is not a number"),
        ('counts:{"A": 1', r"not valid JSON \("),
        ('counts:{"A": true}', r"'True' is not a number"),
        ('counts:{"A": null}', r"'None' is not a number"),
        ('counts:{"A": NaN}', r"'nan' is not a number"),
        ('counts:{"A": {"B": 1}}', r"is not a number"),
        ("shares:A=0.5,B=0.4", r"the shares add up to 0\.9; make them add up to 1\."),
        ("shares:A=50,B=50", r"the shares add up to 100; make them add up to 1\."),
        ("soften:0.5", r"soften:0\.5: '' is not a number"),
        ("soften:0.5,1.5", r"soften:0\.5,1\.5: UNDER and OVER are exponents between 0 and 1\."),
        ("soften:1,1,1", r"'1,1' is not a number"),
        ("ratio=1e999999999", r"'1e999999999' is not a number"),
    ],
)
def test_strategies_that_are_refused(text, message):
    with pytest.raises(UsageError, match=message):
        parse_strategy(text)


@pytest.mark.parametrize(
    ("text", "counts", "dtype", "message"),
    [
        ("balance", {0: 0}, "int64", r"The train split has no rows\. Give it a larger fraction in --splits"),
        ("balance", {}, "int64", r"The train split has no rows\."),
        ("counts:0=1,2=1", {0: 5, 1: 5}, "int64", r"names '2', not found in the data\. The classes found are 0, 1\."),
        ("counts:0=1,x=1", {0: 5, 1: 5}, "int64", r"names 'x', not found in the data\. The classes found are 0, 1\."),
        ("counts:0=1,1.0=1", {0: 5, 1: 5}, "int64", r"names '1\.0', not found"),
        ("counts:yes=1", {True: 5}, "bool", r"names 'yes', not found in the data\. The classes found are true\."),
        ("counts:nan=1", {0.5: 5}, "float32", r"names 'nan', not found in the data\. The classes found are 0\.5\."),
        ("counts:1e39=1", {0.5: 5}, "float32", r"names '1e39', not found"),
        ("rates:a=1", {"a": 5, "": 5}, "bytes", r"rates does not name ''; .* \('a', ''\)\. Use 0 to leave a class out"),
        ("counts:A=1", {"a": 5}, "bytes", r"names 'A', not found in the data\. The classes found are 'a'\."),
        ("counts:a=1", {"a": 5, b"\xff": 5}, "bytes", r"does not name b'\\xff'"),
        ("rates:0=0.01,1=1", {0: 49, 1: 5}, "int64", r"gives class 0 0\.01, which is 0 rows after rounding \(0\.49\)"),
        ("shares:0=.999,1=.001", {0: 100, 1: 9}, "int64", r"gives class 1 0\.001, which is 0 rows after rounding"),
        ("shares:0=.5,1=.5", {0: 5, 1: 0}, "int64", r"asks for rows of 1, of which the train split has none"),
        ("counts:0=5,1=1", {0: 5, 1: 0}, "int64", r"of which the train split has none\. Use 0 to leave a class out"),
        (
            "counts:x=1",
            dict.fromkeys(range(25), 1),
            "int64",
            r"The classes found are 0, 1, .*, 19 and 5 more\.",
        ),
        ("counts:1=5,01=7", {1: 9}, "int64", r"names class 1 twice"),
        ("counts:0=5,-0.0=7", {0.0: 9}, "float32", r"names class 0\.0 twice"),
    ],
)
def test_strategies_that_do_not_fit_the_classes(text, counts, dtype, message):
    with pytest.raises(PlanError, match=message):
        parse_strategy(text).sizes(counts, dtype)


def test_largest_remainder_gives_ties_to_the_first():
    assert largest_remainder({"b": Fraction(3, 2), "a": Fraction(3, 2)}, 3) == {"b": 2, "a": 1}


@pytest.mark.parametrize(("value", "rounded"), [("0.5", 1), ("1.5", 2), ("2.5", 3), ("2.499999", 2), ("-0.5", 0)])
def test_halves_go_up_in_numbers(value, rounded):
    assert round_half_up(Fraction(value)) == rounded


@pytest.mark.parametrize("form", ["balance", "majority", "ratio=2", "max=3", "soften:0.5,0.5"])
def test_ten_thousand_classes(form):
    counts = {f"class {i}": 1 + i * 7919 % 10_007 for i in range(10_000)}
    sizes = parse_strategy(form).sizes(counts, "bytes")
    assert list(sizes) == list(counts)
    assert all(rows > 0 for rows in sizes.values())


def test_shares_of_ten_thousand_classes():
    """Half of the classes get the row that rounding leaves."""
    counts = dict.fromkeys(range(10_000), 20_000)
    shares = {label: Fraction(3 if label % 2 else 1, 20_000) for label in counts}
    text = ",".join(f"{label}={share}" for label, share in shares.items())
    sizes = parse_strategy(f"shares:{text}").sizes(counts, "int64")
    assert sum(sizes.values()) == math.floor(20_000 / Fraction(3, 20_000))
    assert {label % 2: rows for label, rows in sizes.items()}.keys() == {0, 1}
    assert set(sizes.values()) <= {6666, 6667, 20_000}


def test_a_strategy_is_a_plain_value():
    assert parse_strategy("auto") == Strategy(name="balance")
    assert parse_strategy("ratio=1.5") == Strategy(name="ratio", limit=Fraction(3, 2))
