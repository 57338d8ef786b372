"""What a user should know about a plan."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

from tfrecord_io import labels
from tfrecord_io.labels import Label, listed
from tfrecord_io.strategy import Strategy

_TINY_SHARE = Fraction(1, 100)


class ClassCounts(NamedTuple):
    """What a split has of one class, and keeps of it in each fold."""

    label: Label
    source_rows: int
    rows: int
    folds: int


def plan_warnings(strategy: Strategy, split: str, classes: Sequence[ClassCounts], folds_asked: int) -> list[str]:
    """What a user should know about the plan of one resampled split, a sentence each."""
    warnings = []
    absent = [c.label for c in classes if not c.source_rows]
    if absent:
        warnings.append(f"Class {listed(absent)} has no row in the {split} split and stays out of the strategy.")
    short = [c for c in classes if 0 < c.rows < c.source_rows and c.folds < folds_asked]
    if folds_asked > 1 and not any(c.rows < c.source_rows for c in classes):
        warnings.append(f"--folds {folds_asked} has no effect on {split}: every class is kept whole.")
    elif short:
        fewest = min(short, key=lambda c: c.folds)
        warnings.append(
            f"--folds {folds_asked}: class {listed([c.label for c in short])} of {split} has too few rows for that "
            f"many; class {labels.to_text(fewest.label)} has {fewest.folds}. They come around more often. Keep fewer "
            "rows a fold to have more folds."
        )
    total, kept = sum(c.source_rows for c in classes), sum(c.rows for c in classes)
    if strategy.name == "balance" and kept < _TINY_SHARE * total:
        smallest = min((c for c in classes if c.source_rows), key=lambda c: c.source_rows)
        warnings.append(
            f"balance keeps {kept} of {total} rows ({100 * kept / total:.2g} %), because class "
            f"{labels.to_text(smallest.label)} has only {smallest.source_rows}. "
            "Consider --strategy ratio=M or max=N to keep more of the others."
        )
    return warnings
