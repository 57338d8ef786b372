"""The manifest: what is written is read back, and every kind of damage is refused."""

from __future__ import annotations

import copy
import io
import json
from dataclasses import replace

import jsonschema
import pytest

from tests.tfrecord_io.shards import EMPTY
from tfrecord_io import Manifest, ManifestError
from tfrecord_io.manifest import ClassEntry, Shard, Split, content_id, manifest_path, weight_factors


def shard(name="part-00000-of-00001-abc.tfrecord", **fields):
    return Shard(**({"path": f"train/label=0/{name}", "rows": 10, "bytes": 500, "sha256": "0" * 64} | fields))


def entry(label=0, **fields):
    default = {"source_rows": 100, "source_weight": 100.0, "rows": 10, "weight": 10.0, "shards": (shard(),)}
    return ClassEntry(label=label, **(default | fields))


def with_classes(*classes, **changes):
    split = Split(source_rows=sum(c.source_rows for c in classes), rows=sum(c.rows for c in classes), classes=classes)
    return replace(EMPTY, splits={"train": split}, **changes)


WHOLE = with_classes(
    entry(0),
    entry(1, source_rows=5, source_weight=5.5, rows=0, weight=None, shards=(), rejected_rows=0),
    rejected={
        "reasons": {"too few fields": 3},
        "files": [{"path": "rejected/part-0.jsonl", "rows": 3, "bytes": 99, "sha256": "a" * 64}],
    },
)


def resealed(document):
    """The document with an id that fits, so that nothing but the schema can object."""
    return json.dumps(document | {"dataset_id": content_id(document)})


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


def leaves(value, path=()):
    """The path of each scalar (and empty container) in a document."""
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    if not children:
        yield path
    for key, child in children:
        yield from leaves(child, (*path, key))


DOCUMENT = WHOLE.to_document()
LEAVES = [path for path in leaves(DOCUMENT) if path != ("dataset_id",)]
NO_CONTENT = [path for path in LEAVES if path[0] in ("created", "producer") or path[:2] == ("source", "patterns")]


def at(document, path):
    for key in path:
        document = document[key]
    return document


def edited(path, value):
    document = copy.deepcopy(DOCUMENT)
    at(document, path[:-1])[path[-1]] = value
    return document


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


@pytest.mark.parametrize(
    "path",
    [
        ("splits", "train", "classes", 0, "shards", 0, "rows"),
        ("splits", "train", "classes", 0, "weight"),
        ("source", "bytes"),
    ],
)
def test_an_edited_number(path):
    with pytest.raises(
        ManifestError, match=r"m\.json was changed after it was written: its dataset_id [0-9a-f]{64} does not"
    ):
        Manifest.from_json(json.dumps(edited(path, 11)), name="m.json")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[1, 2",
        "nul",
        b"\xff\xfe\xfa",
        "{'format': 'presample'}",
        "[" * 200_000,
        "1" * 5000,
        WHOLE.to_json()[:-3],
    ],
)
def test_not_json(text):
    with pytest.raises(ManifestError, match=r"m\.json is not valid JSON \(.*\)\. Write the dataset again\."):
        Manifest.from_json(text, name="m.json")


@pytest.mark.parametrize(
    "text", ["[]", "null", "1", '"presample"', "{}", '{"format": "tfds"}', '{"format": ["presample"]}']
)
def test_no_presample_manifest(text):
    with pytest.raises(ManifestError, match=r"m\.json is not a presample manifest"):
        Manifest.from_json(text, name="m.json")


@pytest.mark.parametrize("version", [2, 99])
def test_a_newer_format(version):
    text = json.dumps({"format": "presample", "format_version": version, "unheard": "of"})
    with pytest.raises(
        ManifestError, match=rf"has format_version {version}; this version .* up to 1\. Upgrade presample\."
    ):
        Manifest.from_json(text)


@pytest.mark.parametrize("version", [0, -1, "1", None, 1.5, True, [1]])
def test_a_format_version_that_never_was(version):
    with pytest.raises(ManifestError, match=r"is damaged|was changed"):
        Manifest.from_json(json.dumps(DOCUMENT | {"format_version": version}))


def objects(value, path=()):
    """The path of each object with fixed keys."""
    if isinstance(value, dict):
        yield path
    for key, child in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from objects(child, (*path, key))


FREE = [("schema",), ("options",), ("producer",), ("splits",), ("rejected", "reasons")]
REQUIRED = [
    (*path, key)
    for path in objects(DOCUMENT)
    if path not in FREE
    for key in at(DOCUMENT, path)
    if key not in ("optional", "format")
]


