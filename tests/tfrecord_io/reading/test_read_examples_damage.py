"""Damaged datasets: `read_examples` names the shard and the record, and never yields fewer rows in silence."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from tests.input_fns.conftest import ClassData, Data, write
from tfrecord_io import CorruptShardError, read_examples, read_records
from tfrecord_io.examples import encode_examples
from tfrecord_io.reading import passes
from tfrecord_io.records import frame

SHARD = "train/label=0/part-00001.tfrecord"


def framed(*payloads):
    return bytes(frame(pa.array(payloads, pa.large_binary())))


def example(**columns):
    """One record; a list is a feature of its values."""
    fields = {"id": 1, "label": 0, "weight": np.float32(1), "pair": [1, 2]} | columns
    arrays = {name: pa.array([fields[name]]) for name in sorted(fields) if fields[name] is not None}
    return encode_examples(pa.record_batch(arrays)).to_pylist()[0]


def cut(content, payloads):
    return content[:-5]


def flipped_payload(content, payloads):
    at = len(framed(*payloads[:3])) + 20
    return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]


def flipped_length(content, payloads):
    at = len(framed(*payloads[:3]))
    return content[:at] + struct.pack("<Q", 1 << 40) + content[at + 8 :]


def one_less(content, payloads):
    return framed(*payloads[:-1])


def one_more(content, payloads):
    return content + framed(payloads[0])


def garbage_behind(content, payloads):
    return content + b"more"


def empty(content, payloads):
    return b""


def with_record(**columns):
    return lambda content, payloads: framed(*payloads[:2], example(**columns), *payloads[3:])


def no_example(content, payloads):
    return framed(*payloads[:2], b"not an Example", *payloads[3:])


DAMAGES = [
    (cut, r"record 9 at byte \d+ is damaged: the file ends inside its"),
    (flipped_payload, r"record 3 at byte \d+ is damaged: the CRC of its payload does not match\."),
    (flipped_length, r"record 3 at byte \d+ is damaged: the CRC of its length does not match\."),
    (one_less, r"holds 9 rows, not the 10 of the manifest\."),
    (one_more, r"holds more rows, not the 10 of the manifest\."),
    (garbage_behind, r"record 10 at byte \d+ is damaged: the file ends inside its header"),
    (empty, r"holds 0 rows, not the 10 of the manifest\."),
    (None, r"is missing\. Restore the file, or write the dataset again\."),
    (
        with_record(id=np.float32(1)),
        r"record 2 at byte \d+ is damaged: feature 'id' is float32, elsewhere it is int64\. ",
    ),
    (with_record(id=[1, 2]), r"record 2 at byte \d+ is damaged: feature 'id' has 2 values; one is needed\. "),
    (with_record(id=None), r"record 2 at byte \d+ is damaged: feature 'id' is missing\. "),
    (with_record(weight=None), r"record 2 at byte \d+ is damaged: feature 'weight' is missing\. "),
    (with_record(label=None), r"record 2 at byte \d+ is damaged: feature 'label' is missing\. "),
    (with_record(label=1), r"record 2 at byte \d+ is damaged: its label is 1, but its shard is of class 0\. "),
    (with_record(pair=[1]), r"record 2 at byte \d+ is damaged: feature 'pair' has 1 values, not 2\. "),
    (with_record(pair=None), r"record 2 at byte \d+ is damaged: feature 'pair' is missing\. "),
    (no_example, r"record 2 at byte \d+ is damaged: .*Example"),
]


@pytest.fixture(scope="module")
def content(tmp_path_factory):
    """The files of a dataset."""
    folder = tmp_path_factory.mktemp("whole")
    data = Data(
        classes=[ClassData(label=0, rows=30, shards=3), ClassData(label=1, rows=3)],
        schema={"pair": {"dtype": "int64", "shape": [2]}},
        row=lambda number: {"pair": [number, 0]},
    )
    write(folder, data)
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def written(folder, content):
    for name, data in content.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return str(folder)


@pytest.mark.parametrize("window", [5, 8192])
@pytest.mark.parametrize(("damage", "message"), DAMAGES)
def test_damage_is_an_error_that_names_shard_and_record(tmp_path, content, monkeypatch, window, damage, message):
    monkeypatch.setattr(passes, "MIN_WINDOW", window)
    path = written(tmp_path, content)
    payloads = list(read_records(tmp_path / SHARD))
    batches = read_examples(path, batch_size=4, num_epochs=1, seed=1)
    others = read_examples(path, batch_size=3, mix={0: 0, 1: 1}, num_epochs=1)
    if damage is None:
        (tmp_path / SHARD).unlink()
    else:
        (tmp_path / SHARD).write_bytes(damage(content[SHARD], payloads))
    with pytest.raises(CorruptShardError, match=r".*/label=0/part-00001\.tfrecord:? " + message):
        list(batches)
    # Other classes are read all the same: of a class of share 0 nothing is opened.
    assert len(list(others)) == 11


@pytest.mark.parametrize(
    ("damage", "message"), [(cut, "has \\d+ bytes where the manifest says"), (None, "cannot be found")]
)
def test_damage_that_a_listing_shows_is_an_error_before_anything_is_read(tmp_path, content, damage, message):
    path = written(tmp_path, content)
    if damage is None:
        (tmp_path / SHARD).unlink()
    else:
        (tmp_path / SHARD).write_bytes(damage(content[SHARD], []))
    with pytest.raises(CorruptShardError, match=r"/label=0/part-00001\.tfrecord .*" + message):
        read_examples(path, batch_size=4)
    read_examples(path, batch_size=4, mix={0: 0, 1: 1})


def test_only_the_records_that_are_read_have_to_be_whole(tmp_path, content, monkeypatch):
    monkeypatch.setattr(passes, "MIN_WINDOW", 5)
    path = written(tmp_path, content)
    (tmp_path / SHARD).write_bytes(flipped_payload(content[SHARD], list(read_records(tmp_path / SHARD))))
    options = {"mix": {0: 1, 1: 0}, "batch_size": 5, "shuffle": False, "num_epochs": 1}
    assert next(read_examples(path, start_step=3, **options))[0]["id"].tolist() == [15, 16, 17, 18, 19]


@pytest.mark.parametrize("window", [5, 8192])
def test_a_damaged_gzip_shard(tmp_path, monkeypatch, window):
    monkeypatch.setattr(passes, "MIN_WINDOW", window)
    path = write(tmp_path, Data(classes=[ClassData(label=0, rows=30)], compression="gzip"))
    shard = tmp_path / "train/label=0/part-00000.tfrecord.gz"
    whole = shard.read_bytes()
    for damaged in (whole[:-9], whole[: len(whole) // 2], gzip.compress(gzip.decompress(whole)[:-3])):
        shard.write_bytes(whole)
        batches = read_examples(path, batch_size=4, num_epochs=1)
        shard.write_bytes(damaged)
        with pytest.raises(CorruptShardError, match=r"part-00000\.tfrecord\.gz: "):
            list(batches)


def test_files_are_open_only_while_they_are_read(tmp_path):
    path = write(tmp_path, Data(classes=[ClassData(label=k, rows=2, shards=2) for k in range(40)]))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(passes, "MIN_WINDOW", 1)
        batches = read_examples(path, batch_size=40, mix="balanced", seed=1)
        before = len(list(Path("/proc/self/fd").iterdir()))
        assert [len(next(batches)[1]) for _ in range(5)] == [40] * 5
        assert len(list(Path("/proc/self/fd").iterdir())) == before
