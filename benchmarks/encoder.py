"""The Example encoder of presample against tfx_bsl's, on the 26 columns of the benchmark.

    python benchmarks/encoder.py [--rows 200000] [--batch_rows 8192] [--repeats 9] [--data DIR]

Both get the same batches in memory, with columns of int64, float32 and binary; wrapping them in the
lists that tfx_bsl wants is inside its time and costs nothing there (no copy). Repetitions are
interleaved, each encoder on one core, and the ratio is the median of the ratios of neighbours. What
they encode is decoded and compared first.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import pyarrow as pa
from duckdb_script import feature_lists
from pyarrow import csv as pa_csv
from results_table import machine
from rich.console import Console
from rich.table import Table
from tfx_bsl.coders import example_coder

BENCHMARKS = Path(__file__).resolve().parent
sys.path.insert(0, str(BENCHMARKS.parent))  # the benchmarks also run without an installed presample

from tfrecord_io.examples import encode_examples  # noqa: E402


def load_batches(folder: Path, rows: int, batch_rows: int) -> list[pa.RecordBatch]:
    """Makes or finds the CSV files and reads them into batches of the three types of an Example."""
    command = [sys.executable, str(BENCHMARKS / "make_data.py"), str(folder), "--rows", str(rows)]
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    table = pa.concat_tables([pa_csv.read_csv(path) for path in sorted(folder.glob("*.csv"))])
    narrow = {pa.float64(): pa.float32(), pa.string(): pa.binary()}
    fields = [pa.field(each.name, narrow.get(each.type, each.type)) for each in table.schema]
    batches: list[pa.RecordBatch] = table.cast(pa.schema(fields)).combine_chunks().to_batches(batch_rows)
    return batches


def encode_with_tfx(batches: list[pa.RecordBatch]) -> list[bytes]:
    """Encodes with tfx_bsl's C++ encoder, which gives Python bytes."""
    encoder = example_coder.RecordBatchToExamplesEncoder()
    return [record for batch in batches for record in encoder.encode(feature_lists(batch))]


def encode_with_presample(batches: list[pa.RecordBatch]) -> list[pa.LargeBinaryArray]:
    """Encodes with presample, which gives Arrow arrays."""
    return [encode_examples(batch) for batch in batches]


def encode_to_bytes(batches: list[pa.RecordBatch]) -> list[bytes]:
    """Encodes with presample and makes the Python bytes that tfx_bsl makes too."""
    return [record for batch in batches for record in encode_examples(batch).to_pylist()]


def check_same_content(batch: pa.RecordBatch) -> None:
    """Decodes what both encoders make of a batch.

    Raises:
        ValueError: a feature differs.
    """
    decoder = example_coder.ExamplesToRecordBatchDecoder()
    theirs = decoder.DecodeBatch(encode_with_tfx([batch]))
    ours = decoder.DecodeBatch(encode_to_bytes([batch]))
    wrong = [
        name
        for name in batch.schema.names
        if not ours.column(ours.schema.get_field_index(name)).equals(theirs.column(theirs.schema.get_field_index(name)))
    ]
    if wrong or ours.num_columns != batch.num_columns:
        raise ValueError(f"the two encoders differ in {wrong}: {ours.schema.names} and {theirs.schema.names}")


def measure(batches: list[pa.RecordBatch], repeats: int) -> dict[str, list[float]]:
    """Returns the seconds of each repetition by encoder; the first, untimed one warms both up."""
    encoders = {
        "tfx_bsl": encode_with_tfx,
        "presample": encode_with_presample,
        "presample, to Python bytes": encode_to_bytes,
    }
    seconds: dict[str, list[float]] = {name: [] for name in encoders}
    for repetition in range(repeats + 1):
        for name, encode in encoders.items():
            started = time.perf_counter()
            encode(batches)
            if repetition:
                seconds[name].append(time.perf_counter() - started)
    return seconds


def main() -> None:
    """Command line of this file."""
    parser = argparse.ArgumentParser(description="Compare presample's Example encoder with tfx_bsl's.")
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--batch_rows", type=int, default=8192)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--data", type=Path, help="folder of the CSV files (default: temporary)")
    options = parser.parse_args()
    console = Console()
    with tempfile.TemporaryDirectory(prefix="presample-encoder-") as temporary:
        batches = load_batches(options.data or Path(temporary), options.rows, options.batch_rows)
    check_same_content(batches[0])
    description = machine()
    seconds = measure(batches, options.repeats)
    table = Table("encoder", "rows/s, median", "slowest", "fastest", "to tfx_bsl, median of pairs")
    for name, times in seconds.items():
        ratio = median(theirs / ours for theirs, ours in zip(seconds["tfx_bsl"], times, strict=True))
        rates = [f"{options.rows / each:,.0f}" for each in (median(times), max(times), min(times))]
        table.add_row(name, *rates, f"{ratio:.2f} x")
    for line in description:
        console.print(line, soft_wrap=True)
    console.print(table)


if __name__ == "__main__":
    main()
