"""Make the imbalanced files that the benchmarks read: 26 columns, about 227 bytes of CSV a row.

    python benchmarks/make_data.py DIR [--rows 8000000] [--format csv] [--labels two] [--files 8] [--seed 0]

Columns: `id`, `label`, twenty floats `f0` to `f19`, and four more: `hour` (int), `country`, `device`
and `page` (strings). `--format` is csv, parquet (row groups of pyarrow's default size) or tfrecord
(encoded by tfx_bsl, whose order of features is its own); the rows are the same in each. `--labels` is
`two` (1 % positives), `uniform` (`--classes` classes) or `head` (one row of each class but the first).

The same rows and seed give the same rows; CSV and Parquet the same bytes. Files are made side by side,
one process a core. Memory of each is bounded by a chunk of 100 000 rows, for Parquet by a row group. 8
million rows are about 1.8 GB of CSV. A folder that is already complete for the same parameters is used
as it is.
"""

import argparse
import json
import os
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import pairwise, repeat
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import csv as pa_csv
from rows import LABELS, RowMaker

COMPLETE = "complete.json"
ROW_GROUP_ROWS = 1 << 20
BATCH_ROWS = 8192

Summary = dict[str, Any]
Chunks = Iterator[pa.Table]


def write_csv(path: Path, chunks: Chunks) -> None:
    """Writes one CSV file with a header."""
    options = pa_csv.WriteOptions(include_header=False, quoting_style="none")
    with path.open("wb") as sink:
        for index, table in enumerate(chunks):
            if index == 0:
                sink.write(",".join(table.column_names).encode() + b"\n")
            pa_csv.write_csv(table, sink, options)


def write_parquet(path: Path, chunks: Chunks) -> None:
    """Writes one Parquet file, compressed as pyarrow does by default."""
    held: list[pa.Table] = []
    writer: pq.ParquetWriter | None = None
    for table in chunks:
        held.append(table)
        writer = writer or pq.ParquetWriter(path, table.schema)
        if sum(each.num_rows for each in held) >= ROW_GROUP_ROWS:
            together = pa.concat_tables(held)
            writer.write_table(together.slice(0, ROW_GROUP_ROWS), ROW_GROUP_ROWS)
            held = [together.slice(ROW_GROUP_ROWS)]
    if writer:
        if any(each.num_rows for each in held):
            writer.write_table(pa.concat_tables(held), ROW_GROUP_ROWS)
        writer.close()


def write_tfrecord(path: Path, chunks: Chunks) -> None:
    """Writes one TFRecord file of `tf.train.Example`."""
    from duckdb_script import RecordFile, feature_lists
    from tfx_bsl.coders import example_coder

    encoder = example_coder.RecordBatchToExamplesEncoder()
    sink = RecordFile(path)
    for table in chunks:
        for batch in table.combine_chunks().to_batches(BATCH_ROWS):
            sink.write(encoder.encode(feature_lists(batch)))
    sink.close()


WRITERS: dict[str, Callable[[Path, Chunks], None]] = {
    "csv": write_csv,
    "parquet": write_parquet,
    "tfrecord": write_tfrecord,
}


def make_file(path: Path, maker: RowMaker, bounds: tuple[int, int], index: int) -> Counter[int]:
    """Writes one file in the format that its name ends with, and returns its rows per class."""
    classes: Counter[int] = Counter()

    def counted() -> Chunks:
        rng = np.random.default_rng([maker.seed, index])
        for table in maker.chunks(bounds[0], bounds[1] - bounds[0], rng):
            values, counts = np.unique(table["label"].to_numpy(), return_counts=True)
            classes.update(dict(zip(values.tolist(), counts.tolist(), strict=True)))
            yield table

    WRITERS[path.suffix[1:]](path, counted())
    return classes


def existing(folder: Path, wanted: Summary) -> Summary | None:
    """Returns the summary of a folder that is complete for the wanted parameters, else None."""
    try:
        summary: Summary = json.loads((folder / COMPLETE).read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return None
    same = all(summary.get(name) == value for name, value in wanted.items())
    return summary if same and size_of(folder, wanted["format"]) == summary.get("bytes") else None


def size_of(folder: Path, form: str) -> int:
    """Adds up the bytes of a folder's files of one format."""
    return sum(path.stat().st_size for path in folder.glob(f"*.{form}"))


def make_data(folder: Path, maker: RowMaker, *, form: str, files: int) -> Summary:
    """Makes the files, or finds them complete, and returns their summary.

    Returns:
        The parameters, `bytes`, and `classes`: the rows of each class, by its label as text.

    Raises:
        ValueError: too few rows for so many files or classes, or the folder holds files not made here.
    """
    wanted: Summary = {**vars(maker), "format": form, "files": files, "version": 2}
    found = existing(folder, wanted)
    if found is not None:
        return found
    rows = maker.rows
    if not 1 <= files <= rows or (maker.labels != "two" and not 2 <= maker.classes <= rows):
        raise ValueError(f"rows={rows}, files={files}, classes={maker.classes}: needs a row for each file and class")
    if not (folder / COMPLETE).exists() and any(folder.glob(f"*.{form}")):
        raise ValueError(f"{folder} holds {form} files that this script did not make; name another folder")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / COMPLETE).write_text("{}\n")  # ours, and not complete: a broken run is made again
    for stale in folder.glob(f"*.{form}"):
        stale.unlink()
    digits = max(2, len(str(files - 1)))
    paths = [folder / f"part-{index:0{digits}d}.{form}" for index in range(files)]
    bounds = pairwise([rows * index // files for index in range(files + 1)])
    with ProcessPoolExecutor(min(files, len(os.sched_getaffinity(0)))) as pool:
        parts = pool.map(make_file, paths, repeat(maker), bounds, range(files))
        classes = sum(parts, Counter[int]())
    named = {str(label): classes[label] for label in sorted(classes)}
    summary = wanted | {"bytes": size_of(folder, form), "classes": named}
    (folder / COMPLETE).write_text(json.dumps(summary, sort_keys=True) + "\n")
    return summary


def main() -> None:
    """Command line of this file."""
    parser = argparse.ArgumentParser(description="Make the 26-column files of the benchmarks.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", type=int, default=8_000_000)
    parser.add_argument("--format", choices=WRITERS, default="csv")
    parser.add_argument("--labels", choices=LABELS, default="two")
    parser.add_argument("--classes", type=int, default=10_000, help="unless --labels two")
    parser.add_argument("--files", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    classes = 2 if options.labels == "two" else options.classes
    maker = RowMaker(labels=options.labels, rows=options.rows, classes=classes, seed=options.seed)
    summary = make_data(options.folder, maker, form=options.format, files=options.files)
    print(json.dumps(summary, sort_keys=True))


if __name__ == "__main__":
    main()
