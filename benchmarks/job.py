"""Run presample, a hand-written Beam job, a DuckDB script and the floor side by side, and print one table.

    python benchmarks/job.py [--rows 8000000] [--repeats 3] [--only presample duckdb ...] [--work_dir DIR]

Every competitor runs as a whole process, in interleaved turns, on the same CSV files in a warm page
cache, and every output is read back and checked. Start-up is the same command on 1 000 rows; imports
are what `-X importtime` sums.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from competitors import (
    BENCHMARKS,
    ROOT,
    Competitor,
    OutputMismatchError,
    check_output,
    competitors,
    presample_is_there,
)
from measure import CommandFailedError, import_seconds, run_measured
from results_table import Result, figures_table, machine, results_table
from rich.console import Console

TINY_ROWS = 1000
NOTE = (
    "Medians over the runs. Start-up: the same command on 1 000 rows. Imports: all of them, late ones too. "
    "Peak memory: the larger of the main process's ru_maxrss and the polled sum of RSS over its process "
    "tree, the largest of all runs. MB = 10^6 bytes. Source files in the page cache. Every output was read "
    "back and checked."
)
NAMES = [competitor.name for competitor in competitors(presample_flags=[], beam_flags=[])]


@dataclass(frozen=True, kw_only=True)
class Source:
    """One folder of CSV files: its rows, bytes, and rows by class."""

    folder: Path
    rows: int
    size: int
    classes: dict[str, int]


def make_source(folder: Path, rows: int) -> Source:
    """Makes the CSV files, or finds them, in a process of its own: this one stays small.

    A child's `ru_maxrss` starts from that of the process that started it, so a large parent would show in it.
    """
    command = [sys.executable, str(BENCHMARKS / "make_csv.py"), str(folder), "--rows", str(rows)]
    made = json.loads(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)
    return Source(folder=folder, rows=made["rows"], size=made["bytes"], classes=made["classes"])


def warm(source: Source) -> None:
    """Reads the files once, so that no competitor pays for the disk."""
    for path in sorted(source.folder.glob("*.csv")):
        with path.open("rb", buffering=0) as file:
            while file.read(16 << 20):
                pass


class Contest:
    """The competitors, their sources and what was measured so far."""

    def __init__(self, work_dir: Path, console: Console) -> None:
        """Takes the folder for outputs and logs."""
        self.results: dict[str, Result] = {}
        self._output = work_dir / "output"
        self._logs = work_dir / "logs"
        self._logs.mkdir(parents=True, exist_ok=True)
        self._console = console

    def run(self, competitor: Competitor, source: Source) -> None:
        """Runs a competitor once on its source, checks its output and keeps the measurement."""
        result = self.results.setdefault(
            competitor.name, Result(title=competitor.title, rows=source.rows, source_bytes=source.size)
        )
        arguments = self._prepare(competitor, source)
        measured = run_measured(arguments, folder=ROOT, log=self._logs / f"{competitor.name}.log")
        if competitor.writes:
            result.written = check_output(competitor, self._output, source.classes)
        result.runs.append(measured)
        self._console.print(f"  {competitor.title}: {measured.seconds:.2f} s, {measured.peak / 1e6:,.0f} MB")

    def run_tiny(self, competitor: Competitor, tiny: Source) -> None:
        """Measures a competitor's start-up and imports once."""
        result = self.results[competitor.name]
        arguments = self._prepare(competitor, tiny)
        log = self._logs / f"{competitor.name}-tiny.log"
        result.startup_runs.append(run_measured(arguments, folder=ROOT, log=log).seconds)
        result.import_runs.append(import_seconds(self._prepare(competitor, tiny), folder=ROOT))

    def _prepare(self, competitor: Competitor, source: Source) -> list[str]:
        shutil.rmtree(self._output, ignore_errors=True)
        return competitor.arguments(source.folder, self._output)


def choose(options: argparse.Namespace, console: Console) -> list[Competitor]:
    """Picks the competitors of `--only`, without presample where its job does not exist."""
    there = competitors(presample_flags=options.presample_flags.split(), beam_flags=options.beam_flags.split())
    names = set(options.only)
    if "presample" in names and not presample_is_there():
        console.print("presample is skipped: beam_jobs/presample.py is missing")
        names.remove("presample")
    return [competitor for competitor in there if competitor.name in names]


