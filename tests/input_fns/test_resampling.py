"""Shares, weights and order of what `resample` yields; chances are bounded at 1e-9 a comparison."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from input_fns import resample
from tests.input_fns.conftest import ClassData, Data
from tfrecord_io.manifest import Manifest

ROWS = {0: 9000, 1: 900, 2: 100}


def rows_of(counts, seed=1):
    """(row number, label) for each row, the classes shuffled, as arrays."""
    label = np.random.default_rng(seed).permutation(np.repeat(list(counts), list(counts.values())))
    return np.arange(len(label)), label


def second(number, label):
    return label


def yielded(batches):
    """What all batches hold of each component, as arrays."""
    return [np.concatenate(parts) for parts in zip(*batches.as_numpy_iterator(), strict=True)]


def counted(counts, target="balanced", **options):
    data = tf.data.Dataset.from_tensor_slices(rows_of(counts))
    return yielded(resample(data, second, target, **{"source": counts, "batch_size": 512, **options}))


def within_chance(count, trials, chance):
    """Hoeffding's bound: further off than this in fewer than one of 1e9 trials."""
    return abs(count - trials * chance) <= np.sqrt(trials * np.log(2e9) / 2)


@pytest.mark.parametrize(
    ("target", "shares", "soften", "replicate"),
    [
        ("balanced", [1, 1, 1], (1, 1), True),
        ("balanced", [1, 1, 1], (1, 1), False),
        ("balanced", [1, 1, 1], (0, 0), True),
        ("balanced", [1, 1, 1], (1, 0), True),
        ("balanced", [1, 1, 1], (0, 1), True),
        ("balanced", [1, 1, 1], (0.5, 0.9), True),
        ("balanced", [1, 1, 1], (0.5, 0.9), False),
        ({0: 5, 1: 3, 2: 2}, [5, 3, 2], (1, 1), True),
        ({2: 0.99, 1: 0.01, 0: 0.0}, [0, 0.01, 0.99], (1, 1), True),
        ({0: 1, 1: 0, 2: 0}, [1, 0, 0], (1, 1), True),
        ({0: 0, 1: 1, 2: 1}, [0, 1, 1], (0, 1), True),
        ([0.9, 0.09, 0.01], [0.9, 0.09, 0.01], (1, 1), True),
        (np.array([3, 2, 1]), [3, 2, 1], (1, 0.25), True),
    ],
)
def test_every_row_is_yielded_as_often_as_the_formula_says(target, shares, soften, replicate):
    number, label, weight = counted(ROWS, target, soften=soften, replicate=replicate)
    source = np.array(list(ROWS.values())) / sum(ROWS.values())
    ratio = np.array(shares) / sum(shares) / source
    # The usual recipe: repeat by max(ratio^over, 1), then keep with the chance min(ratio^under, 1).
    rate = np.maximum(ratio ** soften[1], 1) * np.minimum(ratio ** soften[0], 1)
    if not replicate:
        rate /= rate.max()
    _, own = rows_of(ROWS)
    times = np.bincount(number, minlength=len(own))
    mean = (source * rate).sum() / source[rate > 0].sum()
    for k, rows in ROWS.items():
        least = int(np.floor(rate[k] + 1e-12))
        once_more = times[own == k] - least
        assert set(once_more) <= {0, 1}
        assert within_chance(once_more.sum(), rows, rate[k] - least)
        np.testing.assert_allclose(weight[label == k], mean / rate[k] if rate[k] else 0, rtol=1e-6)
    assert (label == own[number]).all()


def test_the_target_is_met_and_weights_give_the_source_back():
    counts = {0: 99_000, 1: 1000}
    _, label, weight = counted(counts, batch_size=4096)
    assert within_chance((label == 0).sum(), 99_000, 50 / 99)
    assert (label == 1).sum() == 50_000
    assert weight.dtype == np.float32
    # 1 % of the source over 50 % of what is yielded, and 99 % over 50 %.
    np.testing.assert_allclose(np.unique(weight), [0.02, 1.98], rtol=1e-6)
    assert abs(weight.mean() - 1) < 0.01


@pytest.mark.parametrize("rate", [1e-3, 1e-5])
def test_tiny_shares(rate):
    """Class 1 is a `rate` of the source: its rows come 0.5 / rate times, or alone where none is repeated."""
    counts = {0: 200_000, 1: max(1, round(200_000 * rate))}
    source = [1 - rate, rate]
    _, label, _ = counted(counts, source=source, batch_size=4096)
    assert (label == 1).sum() == counts[1] * round(0.5 / rate)
    _, label, _ = counted(counts, source=source, batch_size=4096, replicate=False)
    assert (label == 1).sum() == counts[1]
    assert within_chance((label == 0).sum(), 200_000, rate / (1 - rate))


def test_unchanged_shares_yield_every_row_once_in_another_order():
    number, _, weight = counted(ROWS, soften=(0, 0), batch_size=128, window=1000)
    assert (np.sort(number) == np.arange(10_000)).all()
    assert (np.sort(number[:1000]) == np.arange(1000)).all()
    assert (number != np.arange(10_000)).mean() > 0.9
    assert (weight == 1).all()