@pytest.mark.parametrize("path", REQUIRED, ids=lambda path: ".".join(map(str, path)))
def test_a_missing_key(path):
    document = copy.deepcopy(DOCUMENT)
    del at(document, path[:-1])[path[-1]]
    with pytest.raises(ManifestError, match=r"is damaged: .*must contain"):
        Manifest.from_json(resealed(document) if path[0] not in ("dataset_id", "source") else json.dumps(document))


@pytest.mark.parametrize(
    "path",
    [
        path
        for path in objects(DOCUMENT)
        if path not in FREE and path[0:1] not in (("sampling",), ("source",), ("rejected",))
    ],
    ids=lambda path: ".".join(map(str, path)) or "top",
)
def test_an_unknown_key(path):
    with pytest.raises(ManifestError, match=r"is damaged: .*must not contain \{'surprise'\}"):
        Manifest.from_json(resealed(edited((*path, "surprise"), 1)))


@pytest.mark.parametrize(
    "path", [path for path in LEAVES if path[0] not in ("options", "producer", "dataset_id")], ids=str
)
def test_a_wrong_type(path):
    """A list or an object never stands where a number or a text does."""
    with pytest.raises(ManifestError, match=r"is damaged|not a presample manifest"):
        Manifest.from_json(resealed(edited(path, [{}] if not isinstance(at(DOCUMENT, path), list) else "text")))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("compression",), "zstd"),
        (("sampling", "weights"), "other"),
        (("sampling", "folds"), 0),
        (("schema", "x", "dtype"), "float64"),
        (("schema", "x", "shape"), [1, 2]),
        (("schema", "x", "shape"), [-1]),
        (("splits",), {}),
        (("splits", "train", "rows"), -1),
        (("splits", "train", "rows"), 1.5),
        (("splits", "train", "rows"), True),
        (("splits", "train", "classes", 0, "label"), None),
        (("splits", "train", "classes", 0, "label"), True),
        (("splits", "train", "classes", 0, "label"), {"bool": 1}),
        (("splits", "train", "classes", 0, "label"), {"bytes": "%%%"}),
        (("splits", "train", "classes", 0, "label"), {"bytes": "YQ==", "bool": True}),
        (("splits", "train", "classes", 0, "weight"), -0.5),
        (("splits", "train", "classes", 0, "shards", 0, "sha256"), "A" * 64),
        (("splits", "train", "classes", 0, "shards", 0, "sha256"), "a" * 63),
        (("dataset_id",), "abc"),
    ],
    ids=str,
)
def test_a_value_that_cannot_be(path, value):
    document = edited(path, value)
    with pytest.raises(ManifestError, match="is damaged"):
        Manifest.from_json(json.dumps(document) if path == ("dataset_id",) else resealed(document))


BAD_PATHS = [
    "",
    "/etc/passwd",
    "..",
    "../x",
    "a/../b",
    "a/..",
    "./a",
    "a/.",
    "a//b",
    "a\\b",
    "C:/x",
    "a\0b",
    "a\n/../../b",
    "a\n",
]


@pytest.mark.parametrize("bad", BAD_PATHS, ids=repr)
@pytest.mark.parametrize(
    "where",
    [("splits", "train", "classes", 0, "shards", 0, "path"), ("rejected", "files", 0, "path")],
    ids=lambda w: w[0],
)
def test_paths_never_lead_out_of_the_dataset(where, bad):
    with pytest.raises(ManifestError, match="is damaged"):
        Manifest.from_json(resealed(edited(where, bad)))


@pytest.mark.parametrize("good", ["a", "a/b", "train/label=%2E%2E/part", "a../b", "..a", "a...b", "~x", "é"])
def test_paths_that_are_fine(good):
    where = ("splits", "train", "classes", 0, "shards", 0, "path")
    assert next(Manifest.from_json(resealed(edited(where, good))).shards()).path == good


def test_the_schema_is_one():
    """By the reference implementation, too: what fastjsonschema takes is what the schema says."""
    import importlib.resources

    schema = json.loads(importlib.resources.files("tfrecord_io").joinpath("manifest.schema.json").read_text())
    jsonschema.Draft7Validator.check_schema(schema)
    validator = jsonschema.Draft7Validator(schema)
    assert not list(validator.iter_errors(DOCUMENT))
    for path in REQUIRED:
        broken = copy.deepcopy(DOCUMENT)
        del at(broken, path[:-1])[path[-1]]
        assert list(validator.iter_errors(broken))


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
