"""The tables of `job.py`: each competitor's figures, and the machine."""

import os
import platform
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from math import isnan
from pathlib import Path
from statistics import median

import psutil
from measure import Measurement
from rich import box
from rich.table import Table

PACKAGES = ("apache-beam", "pyarrow", "numpy", "duckdb", "tfx-bsl", "tensorflow", "google-crc32c")


@dataclass(kw_only=True)
class Result:
    """All runs of one competitor; every figure is a median over its runs, the peak the largest."""

    title: str
    rows: int
    source_bytes: int
    runs: list[Measurement] = field(default_factory=list)
    startup_runs: list[float] = field(default_factory=list)
    import_runs: list[float] = field(default_factory=list)
    written: str = "-"

    @property
    def seconds(self) -> float:
        """Wall seconds of the whole command."""
        return median(run.seconds for run in self.runs)

    @property
    def startup(self) -> float:
        """Wall seconds of the same command on 1 000 rows."""
        return median(self.startup_runs)

    @property
    def imports(self) -> float:
        """Seconds of all imports of the command."""
        return median(self.import_runs)

    @property
    def rate(self) -> float:
        """Rows a second of the whole command."""
        return self.rows / self.seconds

    @property
    def rate_beyond_startup(self) -> float:
        """Rows a second without the seconds of the command on 1 000 rows; NaN where nothing is left."""
        return self.rows / (self.seconds - self.startup) if self.seconds > self.startup else float("nan")

    @property
    def rate_without_imports(self) -> float:
        """Rows a second without the seconds of imports; NaN where nothing is left."""
        return self.rows / (self.seconds - self.imports) if self.seconds > self.imports else float("nan")

    @property
    def peak(self) -> int:
        """Peak memory in bytes."""
        return max(run.peak for run in self.runs)


def installed(package: str) -> str:
    """Names a package with its version."""
    try:
        return f"{package} {version(package)}"
    except PackageNotFoundError:
        return f"{package} missing"


def machine() -> list[str]:
    """Describes the machine and the versions, a line each."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        lines = cpuinfo.read_text().splitlines()
        model = next((line.partition(":")[2].strip() for line in lines if "model name" in line), model)
    parts = [
        f"{model}, {len(os.sched_getaffinity(0))} cores",
        f"{psutil.virtual_memory().total / 1e9:.0f} GB of memory",
        f"{platform.system()}",
        f"load average {os.getloadavg()[0]:.1f} at the start",
    ]
    return [", ".join(parts), ", ".join([f"Python {platform.python_version()}", *map(installed, PACKAGES)])]


HEADINGS = ("command", "whole s (range)", "rows/s", "MB/s", "peak MB", "first row is: whole", "rows written by class")
STARTUP_HEADINGS = (
    "start-up s",
    "beyond start-up rows/s",
    "first row is",
    "imports s",
    "without imports rows/s",
    "first row is",
)


def results_table(results: dict[str, Result], *, markdown: bool) -> Table:
    """Makes the table of all competitors; the ratios say how many times faster the first one is.

    Start-up and imports have columns where they were measured.
    """
    startup = any(result.startup_runs for result in results.values())
    table = Table(box=box.MARKDOWN if markdown else box.SIMPLE_HEAD)
    for heading in (*HEADINGS, *(STARTUP_HEADINGS if startup else ())):
        table.add_column(heading, justify="left" if heading == HEADINGS[0] else "right")
    reference = next(iter(results.values()))
    for result in results.values():
        times = [run.seconds for run in result.runs]
        table.add_row(
            f"{result.title}, {result.rows:,} rows",
            f"{result.seconds:.2f} ({min(times):.2f} to {max(times):.2f})" if len(times) > 1 else f"{times[0]:.2f}",
            f"{result.rate:,.0f}",
            f"{result.source_bytes / result.seconds / 1e6:,.0f}",
            f"{result.peak / 1e6:,.0f}",
            f"{reference.rate / result.rate:.2f} x",
            result.written,
            *(_startup_cells(reference, result) if startup else ()),
        )
    return table


def _startup_cells(reference: Result, result: Result) -> list[str]:
    return [
        f"{result.startup:.2f}",
        _number(result.rate_beyond_startup, ",.0f"),
        _number(reference.rate_beyond_startup / result.rate_beyond_startup, ".2f", " x"),
        f"{result.imports:.2f}",
        _number(result.rate_without_imports, ",.0f"),
        _number(reference.rate_without_imports / result.rate_without_imports, ".2f", " x"),
    ]


def _number(value: float, form: str, unit: str = "") -> str:
    """Formats a number, NaN as a dash: a run no longer than its start-up has no rate beyond it."""
    return "-" if isnan(value) else f"{value:{form}}{unit}"
