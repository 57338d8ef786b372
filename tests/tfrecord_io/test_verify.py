"""verify: a whole dataset is whole, and each kind of damage is named."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import replace

import pyarrow as pa
import pytest

from tests.tfrecord_io.shards import Rows, write
from tfrecord_io import ManifestError, verify
from tfrecord_io.manifest import content_id

FIRST = "train/label=0/part-00000.tfrecord"


SECOND = "train/label=0/part-00001.tfrecord"


OTHER = "train/label=1/part-00000.tfrecord"


@pytest.fixture
def dataset(tmp_path):
    """Two classes, of 5 and 2 rows of 100 each."""
    write(
        tmp_path,
        [
            [Rows(label=0, weight=20.0, rows=3), Rows(label=0, weight=20.0, rows=2)],
            [Rows(label=1, weight=50.0, rows=2)],
        ],
    )
    return tmp_path


def resealed(directory, change):
    """Edits the manifest and makes its dataset_id fit again."""
    path = directory / "manifest.json"
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document | {"dataset_id": content_id(document)}))


def record_bytes(directory):
    return (directory / OTHER).stat().st_size // 2


def test_a_whole_dataset(dataset):
    for path in (dataset, str(dataset), dataset / "manifest.json"):
        result = verify(path)
        assert result.whole
        assert (result.shards, result.rows, result.problems) == (3, 7, [])
        assert result.bytes == sum(file.stat().st_size for file in dataset.rglob("*.tfrecord"))


@pytest.mark.parametrize("compression", ["none", "gzip"])
@pytest.mark.parametrize(
    "labels", [[0, -1, 2**63 - 1], [0.0, 0.1, -2.5], ["", "a", "A", "é", b"\xff"], [False, True]], ids=str
)
def test_labels_of_every_kind(tmp_path, labels, compression):
    write(tmp_path, [[Rows(label=label, weight=50.0, rows=2)] for label in labels], compression=compression)
    result = verify(tmp_path)
    assert result.problems == []
    assert result.rows == 2 * len(labels)


def test_every_flipped_bit_of_a_shard(dataset):
    path = dataset / OTHER
    content = path.read_bytes()
    size = record_bytes(dataset)
    for bit in range(8 * len(content)):
        damaged = bytearray(content)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        result = verify(dataset)
        record = bit // 8 // size
        assert len(result.problems) == 2
        assert result.problems[0] == f"{OTHER}: its SHA-256 differs from the manifest's; its content was changed."
        assert result.problems[1].startswith(f"{OTHER}: record {record} at byte {record * size} is damaged: the CRC of")


def test_every_cut_of_a_shard(dataset):
    path = dataset / OTHER
    content = path.read_bytes()
    size = record_bytes(dataset)
    for length in range(len(content)):
        path.write_bytes(content[:length])
        problems = verify(dataset).problems
        assert problems[0] == f"{OTHER} has {length} bytes; the manifest says {len(content)}."
        record = length // size
        if length % size:
            assert problems[1].startswith(f"{OTHER}: record {record} at byte {record * size} is damaged: the file ends")
        else:
            assert len(problems) == 1


def test_gzip_damage(tmp_path):
    write(tmp_path, [[Rows(label=0, weight=25.0, rows=4)]], compression="gzip")
    path = tmp_path / "train/label=0/part-00000.tfrecord.gz"
    content = path.read_bytes()
    assert verify(tmp_path).whole
    for position in range(len(content)):
        path.write_bytes(content[:position] + bytes([content[position] ^ 16]) + content[position + 1 :])
        assert not verify(tmp_path).whole
        path.write_bytes(content[:position])
        assert not verify(tmp_path).whole


def test_a_missing_shard(dataset):
    (dataset / SECOND).unlink()
    assert verify(dataset).problems == [f"{SECOND} is missing."]


def test_a_folder_where_a_shard_should_be(dataset):
    (dataset / SECOND).unlink()
    (dataset / SECOND).mkdir()
    assert verify(dataset).problems == [f"{SECOND} is missing."]


def test_every_problem_is_listed(dataset):
    (dataset / FIRST).unlink()
    (dataset / OTHER).unlink()
    assert verify(dataset).problems == [f"{FIRST} is missing.", f"{OTHER} is missing."]


def test_swapped_shards_of_one_class(dataset):
    one, two = (dataset / name for name in (FIRST, SECOND))
    content = one.read_bytes(), two.read_bytes()
    one.write_bytes(content[1])
    two.write_bytes(content[0])
    problems = verify(dataset).problems
    assert [problem.split(" has ")[0] for problem in problems] == [FIRST, SECOND]
    assert all("bytes; the manifest says" in problem for problem in problems)


def test_shards_swapped_between_classes_of_one_size(tmp_path):
    write(tmp_path, [[Rows(label=label, weight=25.0, rows=4)] for label in (0, 1)])
    shutil.move(tmp_path / FIRST, tmp_path / "x")
    shutil.move(tmp_path / OTHER, tmp_path / FIRST)
    shutil.move(tmp_path / "x", tmp_path / OTHER)
    problems = verify(tmp_path).problems
    for name, found, wanted in ((FIRST, 1, 0), (OTHER, 0, 1)):
        assert f"{name}: its SHA-256 differs from the manifest's; its content was changed." in problems
        assert f"{name}: record 0 at byte 0: its label is int64 [{found}], not {wanted}." in problems
    assert len(problems) == 4


def test_a_shard_named_twice_by_the_manifest(dataset):
    """Digests fit, the totals do not."""

    def repeat(document):
        classes = document["splits"]["train"]["classes"]
        classes[0]["shards"].append(classes[0]["shards"][0])

    resealed(dataset, repeat)
    assert verify(dataset).problems == ["manifest.json: the shards of class 0 of train do not add up to its 5 rows."]


def test_a_record_that_is_no_example(dataset):
    from tfrecord_io.records import frame

    content = frame(pa.array([b"\xff\xff"] * 2, pa.large_binary())).to_pybytes()
    (dataset / OTHER).write_bytes(content)
    sums = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    resealed(dataset, lambda document: document["splits"]["train"]["classes"][1]["shards"][0].update(sums))
    (problem,) = verify(dataset).problems
    assert problem.startswith(f"{OTHER}: record 0 at byte 0: the record is no serialized tf.train.Example")


def test_a_wrong_count_in_the_manifest(dataset):
    def change(document):
        split = document["splits"]["train"]
        split["rows"] += 1
        split["classes"][1]["rows"] += 1
        split["classes"][1]["shards"][0]["rows"] += 1

    resealed(dataset, change)
    assert verify(dataset).problems == [f"{OTHER} holds 2 records; the manifest says 3."]


def test_totals_that_do_not_add_up(dataset):
    resealed(dataset, lambda document: document["splits"]["train"].update(rows=8))
    assert verify(dataset).problems == ["manifest.json: the classes of train do not add up to its 8 rows."]
    resealed(dataset, lambda document: document["splits"]["train"]["classes"][1].update(rows=3))
    assert verify(dataset).problems == ["manifest.json: the shards of class 1 of train do not add up to its 3 rows."]


def write_folds(directory, folds, **fields):
    """One class of two rows a fold, and shards of two rows in these folds."""
    manifest = write(directory, [[Rows(label=0, weight=50.0, rows=2)] * len(folds)])
    split = manifest.split("train")
    shards = tuple(replace(shard, fold=fold) for fold, shard in zip(folds, split.classes[0].shards, strict=True))
    entry = replace(split.classes[0], shards=shards, **{"rows": 2, "weight": 50.0, "folds": 2, **fields})
    (directory / "manifest.json").write_text(
        replace(manifest, splits={"train": replace(split, rows=2, classes=(entry,))}).to_json()
    )


def test_rows_are_those_of_one_fold(tmp_path):
    """Two disjoint folds of two rows each: the class has two rows."""
    write_folds(tmp_path, (0, 1))
    assert verify(tmp_path).problems == []
    assert verify(tmp_path).rows == 4


@pytest.mark.parametrize(
    ("folds", "fields", "problem"),
    [
        ((0, 2), {}, "are of fold 2, but it has 2"),
        ((1, 1), {}, "do not add up to its 2 rows"),
        ((0, 1, 1), {}, "hold 4 rows of fold 1, more than its 2"),
        ((0, 1, 1), {"rejected_rows": 2}, None),
    ],
)
def test_folds_that_contradict_their_class(tmp_path, folds, fields, problem):
    write_folds(tmp_path, folds, **fields)
    expected = [f"manifest.json: the shards of class 0 of train {problem}."] if problem else []
    assert verify(tmp_path).problems == expected


def test_rejected_rows_are_checked_by_their_digest(tmp_path):
    (tmp_path / "rejected").mkdir()
    (tmp_path / "rejected/a.jsonl").write_text("{}\n")
    sums = {"path": "rejected/a.jsonl", "rows": 1, "bytes": 3, "sha256": hashlib.sha256(b"{}\n").hexdigest()}
    write(tmp_path, [[Rows(label=0, weight=25.0, rows=4)]], rejected={"reasons": {"x": 1}, "files": [sums]})
    assert verify(tmp_path).whole
    (tmp_path / "rejected/a.jsonl").write_text("[]\n")
    assert verify(tmp_path).problems == [
        "rejected/a.jsonl: its SHA-256 differs from the manifest's; its content was changed."
    ]
    (tmp_path / "rejected/a.jsonl").unlink()
    assert verify(tmp_path).problems == ["rejected/a.jsonl is missing."]


def test_what_is_no_dataset(tmp_path):
    with pytest.raises(ManifestError, match="holds no dataset"):
        verify(tmp_path)


def test_files_that_no_manifest_names_are_no_damage(dataset):
    (dataset / "train/label=0/old.tfrecord").write_bytes(b"left by an earlier run")
    assert verify(dataset).whole