def test_copies_of_a_row_lie_apart():
    """300 rows, two thirds of them repeated: every copy at least half of 1/copies of the window from the next."""
    counts = {0: 100, 1: 200}
    number, label, _ = counted(counts, source=[0.9, 0.1], window=300)
    gaps = [np.diff(np.flatnonzero(number == one)) for one in set(number[label == 1])]
    assert {len(gap) for gap in gaps} == {4}
    assert min(gap.min() for gap in gaps) > 0.07 * len(number)
    # Not the same order over and over.
    fifth = number[label == 1][:200], number[label == 1][200:400]
    assert (fifth[0] != fifth[1]).mean() > 0.5


def test_places_are_uniform():
    """Where the rows of a class fall in the window does not depend on their copies."""
    _, label, _ = counted({0: 30_000, 1: 10_000}, source=[0.9, 0.1], window=40_000)
    for part in np.array_split(label, 10):
        assert abs((part == 1).mean() - (label == 1).mean()) < 0.02


@pytest.mark.parametrize(
    ("labels", "returned"),
    [
        ([0, 1], tf.int64),
        ([0, 1], tf.uint8),
        ([0, 1], tf.bool),
        ([-(2**63), 2**63 - 1], tf.int64),
        ([False, True], tf.bool),
        ([False, True], tf.int64),
        ([0.0, 0.1], tf.float32),
        ([0.0, 0.1], tf.float64),
        (["", "é"], tf.string),
        ([b"\xff", "b"], tf.string),
        ([np.int64(3), np.int64(2)], tf.int32),
    ],
)
def test_labels_of_every_type(labels, returned):
    values = tf.constant([one.encode() if isinstance(one, str) else one for one in labels])
    values = tf.cast(values, returned) if returned != tf.string else values
    drawn = resample(
        tf.data.Dataset.from_tensor_slices(tf.repeat(values, 50)),
        lambda label: label,
        dict(zip(labels, [1, 0], strict=True)),
        source=dict.fromkeys(labels, 1),
        batch_size=100,
    )
    label, weight = yielded(drawn)
    assert (label == np.repeat(values[0].numpy(), 100)).all()
    assert (weight == 1).all()


@pytest.mark.parametrize(
    "classes", [dict.fromkeys(range(3000), 1), {f"class {i}": 1 for i in range(3000)}], ids=["int", "text"]
)
def test_thousands_of_classes(classes):
    names = [name.encode() if isinstance(name, str) else name for name in classes]
    data = tf.data.Dataset.from_tensor_slices(names)
    odd = {name: index % 2 for index, name in enumerate(classes)}
    label, weight = yielded(resample(data, lambda label: label, odd, source=classes, batch_size=999))
    assert sorted(label) == sorted(names[1::2] * 2)
    assert (weight == 1).all()


def test_source_shares_of_a_manifest(dataset):
    train = [ClassData(label=0, rows=2, source_rows=90), ClassData(label=1, rows=2, source_rows=10)]
    test = [ClassData(label=0, rows=3), ClassData(label=1, rows=1)]
    path = dataset(Data(classes=train), Data(classes=test, split="test"))
    for source in (path, path + "/manifest.json", Manifest.load(path)):
        _, _, weight = counted({0: 90, 1: 10}, source=source)
        np.testing.assert_allclose(np.unique(weight), [0.2, 1.8], rtol=1e-6)
    _, _, weight = counted({0: 3, 1: 1}, source=path, split="test", batch_size=1)
    np.testing.assert_allclose(np.unique(weight), [0.5, 1.5], rtol=1e-6)


def test_data_sorted_by_class():
    """A window of the rarest class alone makes many copies; windows of which nothing is kept make none."""
    data = tf.data.Dataset.from_tensor_slices(np.repeat([0, 1], [9900, 100]))
    drawn = resample(data, lambda label: label, {0: 0, 1: 1}, source=[0.99, 0.01], batch_size=4096, window=100)
    batches = list(drawn)
    assert [len(label) for label, _ in batches] == [4096, 4096, 1808]
    assert all((label.numpy() == 1).all() and (weight.numpy() == 1).all() for label, weight in batches)


def test_nothing_is_left():
    data = tf.data.Dataset.from_tensor_slices([0] * 10)
    assert not list(resample(data, lambda label: label, [0, 1], source=[1, 1], batch_size=4))
    assert not list(resample(data.take(0), lambda label: label, source=[1, 1], batch_size=4))


def test_short_batches_come_last_or_not_at_all():
    options = {"soften": (0, 0), "window": 300}
    data = tf.data.Dataset.range(1000)
    drawn = resample(data, lambda n: n % 2, source=[1, 1], batch_size=64, **options)
    assert [len(batch) for batch, _ in drawn] == [64] * 15 + [40]
    drawn = resample(data, lambda n: n % 2, source=[1, 1], batch_size=64, drop_remainder=True, **options)
    assert [len(batch) for batch, _ in drawn] == [64] * 15
    assert drawn.element_spec[0].shape == [64]
