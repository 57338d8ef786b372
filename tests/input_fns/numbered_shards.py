"""Shards whose rows are numbered 0, 1, 2, ..., and the passes that the engine's parts make over them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import tensorflow as tf

from input_fns import seeds
from input_fns.kept import Kept
from input_fns.parsing import Parser
from input_fns.shards import Shards
from input_fns.streams import Streams
from tests.input_fns.conftest import feature
from tfrecord_io.reading.strata import ReadClass, ShardSlice, Stratum

KEY = seeds.key(1, "rows")
PARSER = Parser(
    features={"id": tf.io.FixedLenFeature([], tf.int64)},
    label="label",
    label_dtype="int64",
    labels=(0,),
    label_ids=False,
    weight=None,
    structure="keras",
)


def write_shards(folder: Path, rows: Sequence[int]) -> list[ShardSlice]:
    """One shard of so many rows each."""
    numbers = iter(range(sum(rows)))
    slices = []
    for shard, count in enumerate(rows):
        path = folder / f"{shard}.tfrecord"
        with tf.io.TFRecordWriter(str(path)) as writer:
            for _ in range(count):
                row = {"id": feature(next(numbers)), "label": feature(0)}
                writer.write(tf.train.Example(features=tf.train.Features(feature=row)).SerializeToString())
        size = path.stat().st_size
        slices.append(ShardSlice(path=str(path), first=0, rows=count, file_rows=count, bytes=size, fold=0))
    return slices


def stratum(slices: Sequence[ShardSlice], folds: int = 1) -> Stratum:
    """What is read of a class of one split."""
    rows = sum(one.rows for one in slices)
    return Stratum(
        name="'train'",
        label=0,
        source_rows=rows,
        source_weight=float(rows),
        folds=folds,
        factor=1.0,
        compression="none",
        slices=tuple(slices),
    )


def shards_of(*strata: Stratum) -> Shards:
    """The shards of one class."""
    return Shards([ReadClass(label=0, strata=strata)], [0], [[1.0] * len(strata)], PARSER)


def streamed(shards: Shards, key: seeds.Key | None, start: int, count: int) -> list[int]:
    """Rows `start` to `start + count` of the endless stream over the class."""
    blocks = Streams(shards=shards, key=key).rows_from(tf.constant(0, tf.int64), tf.constant(start, tf.int64))
    found: list[int] = []
    for block in blocks.as_numpy_iterator():
        found += block["id"].tolist()
        if len(found) >= count:
            break
    return found[:count]


def kept(shards: Shards, key: seeds.Key | None, start: int, count: int) -> list[int]:
    """The same of the class held in memory."""
    found = Kept(shards, key)
    columns = found.columns().get_single_element()
    drawn = found.draw(columns, tf.constant([start], tf.int64), tf.constant([count], tf.int64))
    return drawn["id"].numpy().tolist()
