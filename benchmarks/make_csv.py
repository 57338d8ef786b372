"""Make the imbalanced CSV that the benchmarks read: 26 columns, about 227 bytes a row, 1 % positives.

    python benchmarks/make_csv.py DIR [--rows 8000000] [--files 8] [--seed 0]

Columns: `id`, `label`, twenty floats `f0` to `f19`, and four more: `hour` (int), `country`, `device`
and `page` (strings). The same rows and seed give the same bytes. Memory is bounded by one chunk of
100 000 rows; 8 million rows are about 1.8 GB on disk. A folder that is already complete for the same
parameters is used as it is.
"""

import argparse
import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import csv as pa_csv

COMPLETE = "complete.json"
CHUNK_ROWS = 100_000
POSITIVE_RATE = 0.01
FLOATS = 20
COUNTRIES = np.array(["us", "de", "fr", "jp", "br", "in", "gb", "za"])
DEVICES = np.array(["ios", "android", "web"])
SECTIONS = np.array(["home", "search", "product", "basket", "account", "help"])
PAGES = 5_000

Summary = dict[str, Any]


def chunk_table(first_id: int, rows: int, rng: np.random.Generator) -> pa.Table:
    """Makes one chunk of rows; the floats of a positive lie 0.3 standard deviations higher."""
    label = (rng.random(rows) < POSITIVE_RATE).astype(np.int64)
    columns: dict[str, Any] = {"id": np.arange(first_id, first_id + rows, dtype=np.int64), "label": label}
    noise = rng.standard_normal((FLOATS, rows), dtype=np.float32) + np.float32(0.3) * label.astype(np.float32)
    for index, values in enumerate(noise):
        columns[f"f{index}"] = values.round(6)
    columns["hour"] = rng.integers(0, 24, rows)
    columns["country"] = COUNTRIES[rng.integers(0, len(COUNTRIES), rows)]
    columns["device"] = DEVICES[rng.integers(0, len(DEVICES), rows)]
    # A dictionary of pages, so that the strings are built once and not once a row.
    section = SECTIONS[np.arange(PAGES) % len(SECTIONS)]
    pages = pa.array([f"/{name}/{number:05d}.html" for number, name in enumerate(section)])
    columns["page"] = pages.take(pa.array(rng.integers(0, PAGES, rows)))
    return pa.table(columns)


def write_file(path: Path, first_id: int, rows: int, rng: np.random.Generator) -> dict[str, int]:
    """Writes one CSV file with a header and returns its rows per class."""
    classes = {"0": 0, "1": 0}
    options = pa_csv.WriteOptions(include_header=False, quoting_style="none")
    with path.open("wb") as sink:
        for start in range(0, rows, CHUNK_ROWS):
            table = chunk_table(first_id + start, min(CHUNK_ROWS, rows - start), rng)
            if start == 0:
                sink.write(",".join(table.column_names).encode() + b"\n")
            pa_csv.write_csv(table, sink, options)
            positives = int(table["label"].to_numpy().sum())
            classes["1"] += positives
            classes["0"] += table.num_rows - positives
    return classes


def existing(folder: Path, wanted: Summary) -> Summary | None:
    """Returns the summary of a folder that is complete for the wanted parameters, else None."""
    try:
        summary: Summary = json.loads((folder / COMPLETE).read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return None
    same = all(summary.get(name) == value for name, value in wanted.items())
    size = sum(path.stat().st_size for path in folder.glob("*.csv"))
    return summary if same and size == summary.get("bytes") else None


def make_csv(folder: Path, *, rows: int = 8_000_000, files: int = 8, seed: int = 0) -> Summary:
    """Makes the files, or finds them complete, and returns their summary.

    Returns:
        `rows`, `files`, `seed`, `bytes`, and `classes`: the rows of each class, by its label as text.

    Raises:
        ValueError: there are fewer rows than files, or the folder holds CSV files that were not made here.
    """
    wanted: Summary = {"rows": rows, "files": files, "seed": seed, "version": 1}
    found = existing(folder, wanted)
    if found is not None:
        return found
    if not 1 <= files <= rows:
        raise ValueError(f"rows={rows}, files={files}: needs at least one file and one row for each")
    if not (folder / COMPLETE).exists() and any(folder.glob("*.csv")):
        raise ValueError(f"{folder} holds CSV files that this script did not make; name another folder")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / COMPLETE).write_text("{}\n")  # ours, and not complete: a broken run is made again
    for stale in folder.glob("*.csv"):
        stale.unlink()
    classes = {"0": 0, "1": 0}
    bounds = [rows * index // files for index in range(files + 1)]
    for index, (first, last) in enumerate(pairwise(bounds)):
        rng = np.random.default_rng([seed, index])
        for label, count in write_file(folder / f"part-{index:02d}.csv", first, last - first, rng).items():
            classes[label] += count
    size = sum(path.stat().st_size for path in folder.glob("*.csv"))
    summary = wanted | {"bytes": size, "classes": classes}
    (folder / COMPLETE).write_text(json.dumps(summary, sort_keys=True) + "\n")
    return summary


def main() -> None:
    """Command line of this file."""
    parser = argparse.ArgumentParser(description="Make the 26-column CSV of the benchmarks.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", type=int, default=8_000_000)
    parser.add_argument("--files", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    summary = make_csv(options.folder, rows=options.rows, files=options.files, seed=options.seed)
    print(json.dumps(summary, sort_keys=True))


if __name__ == "__main__":
    main()
