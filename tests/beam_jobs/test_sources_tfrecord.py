"""TFRecord files written by TensorFlow: labels of each kind, untouched payloads, damage."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf

from tests.beam_jobs.conftest import Presample, decode
from tests.input_fns.conftest import feature
from tfrecord_io.errors import SourceError
from tfrecord_io.verify import verify


def example(**values: Any) -> bytes:
    features = {n: v if isinstance(v, tf.train.Feature) else feature(v) for n, v in values.items()}
    return tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString()


def _bag(size: int) -> tf.train.Feature:
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=[b"x"] * size))


def _write(path: Path, records: list[bytes], compression: str = "") -> Path:
    with tf.io.TFRecordWriter(str(path), compression) as writer:
        for record in records:
            writer.write(record)
    return path


def _records(count: int = 60) -> list[bytes]:
    return [example(y=i % 3 // 2, id=i, name=f"row {i}", vec=[0.5, float(i)], bag=_bag(i % 4)) for i in range(count)]


@pytest.mark.parametrize("compression", ["", "GZIP"])
@pytest.mark.parametrize("out", ["none", "gzip"])
def test_payloads_stay_as_they_were_with_the_weight_appended(
    presample: Presample, tmp_path: Path, compression: str, out: str
) -> None:
    source = _records()
    path = _write(tmp_path / "rows.data", source, compression)
    made = presample(path, strategy="ratio=1.5", compression=out)
    assert made.sizes() == {0: 30, 1: 20}
    seen = set()
    for label, factor in ((0, 40 / 30), (1, 1.0)):
        for shard in made.classes()[label].shards:
            assert shard.path.endswith(".tfrecord.gz" if out == "gzip" else ".tfrecord")
            for record in made.records(shard.path):
                row = decode(record)
                original = source[row["id"][0]]
                assert record.startswith(original)
                assert decode(record[len(original) :]) == {"weight": [pytest.approx(factor)]}
                seen.add(row["id"][0])
    assert len(seen) == 50
    spec = {"weight": tf.io.FixedLenFeature([], tf.float32), "vec": tf.io.FixedLenFeature([2], tf.float32)}
    records = [record for shard in made.manifest.shards() for record in made.records(shard.path)]
    assert float(tf.reduce_sum(tf.io.parse_example(records, spec)["weight"])) == pytest.approx(60, rel=1e-6)
    assert verify(made.folder).problems == []


def test_the_schema_is_what_the_kept_records_hold(presample: Presample, tmp_path: Path) -> None:
    records = [
        example(y=0, always=1, pair=[1.0, 2.0], bag=_bag(i % 3), **({"some": b"s"} if i % 2 else {})) for i in range(9)
    ]
    made = presample(_write(tmp_path / "rows.tfrecord", records), strategy="none")
    assert made.manifest.schema == {
        "always": {"dtype": "int64", "shape": [], "optional": False},
        "bag": {"dtype": "bytes", "shape": None, "optional": False},
        "pair": {"dtype": "float32", "shape": [2], "optional": False},
        "some": {"dtype": "bytes", "shape": [], "optional": True},
        "y": {"dtype": "int64", "shape": [], "optional": False},
    }


@pytest.mark.parametrize(
    "labels",
    [[0, 1], [-1, 2**63 - 1, -(2**63)], [0.0, 0.1, -2.5], [b"", b"a"], [b"\xff", b"\x00"], ["", "é", "a/b"], [0]],
    ids=str,
)
def test_labels_of_any_kind(presample: Presample, tmp_path: Path, labels: list[Any]) -> None:
    records = [example(y=label, id=i) for i in range(5) for label in labels]
    made = presample(_write(tmp_path / "rows.tfrecord", records), strategy="max=4")
    expected = [value.decode() if isinstance(value, bytes) and value != b"\xff" else value for value in labels]
    assert made.sizes() == dict.fromkeys(expected, 4)
    assert {type(label) for label in made.sizes()} == {type(label) for label in expected}
    assert verify(made.folder).problems == []


def test_records_that_cannot_be_used_are_rejected(presample: Presample, tmp_path: Path) -> None:
    good = [example(y=i % 2, id=i, w=0.5) for i in range(20)]
    no_kind = tf.train.Example(features=tf.train.Features(feature={"y": tf.train.Feature(), "w": feature(1.0)}))
    bad = {
        3: (example(id=100, w=0.5), "missing"),
        4: (example(y=[0, 1], id=101, w=0.5), "2 values"),
        10: (b"\xff\xff\xff", "no serialized"),
        11: (no_kind.SerializeToString(), "missing"),
        14: (example(y=[], id=105, w=0.5), "missing"),
    }
    records = list(good)
    for index, (record, _) in sorted(bad.items()):
        records.insert(index, record)
    made = presample(_write(tmp_path / "rows.tfrecord", records), strategy="none", weight_in="w", max_bad_fraction=0.5)
    assert made.ids() == dict.fromkeys(range(20), 1)
    assert made.manifest.source["rejected_rows"] == len(bad) == len(made.rejected())
    offsets = [sum(len(record) + 16 for record in records[:index]) for index in sorted(bad)]
    assert [row["position"] for row in made.rejected()] == offsets
    for row, index in zip(made.rejected(), sorted(bad), strict=True):
        assert bad[index][1] in row["message"]


def test_a_missing_weight_ends_the_job(presample: Presample, tmp_path: Path) -> None:
    records = [example(y=i % 2, w=0.5) for i in range(20)] + [example(y=1)]
    with pytest.raises(SourceError, match="the weight in column 'w' is missing or NaN"):
        presample(_write(tmp_path / "rows.tfrecord", records), strategy="none", weight_in="w")


def test_row_ids_splits_and_weights(presample: Presample, tmp_path: Path) -> None:
    records = [example(y=i % 2, id=i, key=f"k{i}", group=i % 40, w=float(i % 5)) for i in range(400)]
    one = _write(tmp_path / "all.tfrecord", records)
    options = {"row_id": ("key", "id"), "split_by": "group", "splits": "train=0.5,eval=0.5", "weight_in": "w"}
    made = presample(one, **options, strategy="max=60")
    (tmp_path / "parts").mkdir()
    for part in range(3):
        _write(tmp_path / f"parts/{part}.gz", records[::-1][part::3], "GZIP")
    again = presample(tmp_path / "parts/*", **options, strategy="max=60")
    assert made.files() == again.files()
    groups = [{row["group"][0] for row in made.rows(split=split)} for split in ("train", "eval")]
    assert groups[0]
    assert groups[1]
    assert not groups[0] & groups[1]
    assert all(row["weight"] == row["w"] for row in made.rows(split="eval"))
    with pytest.raises(SourceError, match=r"more than one row has the id 7"):
        presample(_write(tmp_path / "twice.tfrecord", [*records, records[7]]), row_id=("id",), strategy="none")


def test_damage_ends_the_job(presample: Presample, tmp_path: Path) -> None:
    path = _write(tmp_path / "rows.tfrecord", _records())
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(SourceError, match=r"rows\.tfrecord: record \d+ at byte \d+ is damaged: the CRC"):
        presample(path)
    content[len(content) // 2] ^= 1
    path.write_bytes(content[:-3])
    with pytest.raises(SourceError, match="ends inside"):
        presample(path)
    path.write_bytes(gzip.compress(bytes(content))[:-30])
    with pytest.raises(SourceError, match="cut short"):
        presample(path)
    assert not list(tmp_path.glob("dataset*"))


def test_a_feature_of_two_types_ends_the_job(presample: Presample, tmp_path: Path) -> None:
    records = [example(y=0, v=1) for _ in range(5000)] + [example(y=0, v=1.5)]
    with pytest.raises(SourceError, match=r"'v'.*float32"):
        presample(_write(tmp_path / "rows.tfrecord", records), strategy="none")


def test_an_empty_gzip_before_others(presample: Presample, tmp_path: Path) -> None:
    _write(tmp_path / "a.gz", [], "GZIP")
    (tmp_path / "a.gz").write_bytes(gzip.compress(b""))
    _write(tmp_path / "b.gz", _records(), "GZIP")
    made = presample(tmp_path / "*.gz", strategy="none")
    assert made.manifest.source["format"] == "tfrecord"
    assert len(made.rows()) == 60
