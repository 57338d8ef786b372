"""The plan's folds, and its limit on all rows."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.tfrecord_io.test_plan import COUNTS, plan, tallies
from tfrecord_io.errors import PlanError
from tfrecord_io.plan import BAND_NATS, band


@given(COUNTS, st.integers(1, 50), st.integers(1, 10**6))
def test_folds_are_as_many_as_the_rows_allow(counts, folds, most):
    for stratum in plan(tallies(counts), f"max={most}", folds=folds).strata:
        whole = stratum.rows == stratum.source.rows
        assert stratum.folds == (1 if whole else min(folds, stratum.source.rows // stratum.rows))
        ends = [j * stratum.rows for j in range(1, stratum.folds + 1)]
        assert stratum.cuts == (() if whole else tuple(band(stratum.source.rows, n, BAND_NATS) for n in ends))
        assert stratum.factor == stratum.source.rows / stratum.rows
        assert stratum.bytes == 100 * stratum.rows * stratum.folds


@given(COUNTS, st.integers(1, 10**6))
def test_max_rows_keeps_the_shares(counts, limit):
    total = sum(counts.values())
    assume(min(counts.values()) * limit >= total)
    source = tallies(counts) | tallies(counts, split="eval")
    made = plan(source, "none", splits=("train", "eval"), max_rows=limit)
    assert {s.label: s.rows for s in made.of_split("eval")} == counts
    kept = {s.label: s.rows for s in made.of_split("train")}
    assert sum(kept.values()) == min(total, limit)
    assert all(abs(kept[label] - rows * min(1, limit / total)) < 1 for label, rows in counts.items())


def test_max_rows_scales_what_the_strategy_keeps():
    made = plan(tallies({0: 1000, 1: 100}), "ratio=3", max_rows=40, folds=2)
    assert [(s.rows, s.folds, s.factor) for s in made.strata] == [(30, 2, 1000 / 30), (10, 2, 10.0)]


def test_max_rows_that_leaves_a_class_without_a_row():
    with pytest.raises(PlanError, match=r"--max_rows 5 leaves no row of class 1: 1001 rows are scaled down to 5"):
        plan(tallies({0: 1000, 1: 1}), "none", max_rows=5)
