"""Manifests, their documents, and edits of them."""

from __future__ import annotations

import copy
import json
from dataclasses import replace

from tests.tfrecord_io.shards import EMPTY
from tfrecord_io.manifest import ClassEntry, Shard, Split, content_id


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


def leaves(value, path=()):
    """The path of each scalar (and empty container) in a document."""
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    if not children:
        yield path
    for key, child in children:
        yield from leaves(child, (*path, key))


DOCUMENT = WHOLE.to_document()


LEAVES = [path for path in leaves(DOCUMENT) if path != ("dataset_id",)]


def at(document, path):
    for key in path:
        document = document[key]
    return document


def edited(path, value):
    document = copy.deepcopy(DOCUMENT)
    at(document, path[:-1])[path[-1]] = value
    return document
