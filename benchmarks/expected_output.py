"""What a competitor's output has to be, and whether it is."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data import BENCHMARKS

COLUMNS_WRITTEN = 27  # 26 of the source and the weight
# A row-by-row draw gives a class its size on average only; 6 standard deviations are never left by chance.
BAND = 6.0
MOST_NAMED = 5

Classes = dict[str, int]


class OutputMismatchError(RuntimeError):
    """A competitor did not write the sample that was asked for."""


@dataclass(frozen=True, kw_only=True)
class Expected:
    """The output of one strategy.

    `sizes` turns the source's rows by class into those kept; `exact` is whether they are kept to the row
    or on average; `files` is the least number of files.
    """

    sizes: Callable[[Classes], Classes]
    exact: bool = True
    files: int = 1


def everything(classes: Classes) -> Classes:
    """The sizes of `--strategy none`."""
    return classes


def balanced(classes: Classes) -> Classes:
    """The sizes of `--strategy balance`."""
    return dict.fromkeys(classes, min(classes.values()))


def at_most(limit: int) -> Callable[[Classes], Classes]:
    """The sizes of `--strategy max=N`."""
    return lambda classes: {label: min(rows, limit) for label, rows in classes.items()}


def check_output(title: str, expected: Expected, output: Path, classes: Classes) -> str:
    """Reads all that a competitor wrote and compares it with the wanted sample of `classes`.

    Returns:
        The rows written, for the table.

    Raises:
        OutputMismatchError: it cannot be read, or classes, rows, weights, ids or features are not as they
            should be; names what is wrong.
    """
    command = [sys.executable, str(BENCHMARKS / "check_outputs.py"), str(output)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise OutputMismatchError(f"{title}: its output cannot be read:\n{done.stderr[-2000:]}")
    found: dict[str, Any] = json.loads(done.stdout)
    faults = _faults(expected, found, classes)
    if faults:
        more = f"; and {len(faults) - MOST_NAMED} more" if len(faults) > MOST_NAMED else ""
        raise OutputMismatchError(f"{title}: " + "; ".join(faults[:MOST_NAMED]) + more)
    if len(classes) > MOST_NAMED:
        return f"{found['rows']:,} in {len(classes):,} classes"
    return ", ".join(f"{label}: {found['classes'][label]['rows']:,}" for label in sorted(classes))


def _faults(expected: Expected, found: dict[str, Any], classes: Classes) -> list[str]:
    wanted = expected.sizes(classes)
    written = found["classes"]
    faults = []
    if wrong := sorted(written.keys() ^ wanted.keys()):
        faults.append(f"classes missing or too many: {wrong[:MOST_NAMED]}")
    for label in sorted(written.keys() & wanted.keys()):
        faults += _class_faults(expected, label, written[label], source_rows=classes[label], wanted=wanted[label])
    if found["misplaced"]:
        faults.append(f"{found['misplaced']} rows are not of the class that their path names")
    if found["distinct_ids"] != found["rows"]:
        faults.append(f"{found['rows']} rows have {found['distinct_ids']} different ids")
    if len(found["features"]) != COLUMNS_WRITTEN or found["incomplete"]:
        faults.append(f"features {found['features']}, wanted {COLUMNS_WRITTEN}; incomplete: {found['incomplete']}")
    if found["files"] < expected.files:
        faults.append(f"{found['files']} files, wanted {expected.files} at least")
    return faults


def _class_faults(
    expected: Expected, label: str, entry: dict[str, float], *, source_rows: int, wanted: int
) -> list[str]:
    rate = wanted / source_rows
    slack = 0.0 if expected.exact else BAND * (source_rows * rate * (1 - rate)) ** 0.5
    faults = []
    if abs(entry["rows"] - wanted) > slack:
        faults.append(f"class {label} has {entry['rows']} rows, wanted {wanted} within {slack:.0f}")
    weights = entry["weight_sum"]
    if abs(weights - source_rows) > 1e-6 * source_rows + slack / rate:
        faults.append(f"class {label} has weights that sum to {weights}, wanted {source_rows}")
    return faults
