"""`calibrate`: the probabilities of a model that was trained without weights."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tfrecord_io.documents import entry, shard, with_classes
from tfrecord_io import calibrate


def dataset(*classes):
    """Of each class (label, source rows, rows)."""
    return with_classes(
        *(
            entry(
                label,
                source_rows=source_rows,
                source_weight=float(source_rows),
                rows=rows,
                weight=source_rows / rows if rows else None,
                shards=(shard(rows=rows),) if rows else (),
            )
            for label, source_rows, rows in classes
        )
    )


TWO = dataset((0, 900, 100), (1, 100, 100))
THREE = dataset(("a", 60, 10), ("b", 30, 20), ("c", 10, 10))
UNSEEN = dataset(("a", 60, 10), ("b", 30, 0), ("c", 10, 10))
TINY, LEAST = 5e-324, 1e-310


@pytest.mark.parametrize(
    ("manifest", "mix", "said", "expected"),
    [
        # By hand: p (N_k/N) / b_k, over its sum.
        (TWO, "stored", [0.5], [0.1]),
        (TWO, "stored", [[0.25], [0.9]], [[0.025 / (0.675 + 0.025)], [0.09 / (0.09 + 0.09)]]),
        (TWO, "natural", [0.3, 0.7], [0.3, 0.7]),
        (TWO, {0: 1, 1: 3}, [0.75], [0.1]),
        (TWO, "stored", [[0.5, 0.5], [1, 0]], [[0.9, 0.1], [1, 0]]),
        (THREE, "stored", [[0.25, 0.5, 0.25]], [[0.6, 0.3, 0.1]]),
        (THREE, "balanced", [[1 / 3, 1 / 3, 1 / 3]], [[0.6, 0.3, 0.1]]),
        (THREE, {"a": 1, "b": 0, "c": 1}, [[0.5, 0.2, 0.3]], [[30 / 33, 0, 3 / 33]]),
        (UNSEEN, "stored", [[0.5, 0.0, 0.5]], [[6 / 7, 0, 1 / 7]]),
        (TWO, "balanced", [0.0, 1.0, TINY, LEAST], [0, 1, TINY / 9, LEAST / 9]),
        (dataset((0, 1, 1), (1, 10**9, 1)), "stored", [LEAST, 1 - 2**-53], [LEAST * 1e9, 1]),
        (dataset((0, 10**15, 1), (1, 1, 1), (2, 1, 1)), "stored", [[0, 1, 1e-315]], [[0, 1, 1e-315]]),
        (TWO, "balanced", np.zeros(0), []),
        (TWO, "balanced", np.zeros((0, 2), np.float32), np.zeros((0, 2))),
    ],
)
def test_calibrated(manifest, mix, said, expected):
    got = calibrate(said, manifest, mix=mix)
    assert got.dtype == np.float64
    assert got.shape == np.shape(said)
    np.testing.assert_allclose(got, expected, rtol=1e-12, atol=5e-324)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=4), st.integers(1, 10**12), st.integers(1, 10**12))
def test_one_probability_of_two_says_what_both_do_and_keeps_their_order(said, first, second):
    manifest = dataset((0, 10**12, first), (1, 10**12, second))
    said = np.sort(said)
    single = calibrate(said, manifest)
    both = calibrate(np.stack([1 - said, said], axis=1), manifest)
    np.testing.assert_array_equal(single, both[:, 1])
    np.testing.assert_allclose(both.sum(axis=1), 1, rtol=1e-15)
    assert (np.diff(single) >= 0).all()


def test_what_a_softmax_in_half_precision_says_is_taken():
    said = np.full((1, 3), 1 / 3, np.float16)
    assert said.astype(float).sum() != 1
    np.testing.assert_allclose(calibrate(said, THREE, mix="balanced"), [[0.6, 0.3, 0.1]], rtol=1e-6)


def test_the_dataset_may_be_a_path_or_several(tmp_path):
    for name, manifest in (("one", TWO), ("two", dataset((0, 100, 100), (1, 100, 100)))):
        (tmp_path / name).mkdir()
        (tmp_path / name / "manifest.json").write_text(manifest.to_json())
    paths = [tmp_path / "one", tmp_path / "two"]
    np.testing.assert_allclose(calibrate([0.5], paths[0]), [0.1])
    np.testing.assert_allclose(calibrate([0.5], paths), [200 / 1200])


@pytest.mark.parametrize(
    ("manifest", "said", "options", "message"),
    [
        (TWO, [0.5, np.nan], {}, r"lie between 0 and 1; not so nan at \[1\]\."),
        (TWO, [[-0.1], [0.2], [1.5]], {}, r"not so -0.1 at \[0, 0\], 1.5 at \[2, 0\]\."),
        (TWO, [2, 3, 4, 5, 6], {}, r"4 at \[2\] and 2 more\. Give what comes out of the sigmoid or softmax; to logits"),
        (THREE, [[0.2, 0.3, 0.5], [0.2, 0.3, 0.4]], {}, r"add up to 1; .* 0\.9 at \[1\]"),
        (THREE, [0.5], {}, r"shape \[1\], which is of one class of two, but there are 3 classes: 'a', 'b', 'c'"),
        (THREE, [[0.5, 0.5]], {}, r"shape \[1, 2\], but there are 3 classes: 'a', 'b', 'c'\. .*: \[n, 3\]\."),
        (TWO, [[0.2, 0.3, 0.5]], {}, r"shape \[1, 3\], but there are 2 classes: 0, 1\..* \[n\] or \[n, 1\] of the sec"),
        (TWO, 0.5, {}, r"shape \[\], but there are 2 classes"),
        (TWO, ["0.5"], {}, r"of type <U3; give an array of numbers"),
        (TWO, [0.5, [0.5]], {}, r"no array of numbers"),
        (
            UNSEEN,
            [[0, 0, 1], [0, 1, 0], [0, 1, 0]],
            {},
            r"2 rows, the first .* row 1, .* no share in the mix: 'b'",
        ),
        (TWO, [0.5], {"mix": "equal"}, r"There is no mix 'equal'"),
        (TWO, [0.5], {"split": "eval"}, r"There is no split 'eval'"),
        (TWO, [0.5], {"fold": 1}, r"There is no fold 1"),
    ],
)
def test_refused(manifest, said, options, message):
    with pytest.raises(ValueError, match=message):
        calibrate(said, manifest, **options)
