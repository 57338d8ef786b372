"""The turns of one scenario: who runs when, on what, and what came of it."""

import argparse
import shutil
from pathlib import Path

from competitors import ROOT, Competitor
from data import Data, DataFolder, Source, warm
from expected_output import check_output
from figures import Results
from measure import import_seconds, run_measured
from results_table import Result
from rich.console import Console
from scenario import WRITTEN_BYTES_PER_ROW, Scenario


class DiskTooSmallError(RuntimeError):
    """The files of a scenario do not fit on the disk."""


_LARGE = 500_000_000
"""Bytes of an output that is not kept until the end of its scenario."""


class Contest:
    """The turns of one scenario, and what was measured so far."""

    def __init__(self, scenario: Scenario, sources: dict[Data, Source], work_dir: Path, console: Console) -> None:
        """Takes the input files by what is in them, and the folder for outputs and logs."""
        self.results: Results = {}
        self._scenario = scenario
        self._sources = sources
        self._output = work_dir / "output"
        self._aside = work_dir / "aside"
        self._logs = work_dir / "logs"
        self._logs.mkdir(parents=True, exist_ok=True)
        self._console = console

    def run(self, competitor: Competitor) -> None:
        """Runs a competitor once on its files, checks its output and keeps the measurement."""
        source = self._sources[competitor.data]
        result = self.results.setdefault(
            competitor.name, Result(title=competitor.title, rows=source.rows, source_bytes=source.size)
        )
        measured = run_measured(
            self._prepare(competitor, source), folder=ROOT, log=self._log(competitor), cores=competitor.cores
        )
        if competitor.expected:
            result.written = check_output(competitor.title, competitor.expected, self._output, source.classes)
        result.runs.append(measured)
        self._console.print(f"  {competitor.title}: {measured.seconds:.2f} s, {measured.peak / 1e6:,.0f} MB")

    def run_tiny(self, competitor: Competitor) -> None:
        """Measures a competitor's start-up and imports once."""
        result = self.results[competitor.name]
        source = self._sources[competitor.data.tiny]
        log = self._log(competitor, "-tiny")
        result.startup_runs.append(run_measured(self._prepare(competitor, source), folder=ROOT, log=log).seconds)
        result.import_runs.append(import_seconds(self._prepare(competitor, source), folder=ROOT))

    def clear(self) -> None:
        """Removes all outputs."""
        for folder in (self._output, self._aside):
            shutil.rmtree(folder, ignore_errors=True)

    def _set_aside(self) -> None:
        """Takes the last output away, without deleting many small files.

        After that, some file systems are slow for half a minute at making new ones: the next run would pay for it.
        """
        if self._output.is_dir() and disk_bytes(self._output) < _LARGE:
            self._aside.mkdir(exist_ok=True)
            self._output.rename(self._aside / str(len(list(self._aside.iterdir()))))
        shutil.rmtree(self._output, ignore_errors=True)

    def _prepare(self, competitor: Competitor, source: Source) -> list[str]:
        self._set_aside()
        return competitor.arguments(source, self._output)

    def _log(self, competitor: Competitor, ending: str = "") -> Path:
        return self._logs / f"{self._scenario.name}-{competitor.name}{ending}.log"


def compete(scenario: Scenario, options: argparse.Namespace, data: DataFolder, console: Console) -> Results:
    """Makes the files of a scenario and runs all turns."""
    chosen = [each for each in scenario.competitors if not options.only or each.name in options.only]
    check_space(scenario, options.work_dir, data)
    console.print(f"{scenario.name}: {scenario.title}", markup=False)
    wanted = dict.fromkeys(each.data for each in chosen)
    tiny = dict.fromkeys(each.tiny for each in wanted if scenario.startup)
    sources = {each: data.make(each) for each in (*wanted, *tiny)}
    contest = Contest(scenario, sources, options.work_dir, console)
    try:
        for each in wanted:
            warm(sources[each])
        for turn in range(options.repeats):
            console.print(f"turn {turn + 1} of {options.repeats}")
            for competitor in chosen:
                if not competitor.slow or turn < options.beam_repeats:
                    contest.run(competitor)
        for turn in range(options.startup_repeats if scenario.startup else 0):
            console.print(f"start-up and imports, turn {turn + 1} of {options.startup_repeats}")
            for competitor in chosen:
                contest.run_tiny(competitor)
    finally:
        contest.clear()
    return contest.results


def check_space(scenario: Scenario, work_dir: Path, data: DataFolder) -> None:
    """Looks whether the input files and the largest output, twice for what is on its way, fit.

    Raises:
        DiskTooSmallError: they do not.
    """
    missing = {each.data for each in scenario.competitors if not data.is_there(each.data)}
    needed = sum(each.estimated_bytes for each in missing) + 2 * scenario.most_written * WRITTEN_BYTES_PER_ROW
    work_dir.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(work_dir).free
    if needed > free:
        raise DiskTooSmallError(
            f"{scenario.name} needs about {needed / 1e9:.0f} GB of disk; {free / 1e9:.0f} are free."
        )


def disk_bytes(folder: Path) -> int:
    """The size of all files in a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
