"""Passes over real shards, longer than a window and than a run of batches."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from input_fns import seeds, streams
from input_fns.streams import MIN_WINDOW, ClassStream, StreamShard

ROWS = (9000, 300, 0, 11000)
KEY = seeds.key(1, "rows")


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    """Shards whose records are the numbers 0, 1, 2, ... as text."""
    directory = tmp_path_factory.mktemp("shards")
    paths, number = [], 0
    for shard, rows in enumerate(ROWS):
        paths.append(str(directory / f"{shard}.tfrecord"))
        with tf.io.TFRecordWriter(paths[-1]) as writer:
            for _ in range(rows):
                writer.write(str(number).encode())
                number += 1
    return tuple(paths)


def stream(paths, key=KEY, rows=ROWS):
    shards = tuple(StreamShard(path=path, rows=count) for path, count in zip(paths, rows, strict=True))
    return ClassStream(label="0", shards=shards, compression="", key=key)


def window_of(total):
    return int(streams.window_rows(tf.constant(total, tf.int64)))


def take(dataset, count):
    blocks, found = [], 0
    for block in dataset.as_numpy_iterator():
        blocks.append(block.astype(int))
        found += len(block)
        if found >= count:
            break
    return np.concatenate(blocks)[:count]


def test_a_pass_is_every_row_once_in_another_order_each_time(shards):
    rows = take(stream(shards).blocks_from(tf.constant(0, tf.int64)), 2 * sum(ROWS))
    first, second = rows[: sum(ROWS)], rows[sum(ROWS) :]
    assert (np.sort(first) == np.arange(sum(ROWS))).all()
    assert (np.sort(second) == np.arange(sum(ROWS))).all()
    assert (first != second).any()
    # Windows are shuffled: neighbours in the file are no neighbours any more.
    assert (np.abs(np.diff(first)) == 1).mean() < 0.01


def test_an_unshuffled_stream_is_in_stored_order(shards):
    rows = take(stream(shards, key=None).blocks_from(tf.constant(0, tf.int64)), 2 * sum(ROWS))
    assert (rows == np.tile(np.arange(sum(ROWS)), 2)).all()


@pytest.mark.parametrize("key", [None, KEY])
def test_a_stream_from_any_row_is_the_rest_of_the_stream(shards, key):
    one = stream(shards, key)
    window, total = window_of(sum(ROWS)), sum(ROWS)
    rows = take(one.blocks_from(tf.constant(0, tf.int64)), 3 * total)
    for start in (1, window - 1, window, window + 1, 9000, 9300, total - 1, total, total + 12345):
        rest = take(one.blocks_from(tf.constant(start, tf.int64)), total)
        assert (rest == rows[start : start + total]).all(), start


@pytest.mark.parametrize("key", [None, KEY])
def test_a_class_of_one_window_runs_in_passes_too(shards, key):
    one = stream(shards[1:2], key, rows=(300,))
    rows = take(one.blocks_from(tf.constant(0, tf.int64)), 900).reshape(3, 300)
    assert (np.sort(rows) == np.arange(9000, 9300)).all()
    assert (rows[0] != rows[1]).any() == (key is not None)
    rest = take(one.blocks_from(tf.constant(450, tf.int64)), 450)
    assert (rest == rows.ravel()[450:]).all()


@pytest.mark.parametrize("rows", [299, 301])
def test_a_class_of_one_window_has_the_manifests_rows(shards, rows):
    wrong = stream(shards[1:2], rows=(rows,))
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"hold other than the \d+ rows"):
        take(wrong.blocks_from(tf.constant(0, tf.int64)), 300)


@pytest.mark.parametrize("total", [1, 100, MIN_WINDOW, MIN_WINDOW + 1, 20300, 100_003, 10**6, 10**8 + 7])
def test_no_window_is_short(total):
    window = window_of(total)
    assert window <= 2 * MIN_WINDOW
    assert min(window, total) == total or window >= MIN_WINDOW
    assert total % window == 0 or total % window >= MIN_WINDOW


def test_batches_do_not_depend_on_the_runs_they_are_cut_in(shards, monkeypatch):
    sizes = np.random.default_rng(1).integers(0, 40, (60, 2))

    def cut():
        pair = [stream(shards), stream(shards, seeds.key(2, "rows"))]
        quotas = tf.data.Dataset.from_tensor_slices(sizes.astype(np.int64))
        return [[block.tolist() for block in batch] for batch in streams.mixed(pair, quotas).as_numpy_iterator()]

    whole = cut()
    assert [[len(block) for block in batch] for batch in whole] == sizes.tolist()
    monkeypatch.setattr(streams, "_RUNS", (1, 7, 3))
    assert cut() == whole


@pytest.mark.parametrize("rows", [(9000, 300, 0, 11001), (9000, 300, 0, 10999)])
def test_shards_with_other_than_the_manifests_rows_are_an_error(shards, rows):
    wrong = stream(shards, rows=rows)
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"shards of class 0 hold other than the \d+ rows"):
        take(wrong.blocks_from(tf.constant(0, tf.int64)), 2 * sum(rows))


def test_a_missing_shard_is_an_error_that_names_it(shards):
    gone = stream((*shards[:3], shards[3] + ".gone"))
    with pytest.raises(tf.errors.NotFoundError, match=r"3\.tfrecord\.gone"):
        take(gone.blocks_from(tf.constant(0, tf.int64)), sum(ROWS))
