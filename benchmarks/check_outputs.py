"""Read what a competitor wrote, all of it, with tfx_bsl's decoder: is it the sample that was asked for?

    python benchmarks/check_outputs.py FOLDER [--label label] [--id id] [--weight weight] [--threads 2]

Prints JSON about all TFRecord files below the folder, so a stale or half-written one shows: `files`,
`bytes`, `rows`, `classes` (for each label its rows and the sum of its weights), `features` (their names),
`incomplete` (those that some rows lack), `misplaced` (rows whose label is not that of their path's
`label=...`), `distinct_ids`. The checksums of each file's first 8192 records are compared. Memory: a few
batches, and 8 bytes a row for the ids.
"""

import argparse
import json
import mmap
import re
import struct
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from duckdb_script import masked_crc
from shared_iterator import SharedIterator
from tfx_bsl.coders import example_coder

BATCH_ROWS = 8192
_CLASS = re.compile(r"label=(\d+)")

Batch = tuple[str | None, list[bytes]]  # the label that the path names, and records


def read_batches(folder: Path) -> Iterator[Batch]:
    """Yields the records of all TFRecord files below a folder.

    Raises:
        ValueError: a file ends inside a record, or one of its first records does not fit its checksum.
    """
    for path in sorted(folder.rglob("*.tfrecord")):
        found = _CLASS.search(str(path.relative_to(folder)))
        label = found[1] if found else None
        records = read_records(path)
        yield label, list(islice(records, BATCH_ROWS))
        while batch := list(islice(records, BATCH_ROWS)):
            yield label, batch


def read_records(path: Path) -> Iterator[bytes]:
    """Yields the records of an uncompressed file, and compares the checksums of the first 8192."""
    size = path.stat().st_size
    if not size:
        return
    with path.open("rb") as source, mmap.mmap(source.fileno(), 0, access=mmap.ACCESS_READ) as data:
        start, index = 0, 0
        while start < size:
            length = struct.unpack_from("<Q", data, start)[0] if start + 12 <= size else size
            end = start + 12 + length
            if end + 4 > size:
                raise ValueError(f"{path} ends inside a record")
            record = data[start + 12 : end]
            if index < BATCH_ROWS and masked_crc(record) != struct.unpack_from("<I", data, end)[0]:
                raise ValueError(f"{path}: record {index} does not fit its checksum")
            yield record
            start, index = end + 4, index + 1


class Tally:
    """What was found so far, by one thread."""

    def __init__(self, columns: dict[str, str]) -> None:
        """Takes the names of the label, id and weight features."""
        self.rows: Counter[int] = Counter()
        self.weights: dict[int, float] = {}
        self.features: set[str] = set()
        self.incomplete: set[str] = set()
        self.misplaced = 0
        self.ids: list[npt.NDArray[np.int64]] = []
        self._columns = columns

    def add(self, label: str | None, decoded: pa.RecordBatch) -> None:
        """Adds a batch.

        Raises:
            ValueError: it has no label, id or weight.
        """
        names = decoded.schema.names
        if self.features and self.features != set(names):
            self.incomplete |= self.features ^ set(names)
        self.features |= set(names)
        self.incomplete |= {name for name in names if decoded.column(names.index(name)).null_count}
        labels, ids, weights = (self._values(decoded, self._columns[each]) for each in ("label", "id", "weight"))
        values, places, counts = np.unique(labels, return_inverse=True, return_counts=True)
        sums = np.bincount(places, weights=weights.astype(np.float64))
        self.rows.update(dict(zip(values.tolist(), counts.tolist(), strict=True)))
        for value, added in zip(values.tolist(), sums.tolist(), strict=True):
            self.weights[value] = self.weights.get(value, 0.0) + added
        self.ids.append(ids)
        if label is not None:
            self.misplaced += int(np.count_nonzero(labels != int(label)))

    @staticmethod
    def _values(decoded: pa.RecordBatch, name: str) -> npt.NDArray[Any]:
        index = decoded.schema.get_field_index(name)
        if index < 0 or len(values := decoded.column(index).flatten()) != decoded.num_rows:
            raise ValueError(f"not every row has one value of {name!r}; features: {decoded.schema.names}")
        found: npt.NDArray[Any] = values.to_numpy()
        return found


def tally_batches(batches: SharedIterator[Batch], columns: dict[str, str]) -> Tally:
    """Decodes batches until there are no more."""
    decoder = example_coder.ExamplesToRecordBatchDecoder()
    tally = Tally(columns)
    for label, records in batches:
        if records:
            tally.add(label, decoder.DecodeBatch(records))
    return tally


def describe(folder: Path, columns: dict[str, str], threads: int) -> dict[str, Any]:
    """Returns what the head of this file lists."""
    batches = SharedIterator(read_batches(folder))
    with ThreadPoolExecutor(threads) as pool:
        tallies = list(pool.map(lambda _: tally_batches(batches, columns), range(threads)))
    rows = sum((tally.rows for tally in tallies), Counter[int]())
    weights = {label: sum(tally.weights.get(label, 0.0) for tally in tallies) for label in rows}
    seen = [tally.features for tally in tallies if tally.features]
    features = set[str]().union(*seen)
    incomplete = set[str]().union(*(tally.incomplete for tally in tallies), *(features - each for each in seen))
    paths = list(folder.rglob("*.tfrecord"))
    ids = [each for tally in tallies for each in tally.ids]
    return {
        "files": len(paths),
        "bytes": sum(path.stat().st_size for path in paths),
        "rows": rows.total(),
        "classes": {str(label): {"rows": rows[label], "weight_sum": weights[label]} for label in sorted(rows)},
        "features": sorted(features),
        "incomplete": sorted(incomplete),
        "misplaced": sum(tally.misplaced for tally in tallies),
        "distinct_ids": len(np.unique(np.concatenate(ids))) if ids else 0,
    }


def main() -> None:
    """Command line of this file."""
    parser = argparse.ArgumentParser(description="Describe the TFRecord files of a folder, per class.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--label", default="label")
    parser.add_argument("--id", default="id")
    parser.add_argument("--weight", default="weight")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    columns = {"label": options.label, "id": options.id, "weight": options.weight}
    print(json.dumps(describe(options.folder, columns, options.threads), sort_keys=True))


if __name__ == "__main__":
    main()
