"""Damaged shards: an error that names the shard and the record, never silence or fewer rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from input_fns import InputFn
from tests.input_fns.conftest import ClassData, Data
from tfrecord_io.errors import CorruptShardError

CLASSES = [ClassData(label=0, rows=10, shards=2), ClassData(label=1, rows=5, first_id=100)]
OPTIONS = {"batch_size": 4, "num_epochs": 1, "shuffle": False, "structure": "dict"}

damaged_shard = pytest.mark.parametrize("kept_rows", [0, 2**14])


@pytest.fixture
def part(dataset):
    """The second shard of class 0: five records."""
    path = dataset(Data(classes=CLASSES))
    return Path(path) / "train" / "label=0" / "part-00001.tfrecord"


def root_of(part):
    return part.parents[2]


def read(batches):
    return np.concatenate([batch["id"] for batch in batches.as_numpy_iterator()]).tolist()


def record_ends(content):
    """Where each record of a TFRecord file ends: 8 bytes of length, 4 of its CRC, the data, 4 of its CRC."""
    ends, at = [], 0
    while at < len(content):
        at += 16 + int.from_bytes(content[at : at + 8], "little")
        ends.append(at)
    return ends


@damaged_shard
def test_a_flipped_byte_names_shard_and_record(part, in_small, kept_rows):
    in_small(kept_rows)
    batches = InputFn(root_of(part), **OPTIONS)()
    content = part.read_bytes()
    ends = record_ends(content)
    assert len(ends) == 5
    # A record's length, the length's checksum, its data and their checksum; the first byte and the last.
    begin, end = ends[1], ends[2]
    positions = [begin, begin + 9, begin + 30, end - 1, 0, ends[-1] - 1]
    if kept_rows:
        positions += [*range(begin + 1, begin + 12, 3), *range(begin + 13, end, 10)]
    for position in positions:
        broken = bytearray(content)
        broken[position] ^= 0x10
        part.write_bytes(broken)
        record = next(number for number, end in enumerate(ends) if position < end)
        with pytest.raises(tf.errors.InvalidArgumentError) as raised:
            read(batches)
        assert f"{part}: record {record} is missing, cut short or damaged." in str(raised.value), position
    part.write_bytes(content)
    assert sorted(read(batches)) == [*range(10), *range(100, 105)]


@damaged_shard
def test_a_shard_cut_at_any_byte_is_found_before_training_and_while_it_runs(part, in_small, kept_rows):
    in_small(kept_rows)
    train = InputFn(root_of(part), **OPTIONS)
    batches = train()
    content = part.read_bytes()
    ends = record_ends(content)
    sizes = [0, 11, ends[0], ends[2] - 1, len(content) - 1]
    if kept_rows:
        sizes += [1, 12, 30, ends[0] + 5, ends[2], ends[3] + 12]
    for size in sizes:
        part.write_bytes(content[:size])
        with pytest.raises(CorruptShardError, match=rf"label=0/part-00001\.tfrecord has {size} bytes where"):
            train()
        record = next(number for number, end in enumerate(ends) if size < end)
        with pytest.raises(tf.errors.InvalidArgumentError) as raised:
            read(batches)
        assert f"{part}: record {record} is missing, cut short or damaged." in str(raised.value), size


@damaged_shard
def test_records_too_many_and_a_shard_gone(part, in_small, kept_rows):
    in_small(kept_rows)
    train = InputFn(root_of(part), **OPTIONS)
    batches = train()
    content = part.read_bytes()
    part.write_bytes(content + content[: record_ends(content)[0]])
    with pytest.raises(CorruptShardError, match=r"part-00001\.tfrecord has \d+ bytes where the manifest says"):
        train()
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"part-00001\.tfrecord: record 5 is more than the mani"):
        read(batches)
    part.unlink()
    with pytest.raises(CorruptShardError, match=r"part-00001\.tfrecord is named by the manifest, but cannot be found"):
        train()
    with pytest.raises(tf.errors.NotFoundError, match=r"part-00001\.tfrecord"):
        read(batches)


@damaged_shard
def test_shards_of_two_classes_that_changed_places(part, in_small, kept_rows):
    in_small(kept_rows)
    other = root_of(part) / "train" / "label=1" / "part-00000.tfrecord"
    batches = InputFn(root_of(part), **OPTIONS)()
    mine, others = part.read_bytes(), other.read_bytes()
    part.write_bytes(others)
    other.write_bytes(mine)
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"shard of class.*\s.*holds a record of class"):
        read(batches)


@damaged_shard
def test_a_damaged_compressed_shard_never_yields_other_rows(dataset, in_small, kept_rows):
    """A byte that only says when or where the file was compressed may change; no other may."""
    in_small(kept_rows)
    path = Path(dataset(Data(classes=CLASSES, compression="gzip")))
    part = path / "train" / "label=0" / "part-00001.tfrecord.gz"
    batches = InputFn(path, **OPTIONS)()
    whole = read(batches)
    assert sorted(whole) == [*range(10), *range(100, 105)]
    content = part.read_bytes()
    step = 9 if kept_rows else 37
    damaged = [content[:size] for size in range(0, len(content) - 8, 3 * step)]
    for position in range(0, len(content), step):
        flipped = bytearray(content)
        flipped[position] ^= 0x04
        damaged.append(bytes(flipped))
    outcomes = []
    for broken in damaged:
        part.write_bytes(broken)
        try:
            outcomes.append(read(batches) == whole)
        except tf.errors.OpError as error:
            outcomes.append(f"{part}: record " in str(error))
    assert all(outcomes), [damage for damage, right in enumerate(outcomes) if not right]


@pytest.mark.parametrize("worker", [0, 1])
def test_a_worker_finds_the_damage_in_its_own_rows(dataset, in_small, worker):
    in_small(0)
    path = Path(dataset(Data(classes=[ClassData(label=0, rows=10)])))
    part = path / "train" / "label=0" / "part-00000.tfrecord"
    batches = InputFn(path, num_workers=2, worker_index=worker, **OPTIONS)()
    rows = read(batches)
    content = part.read_bytes()
    assert rows == [*range(5 * worker, 5 * worker + 5)]
    for row, end in enumerate(record_ends(content)):
        part.write_bytes(content[: end - 4] + bytes(4) + content[end:])
        if row in rows:
            with pytest.raises(tf.errors.InvalidArgumentError, match=rf"part-00000\.tfrecord: record {row} is missing"):
                read(batches)
        elif row > max(rows):
            assert read(batches) == rows
