"""Keras: a model of features of every kind, fitted, validated and evaluated."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from input_fns import InputFn
from tests.input_fns.conftest import ClassData, Data

SCHEMA = {
    "age": {"dtype": "float32", "shape": []},
    "place": {"dtype": "float32", "shape": [2]},
    "country": {"dtype": "bytes", "shape": []},
    "words": {"dtype": "bytes", "shape": None},
}


def row(number):
    generator = np.random.default_rng(number)
    words = [str(word) for word in generator.choice(["a", "b", "c"], generator.integers(0, 3))]
    return {
        "age": float(generator.normal()),
        "place": [float(value) for value in generator.normal(size=2)],
        "country": str(generator.choice(["de", "fr"])),
        **({"words": words} if words else {}),
    }


@pytest.fixture
def path(dataset):
    train = [ClassData(label="no", rows=60, source_rows=540), ClassData(label="yes", rows=60, first_id=1000)]
    final = [ClassData(label="no", rows=45, first_id=2000), ClassData(label="yes", rows=5, first_id=3000)]
    return dataset(
        Data(classes=train, schema=SCHEMA, row=row), Data(classes=final, split="eval", schema=SCHEMA, row=row)
    )


def classifier():
    layers = tf.keras.layers
    inputs = {
        "age": tf.keras.Input((1,), name="age"),
        "place": tf.keras.Input((2,), name="place"),
        "country": tf.keras.Input((1,), dtype="string", name="country"),
        "words": tf.keras.Input((None,), dtype="string", sparse=True, name="words"),
    }
    country = layers.StringLookup(vocabulary=["de", "fr"], output_mode="one_hot")(inputs["country"])
    words = layers.StringLookup(vocabulary=["a", "b", "c"], output_mode="multi_hot")(inputs["words"])
    joined = layers.Concatenate()([inputs["age"], inputs["place"], country, words])
    model = tf.keras.Model(inputs, layers.Dense(1, activation="sigmoid")(joined))
    model.compile("adam", "binary_crossentropy", weighted_metrics=["accuracy"])
    return model


def test_keras_fits_and_validates_on_features_of_every_kind(path):
    options = {"batch_size": 16, "features": list(SCHEMA), "label_ids": True}
    train = InputFn(path, mix="balanced", seed=1, **options)
    final = InputFn(path, split="eval", num_epochs=1, shuffle=False, **options)
    model = classifier()
    history = model.fit(
        train(), steps_per_epoch=train.steps_per_epoch, epochs=3, validation_data=final(), verbose=0
    ).history
    assert int(model.optimizer.iterations) == 3 * train.steps_per_epoch
    assert history["loss"][2] < history["loss"][0]
    metrics = model.evaluate(final(), return_dict=True, verbose=0)
    assert metrics["loss"] == pytest.approx(history["val_loss"][2])
    label = np.concatenate([label.numpy() for _, label, _ in final()])
    assert sorted(label) == [0] * 45 + [1] * 5
    predicted = model.predict(final(), verbose=0)[:, 0]
    assert metrics["accuracy"] == pytest.approx(((predicted > 0.5) == label).mean())
    assert metrics["loss"] == pytest.approx(-np.log(np.where(label, predicted, 1 - predicted)).mean(), rel=1e-4)