def compete(options: argparse.Namespace, work_dir: Path, console: Console) -> dict[str, Result]:
    """Makes the data and runs all turns."""
    chosen = choose(options, console)
    source = make_source(options.data or work_dir / "data", options.rows)
    beam_source = source
    if options.beam_rows and options.beam_rows != options.rows and "beam" in options.only:
        beam_source = make_source(work_dir / "data_beam", options.beam_rows)
    tiny = make_source(work_dir / "data_tiny", TINY_ROWS)
    warm(source)
    contest = Contest(work_dir, console)
    for turn in range(options.repeats):
        console.print(f"turn {turn + 1} of {options.repeats}")
        for competitor in chosen:
            slow = competitor.name == "beam"
            if not slow or turn < options.beam_repeats:
                contest.run(competitor, beam_source if slow else source)
    for turn in range(options.startup_repeats):
        console.print(f"start-up and imports, turn {turn + 1} of {options.startup_repeats}")
        for competitor in chosen:
            contest.run_tiny(competitor, tiny)
    return contest.results


def show(results: dict[str, Result], options: argparse.Namespace, description: list[str], console: Console) -> None:
    """Prints the machine, the tables and what has to be said about them."""
    for line in description:
        console.print(line, soft_wrap=True)
    console.print(results_table(results, markdown=options.markdown))
    figures = figures_table(results, markdown=options.markdown)
    if figures is not None:
        console.print(figures)
    console.print(NOTE, soft_wrap=True)
    beam = results.get("beam")
    if beam and beam.rows != options.rows:
        console.print(f"The hand-written Beam job ran on {beam.rows:,} rows only, so its start-up weighs more.")


def parse_arguments() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description="Benchmark presample against other ways to do the same work.")
    parser.add_argument("--rows", type=int, default=8_000_000)
    parser.add_argument("--repeats", type=int, default=3, help="turns of each competitor but the Beam job")
    parser.add_argument("--beam_repeats", type=int, default=1, help="turns of the hand-written Beam job")
    parser.add_argument("--beam_rows", type=int, default=0, help="fewer rows for it (default: as all others)")
    parser.add_argument("--startup_repeats", type=int, default=3, help="turns on 1 000 rows")
    parser.add_argument("--only", nargs="+", choices=NAMES, default=NAMES, metavar="NAME", help=", ".join(NAMES))
    parser.add_argument("--presample_flags", default="", help="added to presample's command, one string")
    parser.add_argument("--beam_flags", default="", help="added to the hand-written Beam job's command, one string")
    parser.add_argument("--data", type=Path, help="folder of the CSV files (default: in the work folder)")
    parser.add_argument("--work_dir", type=Path, help="kept afterwards (default: a temporary folder, removed)")
    parser.add_argument("--markdown", action="store_true", help="tables as Markdown")
    parser.add_argument("--json", type=Path, help="also write every single measurement to this file")
    options = parser.parse_args()
    if options.repeats < 1 or options.beam_repeats < 1 or options.startup_repeats < 1:
        parser.error("--repeats, --beam_repeats and --startup_repeats must be at least 1")
    return options


def as_json(results: dict[str, Result], description: list[str]) -> dict[str, Any]:
    """Gathers every measurement for `--json`."""
    single: dict[str, Any] = {
        name: {**vars(each), "runs": [vars(run) for run in each.runs]} for name, each in results.items()
    }
    return {"machine": description, "results": single}


def main() -> int:
    """Command line of this file."""
    options = parse_arguments()
    console = Console(width=None if sys.stdout.isatty() else 400)
    description = machine()
    with tempfile.TemporaryDirectory(prefix="presample-benchmark-") as temporary:
        try:
            results = compete(options, (options.work_dir or Path(temporary)).resolve(), console)
        except (CommandFailedError, OutputMismatchError) as error:
            console.print(str(error), markup=False, style="red")
            return 1
    show(results, options, description, console)
    if options.json:
        options.json.write_text(json.dumps(as_json(results, description), indent=1) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
