"""TFRecords that other programs wrote: unusual bytes mean the same rows, and stay as they are."""

from __future__ import annotations

from pathlib import Path

import pytest
import tensorflow as tf

from tests.beam_jobs.conftest import Presample, decode
from tests.beam_jobs.test_sources_tfrecord import _write, example
from tests.tfrecord_io.example_bytes import ODD, field
from tfrecord_io.errors import SourceError

CONTEXT = field(2, field(1, field(1, b"frames") + field(2, field(1, example()))))
"""What a SequenceExample has behind its context, and an Example does not know."""


def _unpacked(label: int, **values: object) -> bytes:
    """The label as old writers put it: a number with a tag of its own, behind the other features."""
    value = field(2, field(3, b"\x08" + bytes([label])))
    return example(**values) + field(1, field(1, field(1, b"y") + value))


def _unusual(row: int) -> bytes:
    label, values = row % 2, {"id": row, "w": row / 4, "key": f"k{row}", "group": row % 20}
    written = {
        0: lambda: example(y=label, **values),
        1: lambda: _unpacked(label, **values),
        2: lambda: example(y=7) + example(y=label, **values),  # the last one counts
        3: lambda: example(y=label, **values) + CONTEXT,
        4: lambda: example(y=label, id=row) + example(w=row / 4, key=f"k{row}", group=row % 20),
    }
    return written[row // 2 % 5]()


def test_unusual_records_are_the_same_rows(presample: Presample, tmp_path: Path) -> None:
    usual = [example(y=i % 2, id=i, w=i / 4, key=f"k{i}", group=i % 20) for i in range(200)]
    unusual = [_unusual(i) for i in range(200)]
    options = {"row_id": ("key", "id"), "split_by": "group", "splits": "train=0.5,test=0.5", "weight_in": "w"}
    made = [
        presample(_write(tmp_path / f"{name}.tfrecord", records), **options, strategy="max=40")
        for name, records in (("usual", usual), ("unusual", unusual))
    ]
    for split in ("train", "test"):
        plain, other = (sorted((row["id"][0], row["weight"][0]) for row in each.rows(split=split)) for each in made)
        assert plain == other
        assert plain
    for shard in made[1].manifest.shards():
        for record in made[1].records(shard.path):
            original = unusual[decode(record)["id"][0]]
            assert record.startswith(original)
            assert list(decode(record[len(original) :])) == ["weight"]


def test_a_label_of_another_kind_is_a_bad_row(presample: Presample, tmp_path: Path) -> None:
    records = [example(y=i % 2, id=i) for i in range(40)]
    records[7] = example(y=1.0, id=7)
    records[9] = example(y=b"1", id=9)
    made = presample(_write(tmp_path / "rows.tfrecord", records), strategy="none", max_bad_fraction=0.1)
    assert made.ids() == dict.fromkeys(set(range(40)) - {7, 9}, 1)
    assert [row["message"] for row in made.rejected()] == [
        "the label in feature 'y' is float32, elsewhere it is int64.",
        "the label in feature 'y' is bytes, elsewhere it is int64.",
    ]


@pytest.mark.parametrize("name", sorted(set(ODD) - {"no key", "long key", "unknown in an entry"}))
def test_odd_records_among_others(presample: Presample, tmp_path: Path, name: str) -> None:
    """Each of them says 5 or 6, or nothing that counts."""
    records = [example(y=5, id=i) for i in range(30)] + [ODD[name]]
    made = presample(_write(tmp_path / "rows.tfrecord", records), strategy="none", max_bad_fraction=0.5)
    parsed = tf.train.Example.FromString(ODD[name]).features.feature
    values = list(parsed["y"].int64_list.value) if "y" in parsed else []
    rows = {5: 30}
    if len(values) == 1:
        rows[values[0]] = rows.get(values[0], 0) + 1
    assert made.sizes() == rows
    assert made.manifest.source["rejected_rows"] == (len(values) != 1)


def test_any_block_size_gives_the_same_bytes(presample: Presample, tmp_path: Path) -> None:
    records = [_unusual(i) if i % 3 else example(y=i % 2, id=i, w=0.5, key="k", group=i) for i in range(150)]
    path = _write(tmp_path / "rows.tfrecord", [*records, b"\xff", example(id=1)])
    options = {"strategy": "ratio=1.5", "splits": "train=0.7,eval=0.3", "max_bad_fraction": 0.1}
    files = [presample(path, block_size=size, **options).files() for size in (1, 700, 4 << 20)]
    assert files[0] == files[1] == files[2]


def test_rows_that_the_cut_leaves_out_leave_no_trace_in_the_schema(presample: Presample, tmp_path: Path) -> None:
    """Some of them would add a feature of their own; the kept ones are known from their bytes."""
    records = [example(y=0 if i % 10 else 1, id=i, **{f"only {i}": i}) for i in range(400)]
    made = presample(_write(tmp_path / "rows.tfrecord", records), strategy="balance")
    kept = {name for row in made.rows() for name in row} - {"weight"}
    assert set(made.manifest.schema) == kept
    assert len(kept) == 2 + 80


def test_the_weight_must_be_a_new_feature(presample: Presample, tmp_path: Path) -> None:
    """Also where only a record beyond the sample has it, as protobuf alone reads it."""
    records = [example(y=i % 2) for i in range(4200)] + [_unpacked(1, weight=1.0)]
    with pytest.raises(SourceError, match=r"--weight_out weight: .*rows\.tfrecord already has a feature of that name"):
        presample(_write(tmp_path / "rows.tfrecord", records), strategy="none")


def test_a_weight_of_another_kind_in_a_record_that_is_not_kept(presample: Presample, tmp_path: Path) -> None:
    records = [example(y=0, w=0.5)] * 4100 + [example(y=1, w=0.5)] * 100 + [example(y=1, w=2)] * 3
    made = presample(_write(tmp_path / "rows.tfrecord", records), strategy="max=1", weight_in="w")
    assert made.classes()[1].source_rows == 103
    assert made.classes()[1].source_weight == 56


def test_damage_in_a_record_that_is_not_kept(presample: Presample, tmp_path: Path) -> None:
    path = _write(tmp_path / "rows.tfrecord", [example(y=i % 2, id=i) for i in range(4200)])
    content = bytearray(path.read_bytes())
    content[-6] ^= 1
    path.write_bytes(content)
    with pytest.raises(SourceError, match=r"record 4199 at byte \d+ is damaged: the CRC of its payload"):
        presample(path, strategy="max=1")
