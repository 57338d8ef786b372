"""What the user should know beside the figures: warnings about a plan, and remarks on a run that is over."""

from __future__ import annotations

from collections.abc import Mapping

from beam_jobs.options import PresampleOptions
from tfrecord_io.manifest import Manifest
from tfrecord_io.plan import Plan
from tfrecord_io.plan_warnings import ClassCounts, plan_warnings
from tfrecord_io.strategy import parse_strategy


def warnings_of_plan(options: PresampleOptions, planned: Plan) -> list[str]:
    """What the user should know about the resampled splits."""
    strategy = parse_strategy(options.strategy)
    counts = {
        split: [ClassCounts(s.label, s.source.rows, s.rows, s.folds) for s in planned.of_split(split)]
        for split in options.resampled_splits
    }
    rows = {name: sum(s.source.rows for s in planned.of_split(name)) for name in options.split_names}
    warnings = [text for split in counts for text in plan_warnings(strategy, split, counts[split], options.folds)]
    return warnings + _empty_splits(options, rows)


def notes_on(options: PresampleOptions, manifest: Manifest) -> tuple[list[str], list[str]]:
    """Remarks for the end of a run, and warnings."""
    strategy = parse_strategy(options.strategy)
    warnings = []
    for split in options.resampled_splits:
        counts = [
            ClassCounts(c.label, c.source_rows, c.rows + c.rejected_rows, c.folds)
            for c in manifest.split(split).classes
        ]
        warnings += plan_warnings(strategy, split, counts, options.folds)
    warnings += _empty_splits(options, {name: split.source_rows for name, split in manifest.splits.items()})
    notes = []
    if "filtered_rows" in manifest.source:
        left_out, rows = manifest.source["filtered_rows"], manifest.source["rows"]
        notes.append(f"--where left out {left_out:,} of {rows:,} rows.")
    if manifest.source["rejected_rows"]:
        reasons = ", ".join(f"{reason} {count:,}" for reason, count in manifest.rejected["reasons"].items())
        warnings.append(
            f"{manifest.source['rejected_rows']:,} of {manifest.source['rows']:,} rows were rejected ({reasons}); see "
            f"{manifest.rejected['files'][0]['path']} in the dataset."
        )
    if any(spec["dtype"] == "float32" for spec in manifest.schema.values()) and manifest.source["format"] != "tfrecord":
        notes.append("Floating-point columns are stored as float32.")
    if len(manifest.splits) > 1 and options.split_time is None:
        notes.append("Rows fall into splits by a hash, so the fractions are near those asked for, not exact.")
    return notes, warnings


def _empty_splits(options: PresampleOptions, rows: Mapping[str, int]) -> list[str]:
    """A warning for each split that `--split_time` leaves empty."""
    empty = [name for name, count in rows.items() if not count] if options.split_time else []
    return [f"--split_time {options.split_time} leaves {name} without a row." for name in empty]
