"""What tf.data service, on loopback, gives of a dataset; as docs/reading.md says."""

from __future__ import annotations

import itertools
from collections import Counter
from pathlib import Path

import pytest
import tensorflow as tf

from input_fns import InputFn
from tests.input_fns.conftest import ClassData, Data, write
from tests.input_fns.processes import TWO
from tests.input_fns.reading_page import reading_page

service = tf.data.experimental.service
WORKERS = 2
EVERY_ROW = [*range(45), *range(1000, 1018)]


@pytest.fixture(scope="module")
def address():
    """Of a dispatcher with two workers in this process."""
    dispatcher = service.DispatchServer(service.DispatcherConfig(port=0))
    target = dispatcher.target.split("://")[1]
    config = service.WorkerConfig(dispatcher_address=target, heartbeat_interval_ms=100)
    workers = [service.WorkerServer(config) for _ in range(WORKERS)]
    yield dispatcher.target
    del workers, dispatcher


def ids(dataset, address, sharding):
    distributed = dataset.apply(service.distribute(sharding, address))
    return [features["id"].tolist() for features, _, _ in distributed.as_numpy_iterator()]


def test_off_gives_every_batch_once_for_each_worker(dataset, address):
    train = InputFn(dataset(TWO), batch_size=8, mix="balanced", num_epochs=1, seed=1)
    own = Counter(tuple(features["id"].tolist()) for features, _, _ in train().as_numpy_iterator())
    got = Counter(map(tuple, ids(train(), address, service.ShardingPolicy.OFF)))
    assert got == Counter({batch: WORKERS * count for batch, count in own.items()})


# 17000 rows of a class are streamed, 45 kept in memory.
@pytest.mark.parametrize("rows", [45, 17000])
def test_dynamic_gives_all_of_it_to_one_worker(tmp_path, address, rows):
    classes = [ClassData(label=0, rows=rows, shards=3), ClassData(label=1, rows=18, first_id=100_000)]
    train = InputFn(write(tmp_path / "dataset", Data(classes=classes)), batch_size=100, num_epochs=1, seed=1)
    own = [features["id"].tolist() for features, _, _ in train().as_numpy_iterator()]
    assert ids(train(), address, service.ShardingPolicy.DYNAMIC) == own


def test_dynamic_deals_out_the_parts_of_the_reading_page(dataset, address, tmp_path, monkeypatch):
    Path(dataset(TWO)).rename(tmp_path / "dataset")
    monkeypatch.chdir(tmp_path)
    (example,) = [block for block in reading_page("Distributed") if "to_variant" in block]
    names = {"tf": tf, "InputFn": InputFn, "dispatcher": address}
    exec(example.replace("batch_size=256", "batch_size=4"), names)
    got = [features["id"].tolist() for features, _, _ in names["train"].as_numpy_iterator()]
    assert len(got) == 2 * 8
    assert sorted(itertools.chain.from_iterable(got)) == EVERY_ROW
