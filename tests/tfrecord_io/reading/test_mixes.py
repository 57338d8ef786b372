"""Mixes, weights and priors: pure arithmetic over a manifest's classes."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfrecord_io.errors import UsageError
from tfrecord_io.reading import mixes
from tfrecord_io.reading.strata import ReadClass, ShardSlice, Stratum


def stratum(label, source_rows, rows, source_weight=None, factor=1.0):
    whole = ShardSlice(path="a", first=0, rows=rows, file_rows=rows, bytes=0, fold=0)
    return Stratum(
        name="'train'",
        label=label,
        source_rows=source_rows,
        source_weight=float(source_rows if source_weight is None else source_weight),
        folds=1,
        factor=factor,
        compression="none",
        slices=(whole,) if rows else (),
    )


def entry(label, *numbers, **fields):
    return ReadClass(label=label, strata=(stratum(label, *numbers, **fields),))


NUMBERS = (entry(0, 900, 20), entry(1, 10, 10), entry(2, 90, 10), entry(3, 5, 0))


@pytest.mark.parametrize(
    ("mix", "expected"),
    [
        ("stored", (2, 1, 1, 0)),
        ("natural", (90, 1, 9, 0)),
        ("balanced", (1, 1, 1, 0)),
        ({0: 0.5, 1: 0.25, 2: 0.25, 3: 0}, (2, 1, 1, 0)),
        ({0: 3, 1: 0, 2: 1, 3: 0.0}, (3, 0, 1, 0)),
        ({np.int64(0): np.float32(0.1), 1: Fraction(1, 5), 2: 0.7, 3: 0}, (1, 2, 7, 0)),
    ],
)
def test_shares(mix, expected):
    assert mixes.shares(mix, NUMBERS) == expected


@given(st.lists(st.floats(0, 1e9), min_size=4, max_size=4).filter(lambda shares: sum(shares) > 0))
def test_shares_of_a_mapping_are_kept_and_fit_64_bit_arithmetic(values):
    classes = [entry(k, 10, 10) for k in range(4)]
    parts = mixes.shares(dict(enumerate(values)), classes)
    assert sum(parts) <= 2**41
    for part, value in zip(parts, values, strict=True):
        assert (part > 0) == (value > 0)
        assert part / sum(parts) == pytest.approx(value / sum(values), abs=1e-11)


@pytest.mark.parametrize(
    ("stored", "good", "bad"),
    [
        (0, [0, np.int32(0)], ["0", False, 0.0, b"0"]),
        (0.0, [0.0, 0, np.float32(0)], ["0.0", False]),
        ("", ["", b""], [0, None]),
        (False, [False, np.bool_(False)], [0, "False"]),
        (b"\xff", [b"\xff"], ["\xff"]),
    ],
)
def test_a_mapping_names_classes_by_value_and_type(stored, good, bad):
    classes = [entry(stored, 5, 5)]
    for key in good:
        assert mixes.shares({key: 1}, classes) == (1,)
    for key in bad:
        with pytest.raises(UsageError, match=r"which is not there; the classes are " + repr(stored).replace("\\", ".")):
            mixes.shares({key: 1}, classes)


@pytest.mark.parametrize(
    ("mix", "message"),
    [
        ("even", r"no mix 'even'; mix is one of stored, natural, balanced, .* classes 0, 1, 2, 3"),
        (7, r"no mix 7"),
        ({0: 1, 9: 1}, r"names the class 9, which is not there; the classes are 0, 1, 2, 3"),
        ({0: 1, 2: 1}, r"does not name the classes 1, 3\. Give every class a share; 0 leaves"),
        ({0: 1, 1: -0.5, 2: 1, 3: 0}, r"class 1 the share -0\.5"),
        ({0: 1, 1: float("nan"), 2: 1, 3: 0}, r"class 1 the share nan"),
        ({0: 1, 1: float("inf"), 2: 1, 3: 0}, r"class 1 the share inf"),
        ({0: 1, 1: "half", 2: 1, 3: 0}, r"class 1 the share 'half'"),
        ({0: 1, 1: 1, 2: 1, 3: 1}, r"classes 3, which hold no row\. Give them 0"),
        ({0: 0, 1: 0, 2: 0, 3: 0}, r"add up to 0"),
    ],
)
def test_mixes_that_are_refused(mix, message):
    with pytest.raises(UsageError, match=message):
        mixes.shares(mix, NUMBERS)


def test_prior_correction_leaves_out_classes_of_share_0():
    found = mixes.prior_correction((1, 1, 0, 0), NUMBERS)
    assert found == {0: pytest.approx(math.log(900 / 910 / 0.5)), 1: pytest.approx(math.log(10 / 910 / 0.5))}


CLASS_WEIGHTS = st.lists(
    st.tuples(st.integers(1, 10**6), st.floats(0.1, 10), st.integers(0, 20), st.floats(0.1, 100)),
    min_size=1,
    max_size=5,
).filter(lambda classes: any(part for _, _, part, _ in classes))


@given(CLASS_WEIGHTS)
def test_weighted_class_shares_are_the_sources_and_the_mean_is_1(classes):
    entries = [entry(k, rows, 1, rows * mean, factor=factor) for k, (rows, mean, _, factor) in enumerate(classes)]
    parts = [part for _, _, part, _ in classes]
    factors = [of_class for (of_class,) in mixes.weight_factors(parts, entries)]
    # What a class yields: its share of the rows, times the mean stored weight of its rows.
    yielded = [
        part / sum(parts) * factor * classes[k][3] * classes[k][1]
        for k, (part, factor) in enumerate(zip(parts, factors, strict=True))
    ]
    assert sum(yielded) == pytest.approx(1)
    whole = sum(rows * mean for rows, mean, part, _ in classes if part)
    for k, (rows, mean, part, _) in enumerate(classes):
        assert yielded[k] == pytest.approx(rows * mean / whole if part else 0)


def test_weights_that_cannot_be_scaled_are_refused():
    with pytest.raises(UsageError, match=r"add up to 0\. Use weights='stored'"):
        mixes.weight_factors((1,), (entry(0, 5, 5, 0.0),))
