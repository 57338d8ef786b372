"""`input_fns.resample` against what tf.data offers, on the 26 columns of the benchmark: 1:99 read, 1:1 yielded.

    python benchmarks/resample.py [--rows 200000] [--rounds 3] [--memory] [--data DIR]

Everyone reads the same TFRecord files once, in one process, in interleaved rounds, and yields
prefetched batches of 512 parsed rows. The first, untimed round warms the page cache and is checked:
rows yielded, and positives among them. Ratios are of seconds a pass, the median over rounds.

Two ways to 1:1. By rejection no row comes twice, so about 2 % of the rows are yielded:
`Dataset.rejection_resample`, and `resample(replicate=False)`. By repeating and thinning out as many
rows are yielded as are read: the recipe of `flat_map` and `filter`, and `resample`. The recipe has
a shuffle of as many rows as the window of `resample`, since copies leave it side by side;
rejection needs none. Either competitor runs twice: on parsed rows, as its documentation has it, and
on raw records, of which it parses the label first and the rest of what is left in whole batches.

`--memory` adds each one's peak resident memory over a pass in a process of its own (it includes
TensorFlow's own), beside that of a pass which only reads records.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import tensorflow as tf
from data import Data, DataFolder
from results_table import machine
from rich.console import Console
from rich.table import Table
from rows import FLOATS, POSITIVE_RATE

BENCHMARKS = Path(__file__).resolve().parent
sys.path.insert(0, str(BENCHMARKS.parent))  # the benchmarks also run without an installed presample

from input_fns import resample  # noqa: E402

SOURCE = [1 - POSITIVE_RATE, POSITIVE_RATE]
TARGET = [0.5, 0.5]
BATCH = 512
WINDOW = 8192
LABEL = {"label": tf.io.FixedLenFeature([], tf.int64)}
COLUMNS = {
    **LABEL,
    **{name: tf.io.FixedLenFeature([], tf.int64) for name in ("id", "hour")},
    **{f"f{index}": tf.io.FixedLenFeature([], tf.float32) for index in range(FLOATS)},
    **{name: tf.io.FixedLenFeature([], tf.string) for name in ("country", "device", "page")},
}


def parsed_rows(records: tf.data.Dataset) -> tf.data.Dataset:
    """Row by row, as tutorials do."""
    return records.map(lambda record: tf.io.parse_single_example(record, COLUMNS), num_parallel_calls=tf.data.AUTOTUNE)


def parsed_batches(batches: tf.data.Dataset) -> tf.data.Dataset:
    """Batch by batch; a weight stays."""

    def parse(records: tf.Tensor, *weight: tf.Tensor) -> tuple[object, ...]:
        return tf.io.parse_example(records, COLUMNS), *weight

    return batches.map(parse, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)


def label_of(record: tf.Tensor) -> tf.Tensor:
    return tf.io.parse_single_example(record, LABEL)["label"]


def labels_of(records: tf.Tensor) -> tf.Tensor:
    return tf.io.parse_example(records, LABEL)["label"]


def rejection_parsed(records: tf.data.Dataset) -> tf.data.Dataset:
    rows = parsed_rows(records).rejection_resample(lambda row: tf.cast(row["label"], tf.int32), TARGET, SOURCE, seed=1)
    return rows.map(lambda _, row: (row,)).batch(BATCH).prefetch(tf.data.AUTOTUNE)


def rejection_records(records: tf.data.Dataset) -> tf.data.Dataset:
    kept = records.rejection_resample(lambda record: tf.cast(label_of(record), tf.int32), TARGET, SOURCE, seed=1)
    return parsed_batches(kept.map(lambda _, record: record).batch(BATCH))


def copies(label: tf.Tensor) -> tf.Tensor:
    """The published recipe: the rounded-down ratio of a class, once more with the chance of the remainder."""
    ratio = tf.maximum(tf.gather(tf.constant(TARGET) / tf.constant(SOURCE), label), 1)
    whole = tf.floor(ratio)
    return tf.cast(whole, tf.int64) + tf.cast(tf.random.uniform([]) < ratio - whole, tf.int64)


def is_kept(label: tf.Tensor) -> tf.Tensor:
    return tf.random.uniform([]) < tf.gather(tf.constant(TARGET) / tf.constant(SOURCE), label)


def recipe_parsed(records: tf.data.Dataset) -> tf.data.Dataset:
    rows = parsed_rows(records).flat_map(lambda row: tf.data.Dataset.from_tensors(row).repeat(copies(row["label"])))
    rows = rows.filter(lambda row: is_kept(row["label"])).shuffle(WINDOW)
    return rows.map(lambda row: (row,)).batch(BATCH).prefetch(tf.data.AUTOTUNE)


def recipe_records(records: tf.data.Dataset) -> tf.data.Dataset:
    rows = records.map(lambda record: (record, label_of(record)), num_parallel_calls=tf.data.AUTOTUNE)
    rows = rows.filter(lambda _, label: is_kept(label))
    rows = rows.flat_map(lambda record, label: tf.data.Dataset.from_tensors(record).repeat(copies(label)))
    return parsed_batches(rows.shuffle(WINDOW).batch(BATCH))


def ours_rejecting(records: tf.data.Dataset) -> tf.data.Dataset:
    options = {"source": SOURCE, "batch_size": BATCH, "window": WINDOW, "replicate": False}
    return parsed_batches(resample(records, labels_of, TARGET, **options))


def ours(records: tf.data.Dataset) -> tf.data.Dataset:
    return parsed_batches(resample(records, labels_of, TARGET, source=SOURCE, batch_size=BATCH, window=WINDOW))


def no_sampling(records: tf.data.Dataset) -> tf.data.Dataset:
    return parsed_batches(records.batch(BATCH))


def reading_only(records: tf.data.Dataset) -> tf.data.Dataset:
    return records.batch(BATCH).map(lambda batch: ({"label": batch},))


Contestant = Callable[[tf.data.Dataset], tf.data.Dataset]
REJECTING: dict[str, Contestant] = {
    "resample(replicate=False)": ours_rejecting,
    "rejection_resample of parsed rows": rejection_parsed,
    "rejection_resample of records": rejection_records,
}
REPEATING: dict[str, Contestant] = {
    "resample": ours,
    "flat_map and filter of parsed rows": recipe_parsed,
    "filter and flat_map of records": recipe_records,
}
OTHERS: dict[str, Contestant] = {"no sampling, every row parsed": no_sampling, "reading only": reading_only}
ALL = REJECTING | REPEATING | OTHERS


def one_pass(name: str, paths: list[str]) -> float:
    """Returns the seconds of a pass, building the pipeline included."""
    started = time.perf_counter()
    for _ in ALL[name](tf.data.TFRecordDataset(paths)):
        pass
    return time.perf_counter() - started


def check(name: str, paths: list[str], rows: int) -> str:
    """Counts what is yielded.

    Raises:
        ValueError: far from as many rows and positives as the shares say.
    """
    found = [batch[0]["label"].numpy() for batch in ALL[name](tf.data.TFRecordDataset(paths))]
    count, positives = sum(map(len, found)), sum(int((labels == 1).sum()) for labels in found)
    share = POSITIVE_RATE if name in OTHERS else TARGET[1]
    expected = rows * POSITIVE_RATE / TARGET[1] if name in REJECTING else rows
    # Six standard deviations of the positives that the files happen to hold, and of the draw.
    slack = 6 * (rows * POSITIVE_RATE) ** 0.5 / (rows * POSITIVE_RATE)
    if abs(count / expected - 1) > 2 * slack or abs(positives / count / share - 1) > 2 * slack:
        raise ValueError(f"{name} yielded {count} rows, {positives} of them positive; wanted {expected:.0f}, {share}")
    return f"{count:,} ({positives / count:.1%})"


def peak_memory(name: str, folder: Path) -> int:
    """Returns the bytes of a process that makes one pass."""
    command = [sys.executable, str(BENCHMARKS / "resample.py"), "--only", name, "--data", str(folder)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return int(done.stdout.split()[-1])


def results(paths: list[str], rows: int, rounds: int, folder: Path | None) -> Table:
    """Runs everyone, in rounds; memory where a folder is given."""
    timed = [name for name in ALL if name != "reading only"]
    yielded = {name: check(name, paths, rows) for name in timed}
    seconds: dict[str, list[float]] = {name: [] for name in timed}
    for _ in range(rounds):
        for name in timed:
            seconds[name].append(one_pass(name, paths))
    table = Table("", "yielded (positive)", "s a pass (range)", "rows read/s", "rows yielded/s", "ours is", "peak MB")
    for name in ALL if folder else timed:
        peak = f"{peak_memory(name, folder) / 1e6:,.0f}" if folder else ""
        if name not in timed:
            table.add_row(name, "", "", "", "", "", peak)
            continue
        own = seconds["resample(replicate=False)" if name in REJECTING else "resample"]
        ratio = median(theirs / mine for theirs, mine in zip(seconds[name], own, strict=True))
        middle, each = median(seconds[name]), seconds[name]
        count = int(yielded[name].split()[0].replace(",", ""))
        span = f"{middle:.2f} ({min(each):.2f} to {max(each):.2f})"
        rates = [f"{rows / middle:,.0f}", f"{count / middle:,.0f}"]
        table.add_row(name, yielded[name], span, *rates, f"{ratio:.2f} x", peak)
    return table


def main() -> None:
    """Command line of this file."""
    parser = argparse.ArgumentParser(description="Compare resample with what tf.data offers.")
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--memory", action="store_true", help="measure peak memory too, in processes of their own")
    parser.add_argument("--data", type=Path, help="folder of the TFRecord files (default: temporary)")
    parser.add_argument("--only", choices=ALL, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.only:
        one_pass(options.only, sorted(map(str, options.data.glob("*.tfrecord"))))
        # Not ru_maxrss, which starts from that of the process that started this one.
        print(int(re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())[0]) * 1024)
        return
    console = Console()
    with tempfile.TemporaryDirectory(prefix="presample-resample-") as temporary:
        source = DataFolder(options.data or Path(temporary)).make(Data(rows=options.rows, form="tfrecord", files=4))
        paths = sorted(map(str, source.folder.glob("*.tfrecord")))
        for line in machine():
            console.print(line, soft_wrap=True)
        console.print(results(paths, options.rows, options.rounds, source.folder if options.memory else None))


if __name__ == "__main__":
    main()
