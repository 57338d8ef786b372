"""Passes over real shards, longer than a window and than a run of batches."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf

from input_fns import InputFn, kept, mixing, shards, streams
from input_fns.streams import MIN_WINDOW
from tests.input_fns.conftest import ClassData, Data
from tests.input_fns.numbered_shards import KEY, shards_of, stratum, streamed, write_shards

ROWS = (9000, 300, 0, 11000)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return write_shards(tmp_path_factory.mktemp("shards"), ROWS)


def window_of(total):
    return int(streams.window_rows(tf.constant(total, tf.int64), MIN_WINDOW))


def test_a_pass_is_every_row_once_in_another_order_each_time(files):
    rows = np.array(streamed(shards_of(stratum(files)), KEY, 0, 2 * sum(ROWS)))
    first, second = rows[: sum(ROWS)], rows[sum(ROWS) :]
    assert (np.sort(first) == np.arange(sum(ROWS))).all()
    assert (np.sort(second) == np.arange(sum(ROWS))).all()
    assert (first != second).any()
    # Windows are shuffled: neighbours in the file are no neighbours any more.
    assert (np.abs(np.diff(first)) == 1).mean() < 0.01


def test_an_unshuffled_stream_is_in_stored_order(files):
    rows = streamed(shards_of(stratum(files)), None, 0, 2 * sum(ROWS))
    assert rows == 2 * [*range(sum(ROWS))]


@pytest.mark.parametrize("key", [None, KEY])
def test_a_stream_from_any_row_is_the_rest_of_the_stream(files, key):
    one = shards_of(stratum(files))
    window, total = window_of(sum(ROWS)), sum(ROWS)
    rows = streamed(one, key, 0, 2 * total)
    for start in (window - 1, 9300, total + 12345):
        assert streamed(one, key, start, 500) == rows[start : start + 500], start


@pytest.mark.parametrize("key", [None, KEY])
def test_a_class_of_one_window_runs_in_passes_too(files, key):
    one = shards_of(stratum(files[1:2]))
    rows = np.array(streamed(one, key, 0, 900)).reshape(3, 300)
    assert (np.sort(rows) == np.arange(9000, 9300)).all()
    assert (rows[0] != rows[1]).any() == (key is not None)
    assert streamed(one, key, 450, 450) == rows.ravel()[450:].tolist()


@pytest.mark.parametrize("total", [1, 100, MIN_WINDOW, MIN_WINDOW + 1, 20300, 100_003, 10**6, 10**8 + 7])
def test_no_window_is_short(total):
    window = window_of(total)
    assert window <= 2 * MIN_WINDOW
    assert min(window, total) == total or window >= MIN_WINDOW
    assert total % window == 0 or total % window >= MIN_WINDOW


@pytest.mark.parametrize("kept_rows", [0, 20])
def test_batches_do_not_depend_on_the_runs_chunks_and_blocks_they_are_cut_in(dataset, monkeypatch, kept_rows):
    """Nor is a class of one window read otherwise than as a whole."""
    classes = [ClassData(label=0, rows=53, shards=4, source_rows=90), ClassData(label=1, rows=11, first_id=100)]
    path = dataset(Data(classes=classes))
    monkeypatch.setattr(kept, "KEPT_ROWS", kept_rows)

    def batches():
        train = InputFn(path, batch_size=6, mix={0: 0.7, 1: 0.3}, num_epochs=2)
        return [(f["id"].tolist(), label.tolist()) for f, label, _ in train().as_numpy_iterator()]

    whole = batches()
    assert len(whole) == 22
    for runs, chunk, blocks in (((1, 7, 3), 12, 5), ((5, 2, 2), 8192, 1)):
        monkeypatch.setattr(mixing, "_RUNS", runs)
        monkeypatch.setattr(mixing, "CHUNK_ROWS", chunk)
        monkeypatch.setattr(shards, "BLOCK_ROWS", blocks)
        assert batches() == whole


def test_options_set_later_change_no_batch(dataset, monkeypatch):
    """Chunks of rows that overtake each other would be cut into other batches."""
    monkeypatch.setattr(kept, "KEPT_ROWS", 0)
    monkeypatch.setattr(mixing, "CHUNK_ROWS", 16)
    path = dataset(Data(classes=[ClassData(label=0, rows=300, shards=5), ClassData(label=1, rows=200, first_id=1000)]))
    train = InputFn(path, batch_size=7, num_epochs=1, features=["id"])()
    options = tf.data.Options()
    options.deterministic = False
    loose = train.with_options(options)
    expected = [features["id"].tolist() for features, *_ in train.as_numpy_iterator()]
    assert sorted(row for batch in expected for row in batch) == [*range(300), *range(1000, 1200)]
    for _ in range(5):
        assert [features["id"].tolist() for features, *_ in loose.as_numpy_iterator()] == expected


@pytest.mark.parametrize(
    ("off", "message"),
    [(1, r"3\.tfrecord: record 11000 is missing"), (-1, r"3\.tfrecord: record 10999 is more than the manifest says")],
)
def test_a_shard_with_other_than_the_manifests_rows_is_an_error(files, off, message):
    wrong = replace(files[3], rows=ROWS[3] + off, file_rows=ROWS[3] + off)
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        streamed(shards_of(stratum([*files[:3], wrong])), KEY, 0, 2 * sum(ROWS))


def test_a_missing_shard_is_an_error_that_names_it(files):
    gone = replace(files[3], path=files[3].path + ".gone")
    with pytest.raises(tf.errors.NotFoundError, match=r"3\.tfrecord\.gone"):
        streamed(shards_of(stratum([*files[:3], gone])), KEY, 0, sum(ROWS))
