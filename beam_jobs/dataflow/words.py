"""A job's progress in words and as JSON."""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterable
from typing import Any

from beam_jobs.dataflow.counters import ClassCount
from beam_jobs.dataflow.progress import Snapshot
from tfrecord_io.summary import MOST_CLASSES, readable_bytes


def progress_line(seen: Snapshot) -> str:
    """Like `RUNNING, counting: 600 rows, 1.2 GB of 4 GB, 10,000 rows/s, about 3 min of reading left`."""
    rows, size = seen.phase_counts
    parts = [seen.state if seen.state == "DONE" else f"{seen.state}, {seen.phase}"]
    if rows:
        known = f" of {seen.rows_to_draw:,}" if seen.phase == "drawing" else ""
        parts.append(f"{rows:,}{known} rows")
    if size:
        total = seen.about.counted_bytes if seen.phase == "counting" else None
        parts.append(readable_bytes(size) + (f" of {readable_bytes(total)}" if total else ""))
    if seen.rows_per_second and not seen.ended:
        parts.append(f"{seen.rows_per_second:,.0f} rows/s")
    if seen.seconds_left is not None:
        parts.append(f"about {duration(seen.seconds_left)} of reading left")
    return ": ".join([parts[0], ", ".join(parts[1:])]) if parts[1:] else parts[0]


def totals(seen: Snapshot) -> list[tuple[str, str]]:
    """What is counted, a line for each stage that has begun: (stage, text)."""
    found = []
    for phase, (stage, names) in _TOTALS.items():
        counted = [(name, seen.counters.get(stage, name)) for name in names]
        if counted[0][1]:
            found.append((phase, ", ".join(_amount(name, value) for name, value in counted if value)))
    return found


def shortened(classes: list[ClassCount]) -> list[ClassCount]:
    """The largest 20; the rest as one line."""
    if len(classes) <= MOST_CLASSES:
        return classes
    shown, rest = classes[: MOST_CLASSES - 1], classes[MOST_CLASSES - 1 :]
    read = _sum(each.rows_read for each in rest)
    return [*shown, ClassCount("", f"({len(rest)} more)", read, _sum(each.rows_written for each in rest))]


def duration(seconds: float) -> str:
    """Like 45 s, 12 min or 3.5 h."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def moment(time: datetime.datetime) -> str:
    """UTC to the second, like 2026-01-31T07:00:00Z."""
    return f"{time.astimezone(datetime.timezone.utc):%Y-%m-%dT%H:%M:%SZ}"


def as_json(event: str, time: datetime.datetime, **fields: Any) -> str:
    """One line."""
    return json.dumps({"event": event, "time": moment(time), **fields}, ensure_ascii=False)


def progress_fields(seen: Snapshot) -> dict[str, Any]:
    """The fields of a `progress` line; docs/dataflow.md describes them."""
    return {
        "job_id": seen.job_id,
        "name": seen.about.name,
        "state": seen.state,
        "phase": seen.phase,
        "counters": {stage: dict(names) for stage, names in seen.counters.stages.items()},
        "classes": [vars(each) for each in seen.counters.classes()],
        "source_bytes": seen.about.source_bytes,
        "source_format": seen.about.source_format,
        "read_fraction": seen.read_fraction,
        "rows_per_second": seen.rows_per_second,
        "bytes_per_second": seen.bytes_per_second,
        "seconds_left": seen.seconds_left,
    }


_TOTALS = {
    "counting": ("profile", ("rows_read", "rows_rejected", "rows_filtered", "bytes_read")),
    "drawing": ("draw", ("rows_read", "rows_kept", "bytes_read", "bytes_shuffled")),
    "writing": ("write", ("rows_written", "bytes_written")),
}


def _amount(name: str, value: int) -> str:
    kind, _, what = name.partition("_")
    return f"{readable_bytes(value)} {what}" if kind == "bytes" else f"{value:,} rows {what}"


def _sum(values: Iterable[int | None]) -> int | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None
