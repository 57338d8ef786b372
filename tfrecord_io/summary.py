"""Tables for people: what a plan or a dataset holds, per split and class."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from rich import box
from rich.table import Table
from rich.text import Text

from tfrecord_io import labels
from tfrecord_io.manifest import UNRESAMPLED_SPLITS, Manifest
from tfrecord_io.plan import Plan

MOST_CLASSES = 20
"""Classes of a split that a table lists; the others are summed up in one line."""


@dataclass(frozen=True)
class ClassLine:
    """One line of a table; `weight` is what the rows' original weights (or 1) are multiplied by.

    `rows` and `weight` are of one fold, `shards` and `bytes` of all.
    """

    split: str
    label: str
    source_rows: int
    rows: int
    weight: float | None
    shards: int
    bytes: int
    folds: int | None = 1


def plan_table(plan: Plan) -> Table:
    """The table of `--plan_only`: class, source rows, kept rows, weight, shards, bytes."""
    return _table(
        ClassLine(
            s.split,
            labels.to_text(s.label),
            s.source.rows,
            s.rows,
            s.factor if s.rows else None,
            s.shards * s.folds,
            s.bytes,
            s.folds,
        )
        for s in plan.strata
    )


def dataset_table(manifest: Manifest) -> Table:
    """The same of a dataset, as it is on disk."""
    factors = {name: manifest.stored_factors(name) for name in manifest.splits}
    return _table(
        ClassLine(
            name,
            labels.to_text(entry.label),
            entry.source_rows,
            entry.rows,
            factors[name].get(entry.label),
            len(entry.shards),
            sum(shard.bytes for shard in entry.shards),
            entry.folds,
        )
        for name, split in manifest.splits.items()
        for entry in split.classes
    )


def reading_snippet(directory: str, batch_size: int = 512, splits: Iterable[str] = ("train",)) -> str:
    """Three lines of Python that feed a Keras model from the dataset.

    Of the `splits` there are they read `train`; without one, all that are neither `eval` nor `test`.
    """
    there = list(splits)
    names = [name for name in there if name not in UNRESAMPLED_SPLITS] or there
    split = "train" if "train" in names else names[0] if len(names) == 1 else names
    return (
        "from input_fns import InputFn\n"
        f"train = InputFn({json.dumps(directory, ensure_ascii=False)}, split={json.dumps(split)}, "
        f'batch_size={batch_size}, mix="balanced", seed=1)\n'
        "model.fit(train(), steps_per_epoch=train.steps_per_epoch, epochs=5)"
    )


def readable_bytes(size: float) -> str:
    """Like 1.82 GB."""
    for unit in ("B", "kB", "MB", "GB"):
        if size < 999.5:  # what does not round to 1000
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} TB"


def _table(lines: Iterable[ClassLine]) -> Table:
    """Folds have a column where some class has several."""
    lines = list(lines)
    folded = any((line.folds or 1) > 1 for line in lines)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("split")
    table.add_column("class", overflow="fold")
    kept = ("rows a fold", "folds") if folded else ("kept rows",)
    for name in ("source rows", *kept, "weight", "shards", "bytes"):
        table.add_column(name, justify="right")
    for line in _shortened(lines):
        weight = "" if line.weight is None else f"{line.weight:.6g}"
        numbers = (
            f"{line.source_rows:,}",
            f"{line.rows:,}",
            *["" if line.folds is None else f"{line.folds:,}"] * folded,
            weight,
            f"{line.shards:,}",
            readable_bytes(line.bytes),
        )
        table.add_row(line.split, Text(line.label), *numbers)  # Text: a label is no markup
    return table


def _shortened(lines: list[ClassLine]) -> Iterator[ClassLine]:
    """The largest classes of each split; the rest as one line."""
    for split in dict.fromkeys(line.split for line in lines):
        here = [line for line in lines if line.split == split]
        shown = (
            sorted(here, key=lambda line: -line.source_rows)[: MOST_CLASSES - 1] if len(here) > MOST_CLASSES else here
        )
        rest = [line for line in here if line not in shown]
        yield from (line for line in here if line in shown)
        if rest:
            yield ClassLine(
                split,
                f"({len(rest)} more)",
                sum(line.source_rows for line in rest),
                sum(line.rows for line in rest),
                None,
                sum(line.shards for line in rest),
                sum(line.bytes for line in rest),
                None,
            )
