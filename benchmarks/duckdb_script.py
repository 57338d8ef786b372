"""The single-machine script that presample is measured against: DuckDB, tfx_bsl and no framework.

    python benchmarks/duckdb_script.py INPUT_DIR OUTPUT_DIR [--label label] [--id id] [--threads 2] [--plain]

It does the same work as `presample run --strategy balance`: counts the classes, takes an exact and
repeatable random sample of each class down to the smallest one's size, adds the calibrated weight N_k /
n_k, encodes `tf.train.Example` and writes one TFRecord file a class. It has no shards, manifest, audit
or bad-row handling.

The column types are found once, from the first file, and given to both scans: left
to itself `read_csv` looks at every file again in each query, which costs a second or two for 8 files.
`--plain` leaves it to itself. The last line on stdout is JSON with the seconds of its imports and of
its work.
"""

import time

STARTED = time.perf_counter()

import argparse  # noqa: E402
import json  # noqa: E402
import struct  # noqa: E402
from pathlib import Path  # noqa: E402

import duckdb  # noqa: E402
import google_crc32c  # noqa: E402
import numpy as np  # noqa: E402
import pyarrow as pa  # noqa: E402
import pyarrow.compute as pc  # noqa: E402
from tfx_bsl.coders import example_coder  # noqa: E402

IMPORT_SECONDS = time.perf_counter() - STARTED

BATCH_ROWS = 8192
# Half-width of the first cut, in standard deviations: wide enough that a class is never short of rows.
MARGIN = 8.0


def open_source(connection: duckdb.DuckDBPyConnection, folder: Path, *, plain: bool) -> None:
    """Creates the view `source` over the CSV files of a folder."""
    pattern = sql_text(str(folder / "*.csv"))
    arguments = "header = true"
    if not plain:
        first = sql_text(str(min(folder.glob("*.csv"))))
        found = connection.execute(f"SELECT Columns, Delimiter, Quote FROM sniff_csv({first})").fetchone()
        if found is None:
            raise ValueError(f"{first} is not a CSV file")
        columns, delimiter, quote = found
        types = ", ".join(f"{sql_text(column['name'])}: '{column['type']}'" for column in columns)
        quote = '"' if quote == "(empty)" else quote
        arguments += f", auto_detect = false, columns = {{{types}}}"
        arguments += f", delim = {sql_text(delimiter)}, quote = {sql_text(quote)}"
    connection.execute(f"CREATE VIEW source AS SELECT * FROM read_csv({pattern}, {arguments})")


def sql_text(text: str) -> str:
    """Quotes a string for SQL."""
    return "'" + text.replace("'", "''") + "'"


def count_classes(connection: duckdb.DuckDBPyConnection, label: str) -> dict[int, int]:
    """Counts the rows of each class in one scan of the label column."""
    query = f'SELECT "{label}", count(*) FROM source GROUP BY 1 ORDER BY 1'
    return {int(value): int(rows) for value, rows in connection.execute(query).fetchall()}


def sample_query(classes: dict[int, int], *, label: str, row_id: str, seed: int) -> str:
    """Builds the query that keeps exactly min(N_k) rows of each class, in one scan.

    A hash of the row's id decides. Rows far above the cut leave at once, so that only the few that can
    still be in the sample are ranked: ranking all of them would hold the whole table in memory.
    """
    kept = min(classes.values())
    cuts = []
    for value, rows in classes.items():
        rate = kept / rows
        cut = min(1.0, rate + MARGIN * (rate * (1 - rate) / rows) ** 0.5)
        cuts.append(f"WHEN {value} THEN {min(int(cut * 2**64), 2**64 - 1)}")
    weights = " ".join(f"WHEN {value} THEN {rows / kept!r}" for value, rows in classes.items())
    draw = f'hash("{row_id}", {seed})'
    return f"""
        SELECT *, CAST(CASE "{label}" {weights} END AS FLOAT) AS weight FROM source
        WHERE {draw} <= CASE "{label}" {" ".join(cuts)} END
        QUALIFY row_number() OVER (PARTITION BY "{label}" ORDER BY {draw}, "{row_id}") <= {kept}
    """


