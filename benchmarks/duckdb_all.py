"""The single-machine script that `--strategy none` is measured against: every row, one unordered file.

    python benchmarks/duckdb_all.py INPUT_DIR OUTPUT_DIR [--threads 2] [--encoders 2]

DuckDB reads the CSV files and streams Arrow batches in whatever order they come; tfx_bsl encodes them,
google-crc32c frames them, one file takes them. The encoder lets go of Python's lock, so two threads
encode side by side, each a batch at a time; nothing waits for a whole table. Every row gets the weight
1.0. There are no classes, order, shards, manifest, audit or bad-row handling. The last line on stdout is
JSON with the seconds of its imports and of its work.
"""

import time

STARTED = time.perf_counter()

import argparse  # noqa: E402
import json  # noqa: E402
from concurrent.futures import ThreadPoolExecutor  # noqa: E402
from pathlib import Path  # noqa: E402
from threading import Lock  # noqa: E402

import duckdb  # noqa: E402
import pyarrow as pa  # noqa: E402
from duckdb_script import RecordFile, feature_lists, open_source  # noqa: E402
from shared_iterator import SharedIterator  # noqa: E402
from tfx_bsl.coders import example_coder  # noqa: E402

IMPORT_SECONDS = time.perf_counter() - STARTED

BATCH_ROWS = 2048  # as DuckDB makes them: smaller batches were as fast as any, and the smallest in memory


def encode_all(batches: SharedIterator[pa.RecordBatch], sink: RecordFile, lock: Lock) -> int:
    """Encodes and writes batches until there are no more, and returns their rows."""
    encoder = example_coder.RecordBatchToExamplesEncoder()
    rows = 0
    for batch in batches:
        records = encoder.encode(feature_lists(batch))
        with lock:
            sink.write(records)
        rows += batch.num_rows
    return rows


def main() -> None:
    """Command line of this file."""
    parser = argparse.ArgumentParser(description="Write all rows of a folder of CSV files as TFRecords with DuckDB.")
    parser.add_argument("input", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--threads", type=int, default=2, help="of DuckDB")
    parser.add_argument("--encoders", type=int, default=2, help="threads that encode")
    options = parser.parse_args()
    started = time.perf_counter()
    connection = duckdb.connect(config={"threads": options.threads, "preserve_insertion_order": False})
    open_source(connection, options.input, plain=False)
    query = connection.sql("SELECT *, CAST(1 AS FLOAT) AS weight FROM source")
    batches = SharedIterator(query.to_arrow_reader(BATCH_ROWS))
    options.output.mkdir(parents=True, exist_ok=True)
    sink, lock = RecordFile(options.output / "all.tfrecord"), Lock()
    with ThreadPoolExecutor(options.encoders) as pool:
        rows = sum(pool.map(lambda _: encode_all(batches, sink, lock), range(options.encoders)))
    sink.close()
    report = {
        "import_seconds": round(IMPORT_SECONDS, 3),
        "work_seconds": round(time.perf_counter() - started, 3),
        "rows": rows,
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main()
