"""The plan: exact sizes, cuts whose band holds them, weights that add up, shards near their size."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from tfrecord_io.errors import PlanError
from tfrecord_io.plan import BAND_NATS, FULL_BAND, Tally, band, make_plan
from tfrecord_io.plan_warnings import ClassCounts, plan_warnings
from tfrecord_io.strategy import parse_strategy

COUNTS = st.dictionaries(st.integers(-3, 9), st.integers(1, 10**6), min_size=1, max_size=6)


def tallies(counts, split="train", weight=1):
    return {(split, label): Tally(rows, Fraction(weight) * rows, 10 * rows) for label, rows in counts.items()}


def plan(source, strategy="balance", weights="calibrated", splits=("train",), row_bytes=100.0, **options):
    return make_plan(
        source,
        splits=splits,
        label_dtype="int64",
        strategy=parse_strategy(strategy),
        weights=weights,
        shard_size=options.pop("shard_size", 1000),
        row_bytes=lambda label, tally: row_bytes,
        **options,
    )


def rates(counts, data):
    each = {label: data.draw(st.fractions(Fraction(1, 4), 5, max_denominator=50)) for label in counts}
    return "rates:" + ",".join(f"{label}={max(rate, Fraction(1, counts[label]))}" for label, rate in each.items())


@given(COUNTS, st.data())
def test_copies_and_drawn_rows_make_up_what_is_kept(counts, data):
    for stratum in plan(tallies(counts), rates(counts, data)).strata:
        rows = stratum.source.rows
        assert stratum.copies * rows + stratum.drawn == stratum.rows
        assert 0 <= stratum.drawn < rows
        assert stratum.keep_weight == rows / stratum.rows
        assert len(stratum.cuts) == (stratum.drawn > 0)
        assert all(0 <= sure <= never <= 1 << 64 for sure, never in stratum.cuts)
        assert 1 <= stratum.shards <= stratum.rows


SIZES = [
    (1, 1),
    (2, 1),
    (3, 2),
    (10, 1),
    (10, 9),
    (100, 50),
    (1000, 1),
    (1000, 999),
    (10**5, 10),
    (10**5, 10**5 - 1),
    (10**6, 1000),
    (10**6, 499_999),
    (10**6, 10**6 - 50),
]


@pytest.mark.parametrize(("rows", "drawn"), SIZES)
def test_the_band_holds_the_cut_in_simulation(rows, drawn):
    generator = np.random.default_rng([rows, drawn])
    sure, never = band(rows, drawn, BAND_NATS)
    for _ in range(20 if rows < 10**5 else 3):
        u = generator.integers(0, 1 << 64, rows, np.uint64, endpoint=False)
        below_sure = int((u < np.uint64(min(sure, (1 << 64) - 1))).sum())
        below_never = rows if never == 1 << 64 else int((u < np.uint64(never)).sum())
        assert below_sure <= drawn <= below_never


@pytest.mark.parametrize("nats", [5.0, 20.0, BAND_NATS])
@pytest.mark.parametrize(
    ("rows", "drawn"), [*SIZES, (10**9, 10**6), (10**10, 3), (10**10, 10**10 - 3), (10**12, 10**11)]
)
def test_the_band_misses_as_seldom_as_it_says(rows, drawn, nats):
    """By the binomial distribution of the rows below each edge, not by trying."""
    sure, never = (edge / 2**64 for edge in band(rows, drawn, nats))
    log_of_too_many_below = stats.binom.logsf(drawn, rows, sure)
    log_of_too_few_below = stats.binom.logcdf(drawn - 1, rows, never)
    assert max(log_of_too_many_below, log_of_too_few_below) <= -nats


@given(st.integers(1, 10**12), st.data())
def test_the_band_is_narrow(rows, data):
    """What has to be ranked is a few times the square root of what is drawn."""
    drawn = data.draw(st.integers(1, rows))
    sure, never = band(rows, drawn, BAND_NATS)
    assert 0 <= sure < never <= 1 << 64
    assert sure <= (drawn << 64) // rows <= never
    in_band = (never - sure) / 2**64 * rows
    assert in_band <= 4 * (BAND_NATS + math.sqrt(BAND_NATS * min(drawn, rows - drawn)))


def test_a_full_band_ranks_every_row():
    assert band(100, 7, FULL_BAND) == (0, 1 << 64)
    stratum = plan(tallies({0: 100, 1: 7}), band_nats=FULL_BAND).strata[0]
    assert stratum.cuts == ((0, 1 << 64),)


@given(COUNTS, st.data())
def test_calibrated_weights_add_up_to_the_source(counts, data):
    for stratum in plan(tallies(counts), rates(counts, data)).strata:
        assert stratum.factor * stratum.rows == pytest.approx(stratum.source.rows, rel=1e-12)


@given(COUNTS, st.data())
def test_balanced_weights_add_up_to_the_same_for_each_class(counts, data):
    """W in all, W / K a class, whatever the source weights are."""
    each = {label: data.draw(st.fractions(Fraction(1, 100), 100, max_denominator=100)) for label in counts}
    source = {("train", label): Tally(rows, each[label] * rows, 1) for label, rows in counts.items()}
    strata = plan(source, rates(counts, data), "balanced").strata
    total = sum(tally.weight for tally in source.values())
    for stratum in strata:
        # A kept row carries w_in x factor, and w_in is W_k / N_k on average.
        mean_weight_in = stratum.source.weight / stratum.source.rows
        assert stratum.factor * stratum.rows * mean_weight_in == pytest.approx(float(total / len(strata)), rel=1e-9)


def test_weights_none_leaves_the_original_ones():
    assert [s.factor for s in plan(tallies({0: 990, 1: 10}), weights="none").strata] == [1.0, 1.0]


@pytest.mark.parametrize("split", ["eval", "test"])
@pytest.mark.parametrize("weights", ["calibrated", "balanced", "none"])
def test_eval_and_test_are_never_resampled(split, weights):
    source = tallies({0: 990, 1: 10}) | tallies({0: 99, 1: 1}, split)
    made = plan(source, "counts:0=5,1=50", weights, ("train", split))
    assert [(s.label, s.rows) for s in made.of_split("train")] == [(0, 5), (1, 50)]
    for stratum in made.of_split(split):
        assert stratum.rows == stratum.source.rows
        assert (stratum.copies, stratum.drawn, stratum.keep_weight, stratum.factor) == (1, 0, 1.0, 1.0)


def test_an_eval_class_of_weight_zero_is_fine_with_balanced():
    source = tallies({0: 5, 1: 5}) | tallies({0: 5, 1: 5}, "eval", weight=0)
    made = plan(source, weights="balanced", splits=("train", "eval"))
    assert [s.factor for s in made.of_split("eval")] == [1.0, 1.0]


def test_a_class_of_weight_zero_cannot_be_balanced():
    source = tallies({0: 5}) | tallies({1: 5, 2: 6}, weight=0)
    with pytest.raises(PlanError, match=r"of class 1, 2 add up to 0\. Use --weights calibrated\."):
        plan(source, weights="balanced")
    assert [s.factor for s in plan(source, weights="calibrated").strata] == [1.0, 1.0, 1.2]
    left_out = plan(source, "counts:0=3,1=0,2=0", "balanced")
    assert [s.factor for s in left_out.strata] == [pytest.approx(5 / 3), 0.0, 0.0]


def test_a_class_in_one_split_only():
    source = tallies({0: 8, 1: 4}) | tallies({2: 3}, "eval")
    made = plan(source, splits=("train", "eval"))
    assert [(s.split, s.label, s.rows, s.shards, s.keep_weight) for s in made.strata] == [
        ("train", 0, 4, 1, 2.0),
        ("train", 1, 4, 1, 1.0),
        ("train", 2, 0, 0, None),
        ("eval", 0, 0, 0, None),
        ("eval", 1, 0, 0, None),
        ("eval", 2, 3, 1, 1.0),
    ]


def test_strata_come_in_the_order_of_splits_and_labels():
    source = tallies({10: 5, -1: 5, 2: 5}, "test") | tallies({10: 5, -1: 5, 2: 5})
    strata = plan(source, splits=("train", "test")).strata
    assert [(s.split, s.label) for s in strata] == [(s, label) for s in ("train", "test") for label in (-1, 2, 10)]


@given(st.integers(1, 10**7), st.floats(1, 10**4), st.integers(1000, 10**8))
def test_shards_are_half_to_one_and_a_half_of_their_size(rows, row_bytes, shard_size):
    made = plan(tallies({0: rows}), "none", row_bytes=row_bytes, shard_size=shard_size)
    (stratum,) = made.strata
    assert made.bytes == stratum.bytes == round(rows * row_bytes)
    each = rows * row_bytes / stratum.shards
    assert each <= 1.5 * shard_size or stratum.shards == rows
    assert each >= 0.5 * shard_size or stratum.shards == 1


@pytest.mark.parametrize(("rows", "shards"), [(1, 1), (10, 1), (14, 1), (15, 2), (24, 2), (25, 3), (100, 10)])
def test_shard_counts(rows, shards):
    assert plan(tallies({0: rows})).strata[0].shards == shards


def test_no_more_shards_than_rows():
    assert plan(tallies({0: 3}), row_bytes=5000.0).strata[0].shards == 3


def test_errors_of_the_strategy_come_through():
    with pytest.raises(PlanError, match="names '7', not found"):
        plan(tallies({0: 3}), "counts:7=1")


def test_tallies_add_up_exactly():
    tenth = Fraction(0.1)
    assert sum((Tally(1, tenth, 2) for _ in range(10)), Tally(0, Fraction(0), 0)) == Tally(10, 10 * tenth, 20)


@pytest.mark.parametrize(
    ("strategy", "source", "kept", "folds", "messages"),
    [
        ("balance", {0: 990, 1: 10}, {0: 10, 1: 10}, 2, []),
        (
            "ratio=60",
            {0: 990, 1: 10},
            {0: 600, 1: 10},
            1,
            [r"--folds 2: class 0 of train has too few rows for that many; class 0 has 1\."],
        ),
        (
            "balance",
            {0: 999, 1: 1},
            {0: 1, 1: 1},
            2,
            [r"balance keeps 2 of 1000 rows \(0\.2 %\), because class 1 has only 1"],
        ),
        ("ratio=1", {0: 999, 1: 1}, {0: 1, 1: 1}, 2, []),
        ("none", {0: 5, 1: 3}, {0: 5, 1: 3}, 1, [r"--folds 2 has no effect on train: every class is kept whole"]),
        ("none", {0: 5, 1: 0}, {0: 5, 1: 0}, 1, [r"Class 1 has no row in the train split and stays out", "no effect"]),
        ("balance", {0: 0, 1: 0, 2: 5}, {0: 0, 1: 0, 2: 5}, 1, [r"Class 0, 1 has no row", "no effect"]),
        (
            "balance",
            {0: 198, 1: 0, 2: 2},
            {0: 1, 1: 0, 2: 0},
            2,
            [r"Class 1 has no row", r"because class 2 has only 2\."],
        ),
    ],
)
def test_warnings(strategy, source, kept, folds, messages):
    import re

    warnings = plan_warnings(
        parse_strategy(strategy), "train", [ClassCounts(k, rows, kept[k], folds) for k, rows in source.items()], 2
    )
    assert len(warnings) == len(messages)
    assert all(re.search(message, text) for message, text in zip(messages, warnings, strict=True))


def test_ten_thousand_classes():
    counts = {label: 100 + label for label in range(10_000)}
    made = plan(tallies(counts), weights="balanced")
    assert len(made.strata) == 10_000
    assert {s.rows for s in made.strata} == {100}
    assert math.fsum(s.factor * s.rows for s in made.strata) == pytest.approx(sum(counts.values()))
