"""Who takes part in `job.py`, how each is started, and what its output has to be."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BENCHMARKS = Path(__file__).resolve().parent
ROOT = BENCHMARKS.parent
COLUMNS_WRITTEN = 27  # 26 of the source and the weight
# A row-by-row draw gives a class its size on average only; 6 standard deviations are never left by chance.
BAND = 6.0

Arguments = Callable[[Path, Path], list[str]]


class OutputMismatchError(RuntimeError):
    """A competitor did not write the sample that was asked for."""


@dataclass(frozen=True, kw_only=True)
class Competitor:
    """One command: its name in `--only`, its row in the table, and its arguments for (input, output).

    `writes` is whether it writes a sample at all, `exact` whether that sample's sizes are exact.
    """

    name: str
    title: str
    arguments: Arguments
    writes: bool = True
    exact: bool = True


def _script(name: str) -> str:
    return str(BENCHMARKS / name)


def _beam_arguments(source: Path, output: Path, flags: list[str]) -> list[str]:
    return [_script("handwritten_beam.py"), "--input", f"{source}/*.csv", "--output", str(output), *flags]


def _presample_arguments(source: Path, output: Path, flags: list[str]) -> list[str]:
    command = ["-m", "beam_jobs.presample", "--input", f"{source}/*.csv", "--output", str(output)]
    return [*command, "--label", "label", "--strategy", "balance", *flags]


def competitors(*, presample_flags: list[str], beam_flags: list[str]) -> list[Competitor]:
    """Returns all competitors, presample first; the flags are added to the two Beam jobs' commands."""
    duckdb = _script("duckdb_script.py")
    return [
        Competitor(
            name="presample",
            title="presample run",
            arguments=lambda source, output: _presample_arguments(source, output, presample_flags),
        ),
        Competitor(
            name="beam",
            title="hand-written Beam job",
            arguments=lambda source, output: _beam_arguments(source, output, beam_flags),
            exact=False,
        ),
        Competitor(
            name="duckdb",
            title="DuckDB script",
            arguments=lambda source, output: [duckdb, str(source), str(output)],
        ),
        Competitor(
            name="duckdb_plain",
            title="DuckDB script, plain read_csv",
            arguments=lambda source, output: [duckdb, str(source), str(output), "--plain"],
        ),
        Competitor(
            name="floor",
            title="floor: label column read twice",
            arguments=lambda source, _: [_script("floor.py"), str(source)],
            writes=False,
        ),
    ]


def presample_is_there() -> bool:
    """Tells whether the job's module exists, without importing it."""
    return (ROOT / "beam_jobs" / "presample.py").is_file()


def check_output(competitor: Competitor, output: Path, classes: dict[str, int]) -> str:
    """Compares what a competitor wrote with the balanced sample of `classes` (source rows by label).

    Returns:
        The rows of each class, for the table.

    Raises:
        OutputMismatchError: classes, rows, weights or features are not as they should be; names all of them.
    """
    command = [sys.executable, _script("check_outputs.py"), str(output)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise OutputMismatchError(f"{competitor.title}: its output cannot be read:\n{done.stderr[-2000:]}")
    found: dict[str, dict[str, Any]] = json.loads(done.stdout)
    faults = [] if sorted(found) == sorted(classes) else [f"classes {sorted(found)}, wanted {sorted(classes)}"]
    wanted = min(classes.values())
    for label in sorted(classes.keys() & found.keys()):
        faults += _class_faults(competitor, label, found[label], source_rows=classes[label], wanted=wanted)
    if faults:
        raise OutputMismatchError(f"{competitor.title}: " + "; ".join(faults))
    return ", ".join(f"{label}: {found[label]['rows']:,}" for label in sorted(found))


def _class_faults(
    competitor: Competitor, label: str, entry: dict[str, Any], *, source_rows: int, wanted: int
) -> list[str]:
    rate = wanted / source_rows
    slack = 0.0 if competitor.exact else BAND * (source_rows * rate * (1 - rate)) ** 0.5
    faults = []
    if abs(entry["rows"] - wanted) > slack:
        faults.append(f"class {label} has {entry['rows']} rows, wanted {wanted} within {slack:.0f}")
    weights = entry["weight_sum"]
    if abs(weights - source_rows) > 1e-6 * source_rows + slack / rate:
        faults.append(f"class {label} has weights that sum to {weights}, wanted {source_rows}")
    if len(entry["features"]) != COLUMNS_WRITTEN:
        faults.append(f"class {label} has the features {entry['features']}, wanted {COLUMNS_WRITTEN}")
    return faults
