"""The Python of "Sampling on the fly" in docs/reading.md, run as it stands there, on real records and a real model."""

from __future__ import annotations

import textwrap
from pathlib import Path

import numpy as np
import tensorflow as tf

from tests.input_fns.conftest import feature

PAGE = Path(__file__).parents[2] / "docs" / "reading.md"


def model():
    age = tf.keras.Input([1], name="age")
    made = tf.keras.Model({"age": age}, tf.keras.layers.Dense(1, "sigmoid")(age))
    made.compile("sgd", "binary_crossentropy")
    return made


def test_the_page_s_program(tmp_path):
    with tf.io.TFRecordWriter(str(tmp_path / "rows")) as writer:
        for row in range(1000):
            values = {"age": float(row), "clicked": int(row % 100 == 7)}
            features = tf.train.Features(feature={name: feature(value) for name, value in values.items()})
            writer.write(tf.train.Example(features=features).SerializeToString())
    spec = {"age": tf.io.FixedLenFeature([], tf.float32), "clicked": tf.io.FixedLenFeature([], tf.int64)}
    names = {"files": [str(tmp_path / "rows")], "spec": spec, "model": model()}
    section = PAGE.read_text().split("## Sampling on the fly")[1]
    start, stop = section.index("    import tensorflow"), section.index("Class k has")
    program = textwrap.dedent(section[start:stop]).replace("steps_per_epoch=200, epochs=5", "steps_per_epoch=5")
    exec(compile(program, str(PAGE), "exec"), names)
    batch = next(iter(names["batches"].map(names["parse"])))
    features, label, weight = (part["age"].numpy() if isinstance(part, dict) else part.numpy() for part in batch)
    assert (label == (features % 100 == 7)).all()
    assert 200 < label.sum() < 312
    np.testing.assert_allclose(weight, np.where(label == 1, 0.02, 1.98), rtol=1e-6)
