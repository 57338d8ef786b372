"""Read what the competitors wrote, with tfx_bsl's decoder: are they samples of the same kind?

    python benchmarks/check_outputs.py FOLDER [--weight weight]

Prints JSON: for each class (from `label=...` in the paths) its rows, the sum of its weights, and the
names of its features. Every TFRecord file below the folder is read, so a stale or half-written one
shows. Memory: one file's records are never held; batches of 8192 are.
"""

import argparse
import json
import re
import struct
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
from tfx_bsl.coders import example_coder

BATCH_ROWS = 8192
_CLASS = re.compile(r"label=(\w+)")


def read_records(path: Path) -> Iterator[bytes]:
    """Yields the records of an uncompressed TFRecord file, without checking their CRC.

    Raises:
        ValueError: the file ends inside a record.
    """
    with path.open("rb") as source:
        while header := source.read(12):
            size = struct.unpack_from("<Q", header)[0]
            record = source.read(size)
            if len(record) != size or len(source.read(4)) != 4:
                raise ValueError(f"{path} ends inside a record")
            yield record


def describe(folder: Path, weight: str) -> dict[str, dict[str, Any]]:
    """Returns rows, weight sum and feature names of each class below a folder."""
    decoder = example_coder.ExamplesToRecordBatchDecoder()
    classes: dict[str, dict[str, Any]] = {}
    for path in sorted(folder.rglob("*.tfrecord")):
        found = _CLASS.search(str(path.relative_to(folder)))
        if found is None:
            continue
        entry = classes.setdefault(found[1], {"rows": 0, "weight_sum": 0.0, "features": []})
        records = read_records(path)
        while batch := list(islice(records, BATCH_ROWS)):
            columns = decoder.DecodeBatch(batch)
            entry["rows"] += len(batch)
            entry["features"] = sorted({*entry["features"], *columns.schema.names})
            if weight in columns.schema.names:
                weights = pc.list_flatten(columns.column(columns.schema.get_field_index(weight)))
                entry["weight_sum"] += pc.sum(pc.cast(weights, "float64")).as_py()
    return classes


def main() -> None:
    """Command line of this file."""
    parser = argparse.ArgumentParser(description="Describe the TFRecord files of a folder, per class.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--weight", default="weight")
    options = parser.parse_args()
    print(json.dumps(describe(options.folder, options.weight), sort_keys=True))


if __name__ == "__main__":
    main()
