"""Reading side by side: InputFn, the usual pipeline, and no sampling at all.

    python benchmarks/read.py [--rows 10000000] [--repeats 5] [--data DIR] [--only speed first classes]

Each turn is a process of its own (see `readers.py`), and turns of what is compared alternate; a figure is
the median over its turns, a ratio the median of the turns' ratios. The datasets are made by `make_data.py`
and `presample run`: 26 features, 1 % positives, about 490 bytes a record; 10 million rows take 8 GB of disk.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from rich import box
from rich.console import Console
from rich.table import Table

from tfrecord_io import Manifest

HERE = Path(__file__).parent


@dataclass(frozen=True, kw_only=True)
class Reader:
    """What to run: a pipeline of `readers.py` on a dataset; `start` is a part of its epoch."""

    title: str
    pipeline: str
    dataset: str
    batches: int = 1600
    start: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Readers, all compared with the first by `key`: rows_per_second (theirs / the first's) or first."""

    name: str
    title: str
    key: str
    readers: list[Reader]
    goals: dict[str, str] = field(default_factory=dict)


def comparisons() -> list[Comparison]:
    """What is compared, in the words of the results' tables."""
    plain = Reader(title="no sampling at all", pipeline="plain", dataset="ratio")
    small, large = "10 000 rows", "all rows"
    return [
        Comparison(
            name="speed",
            title="Examples a second, batches of 512",
            key="rows_per_second",
            readers=[
                plain,
                Reader(title="InputFn, exact, balanced", pipeline="exact", dataset="ratio"),
                Reader(title="InputFn, sampled, balanced", pipeline="sampled", dataset="ratio"),
                Reader(title="InputFn, stored", pipeline="stored", dataset="ratio"),
                Reader(title="the usual pipeline", pipeline="usual", dataset="ratio", batches=160),
            ],
            goals={"InputFn, exact, balanced": "0.95", "InputFn, sampled, balanced": "0.8"},
        ),
        Comparison(
            name="first",
            title="Seconds to the first batch",
            key="first",
            readers=[
                Reader(title=small, pipeline="exact", dataset="small", batches=0),
                Reader(title=large, pipeline="exact", dataset="none", batches=0),
                Reader(
                    title="all rows, start_step at 90 % of the epoch",
                    pipeline="exact",
                    dataset="none",
                    batches=0,
                    start=0.9,
                ),
            ],
            goals={large: "1.2 at most", "all rows, start_step at 90 % of the epoch": "1.5 x that of all rows at most"},
        ),
        Comparison(
            name="classes",
            title="2 000 classes of one small shard each, against 2 classes",
            key="rows_per_second",
            readers=[
                Reader(title="2 classes", pipeline="exact", dataset="ratio"),
                Reader(title="2 000 classes", pipeline="exact", dataset="classes"),
            ],
            goals={"2 000 classes": "0.7, first batch under 2 s"},
        ),
        Comparison(
            name="memory",
            title="Peak memory",
            key="peak",
            readers=[
                Reader(title="a tenth of the rows", pipeline="exact", dataset="tenth"),
                Reader(title=large, pipeline="exact", dataset="none"),
            ],
            goals={large: "flat"},
        ),
    ]


DATASETS = {
    "ratio": (1.0, "two", ["--strategy", "ratio=10"]),
    "none": (1.0, "two", ["--strategy", "none"]),
    "tenth": (0.1, "two", ["--strategy", "none"]),
    "small": (0.001, "two", ["--strategy", "none"]),
    "classes": (0.02, "uniform", ["--strategy", "none"]),
}


def made(name: str, rows: int, data: Path) -> str:
    """The path of a dataset, which is written if it is not there."""
    part, labels, flags = DATASETS[name]
    source, dataset = data / f"read-{labels}-{int(part * rows)}", data / f"dataset-{name}-{rows}"
    if not (dataset / "manifest.json").exists():
        subprocess.run(
            [
                sys.executable,
                HERE / "make_data.py",
                source,
                "--rows",
                str(int(part * rows)),
                "--labels",
                labels,
                "--classes",
                "2000",
            ],
            check=True,
        )
        command = [sys.executable, "-m", "beam_jobs.presample", "--input", f"{source}/*.csv", "--label", "label"]
        subprocess.run([*command, "--output", str(dataset), *flags], check=True, stdout=subprocess.DEVNULL)
    return str(dataset)


def turn(reader: Reader, dataset: str) -> dict[str, float]:
    """One measurement in a new process."""
    rows = Manifest.load(dataset).split("train").rows
    command = [sys.executable, HERE / "readers.py", reader.pipeline, dataset, "--batches", str(reader.batches)]
    command += ["--start_step", str(int(rows / 512 * reader.start))]
    ran = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(ran.stdout.splitlines()[-1])
    return found


def compared(comparison: Comparison, rows: int, data: Path, repeats: int) -> Table:
    """The table of a comparison."""
    paths = {reader.title: made(reader.dataset, rows, data) for reader in comparison.readers}
    turns: dict[str, list[dict[str, float]]] = {title: [] for title in paths}
    for number in range(repeats):
        for reader in comparison.readers[:: 1 if number % 2 else -1]:
            turns[reader.title].append(turn(reader, paths[reader.title]))
    table = Table(title=comparison.title, box=box.MARKDOWN)
    for column in ("", "examples/s", "first batch, s", "peak, MB", "ratio", "goal"):
        table.add_column(column)
    base = turns[comparison.readers[0].title]
    for reader in comparison.readers:
        own = turns[reader.title]
        ratio = median(one[comparison.key] / other[comparison.key] for one, other in zip(own, base, strict=True))
        table.add_row(
            reader.title,
            f"{median(one['rows_per_second'] for one in own):,.0f}" if reader.batches else "",
            f"{median(one['first'] for one in own):.2f}",
            f"{max(one['peak'] for one in own) / 1e6:,.0f}",
            f"{ratio:.2f}",
            comparison.goals.get(reader.title, ""),
        )
    return table


def main() -> None:
    """Runs what is asked for and prints a table of each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=10_000_000, help="source rows; 1 %% of them are positives")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--data", type=Path, help="keep the datasets here for the next run")
    parser.add_argument("--only", nargs="+", choices=[one.name for one in comparisons()])
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        data = asked.data or Path(scratch)
        for comparison in comparisons():
            if not asked.only or comparison.name in asked.only:
                Console(width=140).print(compared(comparison, asked.rows, data, asked.repeats))


if __name__ == "__main__":
    main()
