"""How far a job on Dataflow is: phase, rate, and what is left to read."""

from __future__ import annotations

import datetime
import re
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from google.cloud import dataflow_v1beta3 as dataflow
from google.protobuf import json_format

from beam_jobs import progress
from beam_jobs.dataflow.counters import Counters
from beam_jobs.dataflow.messages import Message

PHASES = ("starting", *progress.PHASES.values(), "publishing")
"""In their order."""

LABEL = "presample"
"""Label of a job: presample's version, dashes for dots."""

_STAGES = {**progress.PHASES, "Publish": "publishing"}
_NAMES = {re.compile(rf"(?<![A-Za-z]){stage}(?![A-Za-z])"): phase for stage, phase in _STAGES.items()}
_COUNTED = {
    "counting": ("profile", "rows_read", "bytes_read"),
    "drawing": ("draw", "rows_read", "bytes_read"),
    "writing": ("write", "rows_written", "bytes_written"),
}
"""Phase -> stage of the counters, and those of its rows and bytes."""

_WINDOW = datetime.timedelta(minutes=2)
ENDED = ("DONE", "FAILED", "CANCELLED", "UPDATED", "DRAINED")
"""States after which there is no other."""


@dataclass(frozen=True)
class About:
    """What a job says of itself: its name, and where presample started it, version, output and source."""

    name: str = ""
    version: str | None = None
    output: str | None = None
    source_bytes: int | None = None
    source_format: str | None = None

    @property
    def counted_bytes(self) -> int | None:
        """What pass 1 reads: all of the source, but nobody knows how much of one that is stored by columns."""
        return None if self.source_format in (None, "parquet", "bigquery") else self.source_bytes

    @classmethod
    def of(cls, job: Any) -> About:
        """Of a Job as `Jobs.get(whole=True)` gives it. The service knows the options once the job runs."""
        told = json_format.MessageToDict(dataflow.Job.pb(job).environment.sdk_pipeline_options)
        options = told.get("options", {})
        size = options.get("presample_source_bytes")
        return cls(
            job.name,
            version_of(job),
            options.get("presample_output"),
            int(size) if size else None,
            options.get("presample_source_format"),
        )


@dataclass(frozen=True)
class Snapshot:
    """A job at one moment. Rates are of the present phase; `seconds_left` is for what both passes have yet to read."""

    time: datetime.datetime
    job_id: str
    state: str
    phase: str
    about: About
    started: datetime.datetime | None = None
    counters: Counters = field(default_factory=Counters)
    rows_per_second: float | None = None
    bytes_per_second: float | None = None
    seconds_left: float | None = None

    @property
    def ended(self) -> bool:
        """Whether the state is the last one."""
        return self.state in ENDED

    @property
    def phase_counts(self) -> tuple[int, int]:
        """Rows and bytes of the present phase, or of the last one that counts any."""
        stage, rows, size = _COUNTED.get(self.phase, _COUNTED["counting" if self.phase == "starting" else "writing"])
        return self.counters.get(stage, rows), self.counters.get(stage, size)

    @property
    def rows_to_draw(self) -> int:
        """What pass 2 reads: the rows that pass 1 read; known once that is over."""
        return self.counters.get("profile", "rows_read")

    @property
    def read_fraction(self) -> float | None:
        """How much of what the two passes read is read, each for a half; None where it is not known."""
        if self.state == "DONE" or PHASES.index(self.phase) > PHASES.index("drawing"):
            return 1.0
        if self.phase == "drawing":
            return 0.5 + _share(self.counters.get("draw", "rows_read"), self.rows_to_draw) / 2
        size = self.about.counted_bytes
        return _share(self.counters.get("profile", "bytes_read"), size) / 2 if size else None


class Tracker:
    """Makes snapshots of a job from what is seen of it, poll by poll."""

    def __init__(self, job_id: str) -> None:
        self._job_id = job_id
        self._about = About()
        self._phase = PHASES[0]
        self._samples: deque[tuple[datetime.datetime, int, int]] = deque()

    @property
    def about(self) -> About:
        """What is known of the job."""
        return self._about

    def learn(self, job: Any) -> None:
        """Takes in a whole Job."""
        self._about = About.of(job)

    def snapshot(self, job: Any, counters: Counters, messages: Iterable[Message]) -> Snapshot:
        """The job as it is now; `messages` are those that are new."""
        phase = max((self._phase, _phase_of(counters), *map(_phase_told, messages)), key=PHASES.index)
        if phase != self._phase:
            self._phase = phase
            self._samples.clear()
        time = counters.time or datetime.datetime.now(datetime.timezone.utc)
        seen = Snapshot(time, self._job_id, state_of(job), phase, self._about, job.create_time, counters)
        rows, size = self._rates(time, *seen.phase_counts)
        left = _seconds_left(seen, rows, size)
        return replace(seen, rows_per_second=rows, bytes_per_second=size, seconds_left=left)

    def _rates(self, time: datetime.datetime, rows: int, size: int) -> tuple[float | None, float | None]:
        """Rows and bytes a second over the last two minutes of the phase."""
        self._samples.append((time, rows, size))
        while self._samples[0][0] < time - _WINDOW:
            self._samples.popleft()
        first = self._samples[0]
        seconds = (time - first[0]).total_seconds()
        if seconds <= 0:
            return None, None
        return (rows - first[1]) / seconds, (size - first[2]) / seconds


def state_of(job: Any) -> str:
    """Like RUNNING."""
    return str(dataflow.JobState(job.current_state).name).removeprefix("JOB_STATE_")


def version_of(job: Any) -> str | None:
    """The version of presample that started a job; None of jobs of others, and where labels are not told."""
    label = dict(job.labels).get(LABEL)
    return label.replace("-", ".") if label else None


def _phase_of(counters: Counters) -> str:
    return next(
        (phase for phase, (stage, *_) in reversed(_COUNTED.items()) if counters.get(stage, _COUNTED[phase][1])),
        PHASES[0],
    )


def _phase_told(message: Message) -> str:
    """The furthest phase of the stage that a message says is running; the first one if it says no such thing."""
    if not message.text.startswith("Executing operation"):
        return PHASES[0]
    found = [phase for name, phase in _NAMES.items() if name.search(message.text)]
    return max(found, key=PHASES.index, default=PHASES[0])


def _seconds_left(seen: Snapshot, rows: float | None, size: float | None) -> float | None:
    """Until both passes are over, at the present rates."""
    if seen.state != "RUNNING":
        return None
    total = seen.about.counted_bytes
    if seen.phase == "counting" and total and size:
        return (2 * total - min(total, seen.counters.get("profile", "bytes_read"))) / size
    if seen.phase == "drawing" and rows:
        return max(0, seen.rows_to_draw - seen.counters.get("draw", "rows_read")) / rows
    return None


def _share(part: int, whole: int) -> float:
    return min(1.0, part / whole) if whole else 0.0
