"""The cost model's constants, and whether a job grows as the model says: 1, 10 and 100 million rows.

    python benchmarks/scale.py [--rows 8000000] [--data DIR] [--work_dir DIR] [--only constants|shape]

Processor seconds, not wall time: they bear other work on the machine better, and are what a service bills.
"""

import argparse
import os
import shutil
import tempfile
from collections import Counter
from pathlib import Path
from statistics import median

from data import TINY_ROWS, Data, DataFolder, Source, warm
from measure import Measurement, run_measured
from results_table import machine
from rich import box
from rich.console import Console
from rich.table import Table

from beam_jobs.cost import NOTES_BYTES, RATES, SHUFFLED, Work, estimate
from tfrecord_io import Manifest

FORMS = ("csv", "parquet", "tfrecord")
FACTORS = (1, 10, 100)


def run(source: Source, work: Path, *flags: str) -> Measurement:
    """Runs the command on a source, its output in WORK/out."""
    shutil.rmtree(work / "out", ignore_errors=True)
    command = ["-m", "beam_jobs.presample", "--input", source.pattern, "--label", "label", "--output", "out", *flags]
    return run_measured(command, folder=work, log=work / "log.txt")


def cpu(source: Source, work: Path, repeats: int, *flags: str) -> float:
    """The median of the processor seconds of some runs."""
    return median(run(source, work, *flags).cpu for _ in range(repeats))


def written(work: Path) -> int:
    """Bytes of all shards in WORK/out."""
    return sum(shard.bytes for shard in Manifest.load(work / "out").shards())


def constants(folder: DataFolder, work: Path, rows: int, repeats: int) -> Table:
    """Measures what `beam_jobs/cost.py` holds: seconds of a core beyond start-up, for each GB."""
    table = Table(box=box.SIMPLE_HEAD, title="Seconds of one core (in brackets: the model's)")
    for heading in ("source", "pass 1, a GB", "pass 1, 10^9 rows", "pass 2, a GB", "writing, a GB of records"):
        table.add_column(heading, justify="right")
    for form in FORMS:
        source, tiny = folder.make(Data(rows=rows, form=form)), folder.make(Data(rows=TINY_ROWS, form=form))
        warm(source)
        count = cpu(source, work, repeats, "--plan_only") - cpu(tiny, work, repeats, "--plan_only")
        start = cpu(tiny, work, repeats)
        few = cpu(source, work, repeats) - start
        few_bytes = written(work)
        whole = cpu(source, work, 1, "--strategy", "none") - start
        whole_bytes = written(work)
        write = (whole - few) / (whole_bytes - few_bytes) * 1e9
        draw = (few - count - write * few_bytes / 1e9) / source.size * 1e9
        shutil.rmtree(work / "out")
        rates = RATES[form]
        table.add_row(
            f"{form}, {source.size / rows:.0f} bytes a row",
            f"{count / source.size * 1e9:.2f} ({rates.count_gb:g})",
            f"{count / rows * 1e9:.0f} ({rates.count_rows:g})",
            f"{draw:.2f} ({rates.draw_gb:g})",
            f"{write:.2f} ({rates.write_gb:g})",
        )
    return table


def linked(source: Source, folder: Path, times: int) -> Source:
    """A source of so many links to each file: the rows of each link are rows of their own."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for number in range(times):
        for path in sorted(source.folder.glob(f"*.{source.form}")):
            os.link(path, folder / f"{number:04d}-{path.name}")
    classes = {label: rows * times for label, rows in source.classes.items()}
    return Source(folder=folder, form=source.form, rows=source.rows * times, size=source.size * times, classes=classes)


def shape(folder: DataFolder, work: Path, rows: int) -> Table:
    """Runs the same job on 1, 10 and 100 times the rows, and sets what it took beside the model."""
    table = Table(box=box.SIMPLE_HEAD, title="The whole command, balanced")
    for heading in (
        "rows",
        "whole s",
        "core s beyond start-up",
        "model's",
        "core s a 10^6 rows",
        "peak MB",
        "kept rows",
    ):
        table.add_column(heading, justify="right")
    start = cpu(folder.make(Data(rows=TINY_ROWS)), work, 3)
    base = folder.make(Data(rows=rows))
    for factor in FACTORS:
        source = linked(base, work / "links", factor)
        warm(source)
        measured = run(source, work)
        manifest = Manifest.load(work / "out")
        kept = written(work)
        size = Work(format="csv", rows=source.rows, bytes=source.size, units=1, key_share=1, kept_bytes=kept, shards=1)
        model = estimate(size, local=True)
        table.add_row(
            f"{source.rows:,}",
            f"{measured.seconds:.1f}",
            f"{measured.cpu - start:.1f}",
            f"{model.core_hours * 3600:.1f}",
            f"{(measured.cpu - start) / source.rows * 1e6:.2f}",
            f"{measured.peak / 1e6:.0f}",
            f"{manifest.split('train').rows:,}",
        )
        shutil.rmtree(work / "out")
    return table


def moved(folder: DataFolder, work: Path, rows: int) -> str:
    """Bytes of notes a row, and bytes shuffled for each byte of records, as the job counts them."""
    from beam_jobs import PresampleOptions, driver

    source = folder.make(Data(rows=rows))
    shutil.rmtree(work / "out", ignore_errors=True)
    result = driver.submit(PresampleOptions(input=(source.pattern,), label="label", output=str(work / "out")))
    result.wait_until_finish()
    found: Counter[tuple[str, str]] = Counter()
    for metric in result.metrics().query()["counters"]:
        found[metric.key.metric.namespace, metric.key.metric.name] += metric.result
    notes = found["presample.profile", "bytes_noted"] / source.rows
    shuffled = found["presample.draw", "bytes_shuffled"] / found["presample.write", "bytes_written"]
    return f"notes {notes:.3f} bytes a row ({NOTES_BYTES:g}), shuffled / written {shuffled:.2f} ({SHUFFLED:g})"


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description="Measure the constants of the cost model, and check its shape.")
    parser.add_argument("--rows", type=int, default=8_000_000, help="for the constants")
    parser.add_argument("--base_rows", type=int, default=1_000_000, help="for the shape: 1, 10 and 100 times as many")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only", choices=("constants", "shape"))
    parser.add_argument("--data", type=Path, help="kept folder of the input files (default: removed)")
    parser.add_argument("--work_dir", type=Path, help="for outputs, on the file system of --data (links)")
    options = parser.parse_args()
    console = Console(width=140)
    console.print(*machine(), sep="\n", highlight=False)
    with tempfile.TemporaryDirectory(dir=options.work_dir or options.data) as temporary:
        work = Path(temporary)
        folder = DataFolder(options.data or work / "data")
        if options.only != "shape":
            console.print(constants(folder, work, options.rows, options.repeats))
            console.print(moved(folder, work, options.rows), highlight=False)
        if options.only != "constants":
            console.print(shape(folder, work, options.base_rows))


if __name__ == "__main__":
    main()
