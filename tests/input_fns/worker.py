"""One worker of a MultiWorkerMirroredStrategy: `python -m tests.input_fns.worker custom|fit JOBS.json RESULTS.json`.

TF_CONFIG says which worker it is. The jobs are a list of {"path": ..., options of InputFn}; the results are what the
worker read of each, and the weights that it ended with.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import tensorflow as tf

from input_fns import InputFn


def main(loop: str, jobs: str, results: str) -> None:
    strategy = tf.distribute.MultiWorkerMirroredStrategy()
    loops = {"custom": custom, "fit": fit}
    found = [loops[loop](strategy, job) for job in json.loads(Path(jobs).read_text())]
    Path(results).write_text(json.dumps(found))


def scaled(ids):
    return tf.cast(ids, tf.float32)[:, tf.newaxis] / 1000


def custom(strategy, job):
    """A loop of one's own: the loss is the weighted mean over the rows of all workers."""
    train = InputFn(**job)
    with strategy.scope():
        model = tf.keras.Sequential([tf.keras.Input((1,)), tf.keras.layers.Dense(1)])
        optimizer = tf.keras.optimizers.SGD(0.05)

    @tf.function
    def step(features, label, weight):
        def in_replica(features, label, weight):
            total = tf.distribute.get_replica_context().all_reduce("sum", tf.reduce_sum(weight))
            with tf.GradientTape() as tape:
                logits = model(scaled(features["id"]))[:, 0]
                losses = tf.nn.sigmoid_cross_entropy_with_logits(tf.cast(label, tf.float32), logits)
                loss = tf.reduce_sum(losses * weight) / total
            gradients = tape.gradient(loss, model.trainable_variables)
            optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
            return features["id"], label, weight

        return strategy.run(in_replica, (features, label, weight))

    batches = []
    for batch in strategy.distribute_datasets_from_function(train):
        own = [strategy.experimental_local_results(part)[0].numpy().tolist() for part in step(*batch)]
        batches.append(dict(zip(("ids", "labels", "weights"), own, strict=True)))
    return {"batches": batches, "model": [weight.tolist() for weight in model.get_weights()]}


def fit(strategy, job):
    """Keras `fit`, of TensorFlow 2.15; InputFn is told of the workers beforehand, for its steps_per_epoch."""
    resolver = strategy.cluster_resolver
    workers = resolver.cluster_spec().num_tasks("worker")
    train = InputFn(
        **job, num_workers=workers, worker_index=resolver.task_id, map_fn=lambda x, *rest: (scaled(x["id"]), *rest)
    )
    with strategy.scope():
        model = tf.keras.Sequential([tf.keras.Input((1,)), tf.keras.layers.Dense(1)])
        model.compile(tf.keras.optimizers.SGD(0.05), tf.keras.losses.BinaryCrossentropy(from_logits=True))
    dataset = strategy.distribute_datasets_from_function(train)
    history = model.fit(dataset, steps_per_epoch=train.steps_per_epoch, epochs=2, verbose=0)
    return {
        "steps": train.steps_per_epoch,
        "loss": history.history["loss"],
        "model": [weight.tolist() for weight in model.get_weights()],
    }


if __name__ == "__main__":
    main(*sys.argv[1:])
