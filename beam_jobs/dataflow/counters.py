"""What a job has counted so far, from the service's metrics."""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from google.cloud import dataflow_v1beta3 as dataflow

from beam_jobs.class_counters import READ, WRITTEN, class_of

_NAMESPACE = "presample."


@dataclass(frozen=True)
class ClassCount:
    """Rows of a class so far: of the source, and written (all folds); None where they are not counted."""

    split: str
    label: str
    rows_read: int | None
    rows_written: int | None


@dataclass(frozen=True)
class Counters:
    """Committed counters of presample's stages.

    Args:
      stages: stage -> name -> value, like `{"profile": {"rows_read": 60}}`.
      time: of the values, as the service has it.
      by_class: (kind, split, label) -> value; see `classes`.
    """

    stages: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    time: datetime.datetime | None = None
    by_class: Mapping[tuple[str, str, str], int] = field(default_factory=dict)

    def get(self, stage: str, name: str) -> int:
        """The value, 0 as long as there is none."""
        return self.stages.get(stage, {}).get(name, 0)

    def classes(self) -> list[ClassCount]:
        """Rows of each class, those with most rows first; none where single classes are not counted everywhere."""
        profile = self.stages.get("profile", {})
        judged = sum(profile.get(name, 0) * sign for name, sign in _JUDGED.items())
        read = self._whole(READ, judged)
        written = self._whole(WRITTEN, self.get("write", "rows_written"))
        found = [
            ClassCount(
                split,
                label,
                read.get((split, label), 0) if read else None,
                written.get((split, label), 0) if written else None,
            )
            for split, label in dict.fromkeys([*read, *written])
        ]
        return sorted(found, key=lambda each: (-(each.rows_read or 0), -(each.rows_written or 0), each.split))

    def _whole(self, kind: str, total: int) -> dict[tuple[str, str], int]:
        """(split, label) -> rows; empty unless they add up: parts with many classes count none singly."""
        rows = {(split, label): value for (each, split, label), value in self.by_class.items() if each == kind}
        return rows if sum(rows.values()) == total else {}


_JUDGED = {"rows_read": 1, "rows_rejected": -1, "rows_filtered": -1}
"""Rows that have a class: those read, without bad ones and those that --where leaves out."""


def counters_of(metrics: Any) -> Counters:
    """Of a JobMetrics.

    A counter has one value for each step that counts it, and these add up. Each value is there
    twice, tentative (with work that may be done again) and committed; only the latter counts.
    """
    stages: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    by_class: dict[tuple[str, str, str], int] = defaultdict(int)
    message = dataflow.JobMetrics.pb(metrics)  # a tenth of the time that the wrapped one takes
    for stage, name, value in _committed(message):
        found = class_of(name)
        if found:
            by_class[found] += value
        else:
            stages[stage][name] += value
    return Counters({stage: dict(names) for stage, names in stages.items()}, metrics.metric_time, dict(by_class))


def _committed(message: Any) -> Iterator[tuple[str, str, int]]:
    for metric in message.metrics:
        context = metric.name.context
        if metric.name.origin != "user" or context.get("tentative") == "true":
            continue
        namespace = context.get("namespace", "")
        if namespace.startswith(_NAMESPACE) and metric.scalar.HasField("number_value"):
            yield namespace.removeprefix(_NAMESPACE), metric.name.name, round(metric.scalar.number_value)
