"""One reading pipeline in a process of its own: seconds to the first batch, seconds of many, peak memory.

    python benchmarks/readers.py PIPELINE DATASET --batches 1600 [--start_step 0]

Prints one line of JSON. `read.py` runs these side by side.
"""

import argparse
import gc
import json
import resource
import time
from collections.abc import Callable
from pathlib import Path

import tensorflow as tf

from input_fns import InputFn
from tfrecord_io import Manifest

BATCH = 512
WARM_UP = 32

FEATURES: dict[str, object] = {
    **{f"f{number}": tf.io.FixedLenFeature([], tf.float32) for number in range(20)},
    **{name: tf.io.FixedLenFeature([], tf.int64) for name in ("id", "hour", "label")},
    **{name: tf.io.FixedLenFeature([], tf.string) for name in ("country", "device", "page")},
    "weight": tf.io.FixedLenFeature([], tf.float32),
}


def files_of(dataset: str) -> list[list[str]]:
    """The shards of each class."""
    classes = Manifest.load(dataset).split("train").classes
    return [[str(Path(dataset) / shard.path) for shard in one.shards] for one in classes]


def plain(dataset: str) -> tf.data.Dataset:
    """No sampling at all: the shards one after the other, parsed a batch at a time."""
    files = [path for paths in files_of(dataset) for path in paths]
    batches = tf.data.TFRecordDataset(files).repeat().batch(BATCH)
    parsed = batches.map(lambda records: tf.io.parse_example(records, FEATURES), num_parallel_calls=tf.data.AUTOTUNE)
    return parsed.prefetch(tf.data.AUTOTUNE)


def usual(dataset: str) -> tf.data.Dataset:
    """What tutorials write: one record at a time, sampled from the classes' datasets, shuffled, batched."""

    def one_class(paths: list[str]) -> tf.data.Dataset:
        records = tf.data.TFRecordDataset(paths).repeat()
        return records.map(lambda record: tf.io.parse_single_example(record, FEATURES))

    classes = [one_class(paths) for paths in files_of(dataset)]
    mixed = tf.data.Dataset.sample_from_datasets(classes, [1 / len(classes)] * len(classes), seed=1)
    return mixed.shuffle(10_000, seed=1).batch(BATCH).prefetch(tf.data.AUTOTUNE)


def input_fn(**options: object) -> Callable[..., tf.data.Dataset]:
    """InputFn with some options; shuffled, endless."""
    return lambda dataset, start_step=0: InputFn(dataset, batch_size=BATCH, seed=1, start_step=start_step, **options)()


PIPELINES: dict[str, Callable[..., tf.data.Dataset]] = {
    "plain": plain,
    "usual": usual,
    "exact": input_fn(mix="balanced"),
    "sampled": input_fn(mix="balanced", batching="sampled"),
    "stored": input_fn(),
}


def measured(pipeline: str, dataset: str, batches: int, start_step: int) -> dict[str, float]:
    """Seconds to the first batch, rows a second after a few, peak resident bytes."""
    options = {"start_step": start_step} if start_step else {}
    begin = time.perf_counter()
    batch = iter(PIPELINES[pipeline](dataset, **options))
    next(batch)
    first = time.perf_counter() - begin
    gc.disable()  # Python's collector would walk TensorFlow's modules in the middle of some turns.
    for _ in range(WARM_UP if batches else 0):
        next(batch)
    begin = time.perf_counter()
    for _ in range(batches):
        next(batch)
    seconds = time.perf_counter() - begin
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {"first": first, "rows_per_second": batches * BATCH / seconds, "peak": peak}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pipeline", choices=PIPELINES)
    parser.add_argument("dataset")
    parser.add_argument("--batches", type=int, default=1600)
    parser.add_argument("--start_step", type=int, default=0)
    asked = parser.parse_args()
    print(json.dumps(measured(asked.pipeline, asked.dataset, asked.batches, asked.start_step)), flush=True)
