"""The manifest: what is written is read back, and its id is that of its content."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import pytest

from tests.tfrecord_io.documents import (
    DOCUMENT,
    LEAVES,
    WHOLE,
    at,
    edited,
    entry,
    shard,
    with_classes,
)
from tests.tfrecord_io.shards import EMPTY
from tfrecord_io import Manifest, ManifestError
from tfrecord_io.manifest import Split, content_id, manifest_path
from tfrecord_io.weights import weight_factors


def test_round_trip(tmp_path):
    (tmp_path / "manifest.json").write_text(WHOLE.to_json())
    for path in (tmp_path, str(tmp_path), f"{tmp_path}/", tmp_path / "manifest.json"):
        loaded = Manifest.load(path)
        assert loaded == WHOLE
        assert loaded.to_json() == WHOLE.to_json()
        assert loaded.dataset_id == WHOLE.dataset_id


def test_the_text_is_sorted_json_with_a_final_newline():
    text = WHOLE.to_json()
    assert text == json.dumps(json.loads(text), indent=2, sort_keys=True) + "\n"
    assert {"format": "presample", "format_version": 1}.items() <= json.loads(text).items()


@pytest.mark.parametrize(
    "labels",
    [[0, -1, 2**63 - 1, -(2**63)], [0.0, -0.5, 0.1, 1e20], ["", "a", "ü", "true", "0"], [b"\xff", "a"], [False, True]],
)
def test_labels_of_every_kind(labels):
    manifest = with_classes(*(entry(label) for label in labels))
    loaded = Manifest.from_json(manifest.to_json())
    found = [one.label for one in loaded.split("train").classes]
    assert found == labels
    assert list(map(type, found)) == list(map(type, labels))
    assert loaded == manifest


def test_labels_of_other_types_make_another_dataset():
    ids = {with_classes(entry(label)).dataset_id for label in (0, 0.0, False, "", "0", b"\xff")}
    assert len(ids) == 6


@pytest.mark.parametrize(
    "changes",
    [
        {"created": "2030-12-31T00:00:00Z"},
        {"producer": {}},
        {"producer": WHOLE.producer | {"job_id": "7", "runner": "DataflowRunner"}},
        {"source": WHOLE.source | {"patterns": ["elsewhere/*.csv", "b.csv"]}},
    ],
)
def test_the_dataset_id_says_nothing_of_who_wrote_it_and_when(changes):
    assert replace(WHOLE, **changes) != WHOLE
    assert replace(WHOLE, **changes).dataset_id == WHOLE.dataset_id


NO_CONTENT = [path for path in LEAVES if path[0] in ("created", "producer") or path[:2] == ("source", "patterns")]


def another(value):
    if isinstance(value, bool) or value is None:
        return not value
    if isinstance(value, str):
        return ("2" if value[:1] == "1" else "1") + value[1:]
    return value + 1 if isinstance(value, (int, float)) else {"x": 1} if isinstance(value, dict) else [1]


@pytest.mark.parametrize("path", LEAVES, ids=lambda path: ".".join(map(str, path)))
def test_the_dataset_id_depends_on_everything_else(path):
    changed = edited(path, another(at(DOCUMENT, path)))
    assert changed != DOCUMENT
    assert (content_id(changed) == DOCUMENT["dataset_id"]) == (path in NO_CONTENT)
    if path not in NO_CONTENT:
        with pytest.raises(ManifestError):
            Manifest.from_json(json.dumps(changed), name="m.json")


def test_no_dataset_there(tmp_path):
    (tmp_path / "file").write_text("")
    for path in (tmp_path, tmp_path / "absent", tmp_path / "file"):
        with pytest.raises(ManifestError, match=r"holds no dataset: there is no manifest\.json in it"):
            Manifest.load(path)


def test_a_manifest_that_cannot_be_read(tmp_path):
    (tmp_path / "manifest.json").mkdir()
    with pytest.raises(ManifestError, match=r"manifest\.json cannot be read: Is a directory\."):
        Manifest.load(tmp_path)


def test_errors_name_the_file(tmp_path):
    (tmp_path / "manifest.json").write_text("{")
    with pytest.raises(ManifestError) as caught:
        Manifest.load(tmp_path)
    assert str(caught.value).startswith(f"{tmp_path}/manifest.json is not valid JSON")


def test_an_opener_is_asked_for_one_file():
    opened = []

    def opener(path):
        opened.append(path)
        return io.BytesIO(WHOLE.to_json().encode())

    assert Manifest.load("gs://bucket/dataset/", opener=opener) == WHOLE
    assert opened == ["gs://bucket/dataset/manifest.json"]


@pytest.mark.parametrize(
    ("directory", "path"),
    [
        ("d", "d/manifest.json"),
        ("d/", "d/manifest.json"),
        ("manifest.json", "manifest.json"),
        ("gs://b", "gs://b/manifest.json"),
        ("d/manifest.json", "d/manifest.json"),
        ("/", "/manifest.json"),
        ("x_manifest.json", "x_manifest.json/manifest.json"),
    ],
)
def test_manifest_path(directory, path):
    assert manifest_path(directory) == path


def test_no_such_split():
    with pytest.raises(ValueError, match=r"There is no split 'eval'; this dataset has train\."):
        WHOLE.split("eval")
    with pytest.raises(ValueError, match="There is no split 'eval'"):
        WHOLE.stored_factors("eval")


def test_shards_of_every_split_and_class():
    split = Split(
        source_rows=1,
        rows=1,
        classes=(entry(0, shards=(shard("c"), shard("d", fold=1))), entry(1, shards=(shard("e"),))),
    )
    manifest = replace(
        EMPTY, splits={"train": split, "eval": replace(split, classes=(entry(2, shards=(shard("f"),)),))}
    )
    assert [one.path.rpartition("/")[2] for one in manifest.shards()] == ["c", "d", "e", "f"]


CLASSES = (
    entry(0, source_rows=100, source_weight=300.0, rows=10, weight=10.0),
    entry(1, source_rows=20, source_weight=100.0, rows=40, weight=0.5),
    entry(2, source_rows=7, source_weight=7.0, rows=0, weight=None, shards=()),
)


@pytest.mark.parametrize(
    ("weights", "factors"),
    [("none", {0: 1.0, 1: 1.0}), ("calibrated", {0: 10.0, 1: 0.5}), ("balanced", {0: 200 / 300 * 10, 1: 2 * 0.5})],
)
def test_stored_factors(weights, factors):
    manifest = with_classes(*CLASSES, sampling=EMPTY.sampling | {"weights": weights})
    assert manifest.stored_factors("train") == pytest.approx(factors)
    for name in ("eval", "test"):
        untouched = replace(manifest, splits={name: manifest.split("train")})
        assert untouched.stored_factors(name) == {0: 1.0, 1: 1.0}


def test_weight_factors_without_classes():
    for mode in ("none", "calibrated", "balanced"):
        assert weight_factors(mode, {}) == {}


def test_a_number_that_json_cannot_hold_is_not_written():
    with pytest.raises(ValueError, match="JSON"):
        with_classes(entry(0, source_weight=float("inf"))).to_json()
