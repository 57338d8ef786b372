"""Every way for a manifest to be damaged, and what is said of it."""

from __future__ import annotations

import copy
import json

import jsonschema
import pytest

from tests.tfrecord_io.documents import (
    DOCUMENT,
    LEAVES,
    WHOLE,
    at,
    edited,
    resealed,
)
from tfrecord_io import Manifest, ManifestError


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
