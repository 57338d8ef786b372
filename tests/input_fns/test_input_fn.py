"""InputFn on small published datasets: epochs, mixes, weights, order, attributes."""

from __future__ import annotations

import itertools
import shutil
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from input_fns import InputFn
from tests.input_fns.conftest import ClassData, Data
from tfrecord_io.errors import CorruptShardError

THREE = Data(
    classes=[
        ClassData(label=0, rows=23, source_rows=2300, shards=3),
        ClassData(label=1, rows=10, first_id=100, shards=2),
        ClassData(label=2, rows=4, source_rows=40, first_id=200),
    ]
)


def batches(path, **options):
    """[(ids, labels, weights)] of each batch, as lists."""
    return [
        (features["id"].tolist(), label.tolist(), weight.tolist())
        for features, label, weight in InputFn(path, **options)().as_numpy_iterator()
    ]


def ids(path, **options):
    return [batch[0] for batch in batches(path, **options)]


def joined(lists):
    return list(itertools.chain.from_iterable(lists))


@pytest.mark.parametrize("batching", ["exact", "sampled"])
@pytest.mark.parametrize("batch_size", [1, 5, 37, 50])
def test_a_stored_epoch_is_each_row_exactly_once(dataset, batching, batch_size):
    path = dataset(THREE)
    got = ids(path, batch_size=batch_size, batching=batching, num_epochs=2)
    steps = -(-37 // batch_size)
    assert len(got) == 2 * steps
    every_row = [*range(23), *range(100, 110), *range(200, 204)]
    first, second = joined(got[:steps]), joined(got[steps:])
    assert sorted(first) == sorted(second) == every_row
    assert first != second


@pytest.mark.parametrize("batching", ["exact", "sampled"])
def test_each_class_runs_in_passes_across_epochs(dataset, batching):
    got = batches(dataset(THREE), batch_size=9, mix="balanced", batching=batching, num_epochs=6)
    for label, rows in ((0, 23), (1, 10), (2, 4)):
        seen = np.zeros(rows, int)
        for row_ids, row_labels, _ in got:
            for row_id, row_label in zip(row_ids, row_labels, strict=True):
                if row_label == label:
                    seen[row_id - 100 * label] += 1
            assert seen.max() - seen.min() <= 1, "a row came again before all had come"
        assert seen.min() >= 2


def test_exact_batches_hold_their_quota(dataset):
    got = batches(dataset(THREE), batch_size=8, mix={0: 0.5, 1: 0.25, 2: 0.25}, epoch_rows=64, num_epochs=1)
    assert [np.bincount(labels).tolist() for _, labels, _ in got] == [[4, 2, 2]] * 8
    assert any(labels != sorted(labels) for _, labels, _ in got)


def test_natural_and_sampled_mixes_have_the_asked_shares(dataset):
    path = dataset(THREE)
    got = batches(path, batch_size=50, mix="natural", batching="sampled", epoch_rows=4700, num_epochs=1)
    found = np.bincount(joined(labels for _, labels, _ in got), minlength=3)
    assert found.sum() == 4700
    # Of 2350 source rows 10 and 40 are of class 1 and 2: mean 20 and 80, within 6 deviations.
    assert 0 < found[1] < 47
    assert 27 < found[2] < 133
    exact = batches(path, batch_size=47, mix="natural", epoch_rows=2350, num_epochs=1)
    assert np.bincount(joined(labels for _, labels, _ in exact)).tolist() == [2300, 10, 40]


def test_a_class_of_share_0_is_not_opened(dataset):
    path = dataset(THREE)
    shutil.rmtree(Path(path) / "train" / "label=1")
    train = InputFn(path, batch_size=4, mix={0: 1, 1: 0, 2: 1}, num_epochs=1)
    labels = np.concatenate([label for _, label, _ in train().as_numpy_iterator()])
    assert set(labels.tolist()) == {0, 2}
    assert set(train.prior_correction) == {0, 2}


def test_construction_and_attributes_open_the_manifest_only(dataset):
    path = dataset(THREE)
    shutil.rmtree(Path(path) / "train")
    train = InputFn(path, batch_size=8, mix="balanced", num_epochs=3)
    assert train.num_rows == 37
    assert train.steps_per_epoch == 5
    assert train.class_rows == {0: 23, 1: 10, 2: 4}
    assert train.source_class_rows == {0: 2300, 1: 10, 2: 40}
    assert train.feature_spec == {"id": tf.io.FixedLenFeature([], tf.int64)}
    assert train.prior_correction[2] == pytest.approx(np.log(40 / 2350 * 3))
    assert train.element_spec[0] == {"id": tf.TensorSpec([None], tf.int64)}
    assert InputFn(path + "/manifest.json", batch_size=8).num_rows == 37
    with pytest.raises(CorruptShardError, match=r"label=0/part-.* is named by the manifest, but cannot be found"):
        train()


@pytest.mark.parametrize(
    ("options", "cardinality"),
    [
        ({"num_epochs": 3}, 15),
        ({"num_epochs": 3, "start_step": 4}, 11),
        ({"num_epochs": 1, "drop_remainder": True}, 4),
        ({"num_epochs": 1, "start_step": 5}, 0),
        ({}, tf.data.INFINITE_CARDINALITY),
        ({"start_step": 4}, tf.data.INFINITE_CARDINALITY),
    ],
)
def test_the_cardinality_is_known(dataset, options, cardinality):
    train = InputFn(dataset(THREE), batch_size=8, **options)
    found = train()
    assert found.cardinality() == cardinality
    assert found.element_spec == train.element_spec


@pytest.mark.parametrize("batching", ["exact", "sampled"])
@pytest.mark.parametrize("mix", ["stored", "balanced"])
def test_the_same_seed_gives_the_same_batches(dataset, mix, batching):
    path = dataset(THREE)
    options = {"batch_size": 6, "mix": mix, "batching": batching, "num_epochs": 2}
    one = batches(path, seed=1, **options)
    assert batches(path, seed=1, **options) == one
    assert ids(path, seed=2, **options) != [batch[0] for batch in one]


def test_unshuffled_rows_keep_their_order_in_every_pass(dataset):
    got = ids(dataset(THREE), batch_size=37, shuffle=False, num_epochs=2)
    assert got == 2 * [[*range(23), *range(100, 110), *range(200, 204)]]


def test_a_dropped_remainder_opens_the_next_epoch(dataset):
    train = InputFn(dataset(THREE), batch_size=10, shuffle=False, drop_remainder=True, num_epochs=2)
    got = [features["id"].tolist() for features, _, _ in train().as_numpy_iterator()]
    assert [len(batch) for batch in got] == [10] * 6
    assert train.element_spec[1].shape == [10]
    of_class_1 = [row for batch in got for row in batch if 100 <= row < 200]
    assert of_class_1 == [100 + row % 10 for row in range(len(of_class_1))]
    assert len(of_class_1) in (16, 17)


@pytest.mark.parametrize("kept", ["calibrated", "balanced", "none"])
@pytest.mark.parametrize("mix", ["stored", "natural", "balanced", {0: 0.2, 1: 0.5, 2: 0.3}])
def test_weighted_class_shares_are_the_sources_at_any_mix(dataset, kept, mix):
    path = dataset(Data(classes=THREE.classes, weights=kept))
    got = batches(path, batch_size=50, mix=mix, epoch_rows=23500, num_epochs=1)
    if mix == "stored":
        got = batches(path, batch_size=37, num_epochs=1)
    labels = np.array(joined(batch[1] for batch in got))
    weights = np.array(joined(batch[2] for batch in got))
    assert weights.mean() == pytest.approx(1, rel=1e-3)
    shares = np.bincount(labels, weights) / weights.sum()
    assert shares == pytest.approx(np.array([2300, 10, 40]) / 2350, rel=2e-3)


def test_weights_keep_the_original_ones_ratios(dataset):
    path = dataset(
        Data(
            classes=[
                ClassData(label=0, rows=2, source_rows=20, weight_in=[1.0, 3.0], source_weight=40.0),
                ClassData(label=1, rows=2, first_id=100, weight_in=[0.5, 0.0], source_weight=0.5),
            ]
        )
    )
    ((row_ids, _, weights),) = batches(path, batch_size=4, num_epochs=1, shuffle=False)
    assert row_ids == [0, 1, 100, 101]
    # (1, 3) x 20/2 and (0.5, 0) x 2/2, scaled so that the mean, 40.5 / 4, becomes 1.
    assert weights == pytest.approx(np.array([10, 30, 0.5, 0]) / (40.5 / 4))
    assert batches(path, batch_size=4, num_epochs=1, shuffle=False, weights="stored")[0][2] == [
        10,
        30,
        0.5,
        0,
    ]


def test_eval_keeps_the_sources_distribution(dataset):
    path = dataset(Data(split="eval", classes=[ClassData(label=0, rows=9), ClassData(label=1, rows=1)]))
    (batch,) = batches(path, split="eval", batch_size=10, num_epochs=1)
    assert batch[2] == [1.0] * 10


def test_gzip_shards(dataset):
    path = dataset(Data(classes=THREE.classes, compression="gzip"))
    assert sorted(joined(ids(path, batch_size=8, num_epochs=1)))[-1] == 203


def test_keras_fits(dataset):
    path = dataset(THREE)
    train = InputFn(path, batch_size=8, mix="balanced", seed=1)
    inputs = {"id": tf.keras.Input((1,), name="id")}
    model = tf.keras.Model(inputs, tf.keras.layers.Dense(3, activation="softmax")(inputs["id"] / 200.0))
    model.compile("sgd", "sparse_categorical_crossentropy", weighted_metrics=["accuracy"])
    history = model.fit(train(), steps_per_epoch=train.steps_per_epoch, epochs=2, verbose=0)
    assert np.isfinite(history.history["loss"]).all()
    final = InputFn(path, batch_size=8, num_epochs=1)
    assert model.predict(final(), verbose=0).shape == (37, 3)


def test_an_iterator_can_be_checkpointed_and_restored(dataset, tmp_path):
    train = InputFn(dataset(THREE), batch_size=6, mix="balanced", batching="sampled", num_epochs=2)
    expected = [label.tolist() for _, label, _ in train().as_numpy_iterator()]
    iterator = iter(train())
    checkpoint = tf.train.Checkpoint(iterator=iterator)
    for _ in range(5):
        next(iterator)
    saved = checkpoint.save(str(tmp_path / "checkpoint"))
    restored = iter(train())
    tf.train.Checkpoint(iterator=restored).restore(saved)
    assert [label.numpy().tolist() for _, label, _ in restored] == expected[5:]
