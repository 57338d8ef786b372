"""tf.estimator, which TensorFlow 2.15 was the last to have: run by `make test-estimator`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from input_fns import InputFn
from tests.input_fns.conftest import ClassData, Data
from tests.input_fns.processes import TWO, run_workers
from tests.input_fns.reading_page import reading_page

pytestmark = pytest.mark.estimator

STEPS = 150
SHARE = 0.1
"""Of source rows that are "yes"; half of the kept ones are."""

SCHEMA = {
    "age": {"dtype": "float32", "shape": []},
    "country": {"dtype": "bytes", "shape": []},
    "words": {"dtype": "bytes", "shape": None},
}


def row(number):
    generator = np.random.default_rng(number)
    words = [str(word) for word in generator.choice(["a", "b", "c"], generator.integers(0, 3))]
    some = {"words": words} if words else {}
    return {"age": float(generator.normal()), "country": str(generator.choice(["de", "fr"])), **some}


@pytest.fixture
def path(dataset):
    train = [
        ClassData(label="no", rows=300, source_rows=2700, shards=2),
        ClassData(label="yes", rows=300, first_id=1000),
    ]
    final = [ClassData(label="no", rows=450, first_id=3000), ClassData(label="yes", rows=50, first_id=5000)]
    return dataset(
        Data(classes=train, schema=SCHEMA, row=row), Data(classes=final, split="eval", schema=SCHEMA, row=row)
    )


def columns():
    column = tf.feature_column
    return [
        column.numeric_column("age"),
        column.indicator_column(column.categorical_column_with_vocabulary_list("country", ["de", "fr"])),
        column.indicator_column(column.categorical_column_with_vocabulary_list("words", ["a", "b", "c"])),
    ]


def train_and_evaluate(train, final, tmp_path, config=None, **options):
    """What the classifier's evaluation says after STEPS steps."""
    classifier = tf.estimator.DNNClassifier(
        [4],
        columns(),
        model_dir=str(tmp_path / "model"),
        config=config,
        optimizer=lambda: tf.keras.optimizers.legacy.Adam(0.02),
        **options,
    )
    metrics, _ = tf.estimator.train_and_evaluate(
        classifier,
        tf.estimator.TrainSpec(train, max_steps=STEPS),
        tf.estimator.EvalSpec(final, steps=None, throttle_secs=0),
    )
    return metrics


def input_fns(path, start_step=0, **options):
    common = {"batch_size": 64, "structure": "estimator", "features": list(SCHEMA), **options}
    train = InputFn(path, mix="balanced", seed=1, start_step=start_step, **common)
    return train, InputFn(path, split="eval", num_epochs=1, shuffle=False, **common)


@pytest.mark.parametrize(
    ("label_ids", "vocabulary", "weights", "predicted"),
    [
        (False, ["no", "yes"], "auto", SHARE),
        (True, None, "auto", SHARE),
        (False, ["no", "yes"], "none", 0.5),
    ],
)
def test_a_classifier_trained_on_a_balanced_mix_predicts_the_sources_share(
    path, tmp_path, label_ids, vocabulary, weights, predicted
):
    train, final = input_fns(path, label_ids=label_ids, weights=weights)
    weight_column = None if weights == "none" else "weight"
    metrics = train_and_evaluate(train, final, tmp_path, label_vocabulary=vocabulary, weight_column=weight_column)
    assert metrics["global_step"] == STEPS
    assert metrics["label/mean"] == pytest.approx(SHARE)
    assert metrics["prediction/mean"] == pytest.approx(predicted, rel=0.2)


def test_a_mirrored_strategy_says_which_worker_it_is(path, tmp_path):
    def config():
        return tf.estimator.RunConfig(train_distribute=tf.distribute.MirroredStrategy(["CPU:0"]))

    options = {"label_vocabulary": ["no", "yes"], "weight_column": "weight"}
    train, final = input_fns(path)
    metrics = train_and_evaluate(train, final, tmp_path, config(), **options)
    assert metrics["global_step"] == STEPS
    assert metrics["prediction/mean"] == pytest.approx(SHARE, rel=0.2)
    # That the context is passed, is seen from what contradicts it.
    train, final = input_fns(path, num_workers=2, worker_index=1)
    with pytest.raises(ValueError, match="The input context is of worker 0 of 1"):
        train_and_evaluate(train, final, tmp_path / "contradicts", config(), **options)


def test_the_example_of_the_reading_page(dataset, tmp_path, monkeypatch):
    final = Data(classes=[ClassData(label=0, rows=90), ClassData(label=1, rows=10)], split="eval")
    Path(dataset(TWO, final)).rename(tmp_path / "dataset")
    monkeypatch.chdir(tmp_path)
    (example,) = [block for block in reading_page("Estimator") if "train_and_evaluate" in block]
    names = {"tf": tf, "InputFn": InputFn, "columns": [tf.feature_column.numeric_column("id")]}
    exec(example, names)
    assert names["metrics"]["global_step"] == 5
    assert names["metrics"]["label/mean"] == pytest.approx(0.1)


def test_training_that_was_interrupted_goes_on_from_its_global_step(path, tmp_path):
    def classifier(folder):
        options = {"label_vocabulary": ["no", "yes"], "weight_column": "weight"}
        config = tf.estimator.RunConfig(tf_random_seed=1)
        return tf.estimator.DNNClassifier([4], columns(), model_dir=str(tmp_path / folder), config=config, **options)

    whole, interrupted = classifier("whole"), classifier("interrupted")
    train, final = input_fns(path)
    whole.train(train, max_steps=30)
    interrupted.train(train, max_steps=13)
    step = int(interrupted.get_variable_value("global_step"))
    train, _ = input_fns(path, start_step=step)
    interrupted.train(train, max_steps=30)
    assert step == 13
    assert interrupted.evaluate(final) == pytest.approx(whole.evaluate(final), rel=1e-5)


@pytest.mark.parametrize("batching", ["exact", "sampled"])
@pytest.mark.parametrize("start_step", [0, 7])
def test_batches_in_a_graph_are_those_of_eager_mode(path, batching, start_step):
    mix = {"no": 0.7, "yes": 0.3}
    options = {"batch_size": 100, "mix": mix, "batching": batching, "num_epochs": 2, "features": ["id"], "seed": 3}
    eager = [features["id"].tolist() for features, _, _ in InputFn(path, **options)().as_numpy_iterator()]
    train = InputFn(path, start_step=start_step, **options)
    got = []
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        iterator = tf.compat.v1.data.make_initializable_iterator(train())
        features, _, _ = iterator.get_next()
        session.run(iterator.initializer)
        for _ in range(12 - start_step):
            got.append(session.run(features["id"]).tolist())
        with pytest.raises(tf.errors.OutOfRangeError):
            session.run(features["id"])
    assert got == eager[start_step:]


def test_keras_fits_under_a_multi_worker_strategy(dataset, tmp_path):
    job = {"path": dataset(TWO), "batch_size": 8, "mix": "balanced", "seed": 1}
    (one,), (other,) = run_workers(tmp_path, "fit", [job])
    assert one["steps"] == 4  # 63 rows in batches of 8 rows on each of two workers
    assert one["model"] == other["model"]
    assert one["loss"][1] < one["loss"][0]
