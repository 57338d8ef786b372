"""The floor of the job: reading the label column of the CSV files twice with pyarrow and counting it.

    python benchmarks/floor.py INPUT_DIR [--label label] [--threads 2] [--passes 2]

No tool that reads the files twice with this parser can be faster. Files are read side by side, one
thread each, in blocks of 8 MB, so memory is bounded. The last line on stdout is JSON with the seconds
and the rows of each class.
"""

import time

STARTED = time.perf_counter()

import argparse  # noqa: E402
import json  # noqa: E402
from collections import Counter  # noqa: E402
from concurrent.futures import ThreadPoolExecutor  # noqa: E402
from pathlib import Path  # noqa: E402

import pyarrow as pa  # noqa: E402
import pyarrow.compute as pc  # noqa: E402
from pyarrow import csv as pa_csv  # noqa: E402

IMPORT_SECONDS = time.perf_counter() - STARTED

BLOCK_BYTES = 8 << 20


def count_file(path: Path, label: str) -> Counter[str]:
    """Counts the rows of each class of one file; memory for a few blocks."""
    classes: Counter[str] = Counter()
    read = pa_csv.ReadOptions(use_threads=False, block_size=BLOCK_BYTES)
    convert = pa_csv.ConvertOptions(include_columns=[label])
    with pa_csv.open_csv(path, read_options=read, convert_options=convert) as reader:
        for batch in reader:
            for count in pc.value_counts(batch.column(0)).to_pylist():
                classes[str(count["values"])] += count["counts"]
    return classes


def main() -> None:
    """Command line of this file."""
    parser = argparse.ArgumentParser(description="Read the label column of a folder of CSV files.")
    parser.add_argument("input", type=Path)
    parser.add_argument("--label", default="label")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--passes", type=int, default=2)
    options = parser.parse_args()
    started = time.perf_counter()
    pa.set_cpu_count(options.threads)
    paths = sorted(options.input.glob("*.csv"))
    classes: Counter[str] = Counter()
    with ThreadPoolExecutor(options.threads) as pool:
        for _ in range(options.passes):
            classes = sum(pool.map(count_file, paths, [options.label] * len(paths)), Counter())
    report = {
        "import_seconds": round(IMPORT_SECONDS, 3),
        "work_seconds": round(time.perf_counter() - started, 3),
        "rows": dict(sorted(classes.items())),
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main()