def feature_lists(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Turns flat columns into the lists of float32, int64 and bytes that the encoder wants."""
    columns = []
    # Not `pa.array(...)`: pyarrow's first conversion imports pandas where that is installed, which
    # takes 0.7 s.
    offsets = pa.Array.from_buffers(
        pa.int64(), batch.num_rows + 1, [None, pa.py_buffer(np.arange(batch.num_rows + 1, dtype=np.int64))]
    )
    for column in batch.columns:
        if pa.types.is_floating(column.type):
            values = column.cast(pa.float32())
        elif pa.types.is_integer(column.type):
            values = column.cast(pa.int64())
        else:
            values = column.cast(pa.large_binary())
        columns.append(pa.LargeListArray.from_arrays(offsets, values))
    return pa.RecordBatch.from_arrays(columns, batch.schema.names)


def masked_crc(data: bytes) -> int:
    """Masked CRC-32C of TFRecord framing (tensorflow/core/lib/hash/crc32c.h)."""
    crc: int = google_crc32c.value(data)
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


class RecordFile:
    """A TFRecord file; the framing of each record length is made once, as few lengths occur."""

    def __init__(self, path: Path) -> None:
        """Opens the file for writing."""
        self._sink = path.open("wb")
        self._headers: dict[int, bytes] = {}

    def write(self, records: list[bytes]) -> None:
        """Writes a batch of records in one call."""
        parts: list[bytes] = []
        for record in records:
            size = len(record)
            header = self._headers.get(size)
            if header is None:
                length = struct.pack("<Q", size)
                header = self._headers[size] = length + struct.pack("<I", masked_crc(length))
            parts += (header, record, struct.pack("<I", masked_crc(record)))
        self._sink.write(b"".join(parts))

    def close(self) -> None:
        """Closes the file."""
        self._sink.close()


def write_sample(table: pa.Table, label: str, output: Path) -> dict[int, int]:
    """Encodes and writes the sample, and returns the rows written for each class."""
    output.mkdir(parents=True, exist_ok=True)
    encoder = example_coder.RecordBatchToExamplesEncoder()
    files: dict[int, RecordFile] = {}
    written: dict[int, int] = {}
    for batch in table.to_batches(BATCH_ROWS):
        labels = batch.column(label)
        for scalar in pc.unique(labels):
            value = scalar.as_py()
            part = batch.filter(pc.equal(labels, scalar))
            if value not in files:
                files[value] = RecordFile(output / f"label={value}.tfrecord")
            files[value].write(encoder.encode(feature_lists(part)))
            written[value] = written.get(value, 0) + part.num_rows
    for file in files.values():
        file.close()
    return written


def main() -> None:
    """Command line of this file."""
    parser = argparse.ArgumentParser(description="Balance the classes of a folder of CSV files with DuckDB.")
    parser.add_argument("input", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--label", default="label")
    parser.add_argument("--id", default="id")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--plain", action="store_true", help="let every query look at every file's types")
    options = parser.parse_args()
    started = time.perf_counter()
    connection = duckdb.connect(config={"threads": options.threads, "preserve_insertion_order": False})
    open_source(connection, options.input, plain=options.plain)
    classes = count_classes(connection, options.label)
    counted = time.perf_counter()
    query = sample_query(classes, label=options.label, row_id=options.id, seed=options.seed)
    sample = connection.sql(query).to_arrow_table()
    sampled = time.perf_counter()
    written = write_sample(sample, options.label, options.output)
    ended = time.perf_counter()
    report = {
        "import_seconds": round(IMPORT_SECONDS, 3),
        "count_seconds": round(counted - started, 3),
        "sample_seconds": round(sampled - counted, 3),
        "write_seconds": round(ended - sampled, 3),
        "work_seconds": round(ended - started, 3),
        "rows": {str(value): rows for value, rows in sorted(written.items())},
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main()
