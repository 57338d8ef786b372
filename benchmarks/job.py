"""Run presample and others side by side, scenario by scenario, and print their tables.

    python benchmarks/job.py [--scenario balance none ...] [--rows 8000000] [--repeats 3] [--data DIR]

Every competitor runs as a whole process, in interleaved turns, on the same files in a warm page cache,
and every output is read back and checked. Start-up is the same command on 1 000 rows; imports are what
`-X importtime` sums.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from contest import DiskTooSmallError, compete
from data import DataFolder
from expected_output import OutputMismatchError
from figures import Figure, Results, figures_table
from measure import CommandFailedError
from results_table import Result, machine, results_table
from rich.console import Console
from scenario import Scenario, Sizes
from scenarios import SCENARIOS

NOTE = (
    "Medians over the runs. Start-up: the same command on 1 000 rows. Imports: all of them, late ones too. "
    "Peak memory: the larger of the main process's ru_maxrss and the polled sum of RSS over its process "
    "tree, the largest of all runs. MB = 10^6 bytes. Source files in the page cache. Every output was read "
    "back and checked."
)


def show(scenario: Scenario, results: Results, options: argparse.Namespace, console: Console) -> None:
    """Prints the tables of a scenario."""
    console.print(f"\n### {scenario.title}\n", markup=False)
    console.print(results_table(results, markdown=options.markdown))
    figures = figures_table([(figure, results) for figure in scenario.figures], markdown=options.markdown)
    if figures is not None:
        console.print(figures)
    beam = results.get("beam")
    if beam and beam.rows != options.rows:
        console.print(f"The hand-written Beam job ran on {beam.rows:,} rows only, so its start-up weighs more.")


def parse_arguments() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        description="Benchmark presample against other ways to do the same work, and against itself."
    )
    names = ", ".join([*SCENARIOS, "all"])
    parser.add_argument(
        "--scenario", nargs="+", choices=[*SCENARIOS, "all"], default=["balance"], metavar="NAME", help=names
    )
    parser.add_argument("--rows", type=int, default=8_000_000)
    parser.add_argument("--large_rows", type=int, default=0, help="for memory and workers (default: five times --rows)")
    parser.add_argument("--repeats", type=int, default=3, help="turns of each competitor but the Beam job")
    parser.add_argument("--beam_repeats", type=int, default=1, help="turns of the hand-written Beam job")
    parser.add_argument("--beam_rows", type=int, default=0, help="fewer rows for it (default: as all others)")
    parser.add_argument(
        "--startup_repeats", type=int, default=3, help="turns on 1 000 rows, where start-up is measured"
    )
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="competitors (default: all)")
    parser.add_argument("--presample_flags", default="", help="added to presample's commands, one string")
    parser.add_argument("--beam_flags", default="", help="added to the hand-written Beam job's command, one string")
    parser.add_argument(
        "--data", type=Path, help="kept folder of the input files (default: in the work folder, removed)"
    )
    parser.add_argument("--work_dir", type=Path, help="for outputs and logs (default: a temporary folder, removed)")
    parser.add_argument("--markdown", action="store_true", help="tables as Markdown")
    parser.add_argument("--json", type=Path, help="also write every single measurement to this file")
    options = parser.parse_args()
    if min(options.repeats, options.beam_repeats, options.startup_repeats) < 1:
        parser.error("--repeats, --beam_repeats and --startup_repeats must be at least 1")
    if min(options.rows, options.large_rows or options.rows, options.beam_rows or options.rows) < 1000:
        parser.error("--rows, --large_rows and --beam_rows must be at least 1000")
    return options


def chosen_scenarios(options: argparse.Namespace) -> list[Scenario]:
    """Builds the scenarios that were asked for.

    Raises:
        ValueError: `--only` names a competitor that none of them has, or leaves one of them without any.
    """
    sizes = Sizes(
        rows=options.rows,
        large_rows=options.large_rows or 5 * options.rows,
        beam_rows=options.beam_rows or options.rows,
        presample_flags=tuple(options.presample_flags.split()),
        beam_flags=tuple(options.beam_flags.split()),
    )
    names = list(SCENARIOS) if "all" in options.scenario else list(dict.fromkeys(options.scenario))
    scenarios = [SCENARIOS[name](sizes) for name in names]
    for scenario in scenarios:
        there = [each.name for each in scenario.competitors]
        if options.only and not set(options.only) & set(there):
            raise ValueError(f"--only names no competitor of {scenario.name}, which has {', '.join(there)}")
    unknown = set(options.only) - {each.name for scenario in scenarios for each in scenario.competitors}
    if unknown:
        raise ValueError(f"--only names {', '.join(sorted(unknown))}, whom no chosen scenario has")
    return scenarios


def measured(result: Result) -> dict[str, Any]:
    """Gathers every measurement of a competitor for `--json`."""
    return {**vars(result), "runs": [vars(run) for run in result.runs]}


def main() -> int:
    """Command line of this file."""
    options = parse_arguments()
    console = Console(width=None if sys.stdout.isatty() else 400)
    try:
        scenarios = chosen_scenarios(options)
    except ValueError as error:
        console.print(str(error), markup=False, style="red")
        return 2
    with tempfile.TemporaryDirectory(prefix="presample-benchmark-") as temporary:
        options.work_dir = (options.work_dir or Path(temporary)).resolve()
        return run_all(scenarios, options, console)


def run_all(scenarios: list[Scenario], options: argparse.Namespace, console: Console) -> int:
    """Runs the scenarios one after the other; one that fails does not keep the others from running."""
    data = DataFolder((options.data or options.work_dir / "data").resolve())
    gathered: dict[str, Any] = {"machine": machine(), "scenarios": {}}
    for line in gathered["machine"]:
        console.print(line, soft_wrap=True)
    failed: list[str] = []
    figures: list[tuple[Figure, Results]] = []
    for index, scenario in enumerate(scenarios):
        try:
            results = compete(scenario, options, data, console)
        except (CommandFailedError, OutputMismatchError, DiskTooSmallError) as error:
            console.print(f"{scenario.name}: {error}", markup=False, style="red")
            failed.append(scenario.name)
        else:
            show(scenario, results, options, console)
            figures += [(figure, results) for figure in scenario.figures]
            gathered["scenarios"][scenario.name] = {name: measured(each) for name, each in results.items()}
            if options.json:
                options.json.write_text(json.dumps(gathered, indent=1) + "\n")
        if not options.data:
            later = {each.data for follower in scenarios[index + 1 :] for each in follower.competitors}
            for done in {each.data for each in scenario.competitors} - later:
                data.remove(done)
    together = figures_table(figures, markdown=options.markdown)
    if len(scenarios) > 1 and together is not None:
        console.print("\n### All figures\n")
        console.print(together)
    console.print("\n" + NOTE, soft_wrap=True)
    if failed:
        console.print(f"No figures for: {', '.join(failed)}.", style="red")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
