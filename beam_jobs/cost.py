"""What a job costs on a service: processor time, bytes read, bytes shuffled, requests. docs/scale.md explains it.

A model with a few constants, each measured by `benchmarks/scale.py` on one core of one machine: good
for telling ten core-hours from a hundred, and for seeing what the cost grows with.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from beam_jobs.sources import Source
from tfrecord_io.plan import Plan
from tfrecord_io.summary import readable_bytes

RANGE_BYTES = 64 * 2**20
"""What a worker reads of a CSV file at a time, by default."""

FETCH_BYTES = 16 * 2**20
"""What Beam reads from, and writes to, an object store in one request."""

SAMPLE_READS = 500
"""Requests for the sample from which the launcher infers types and sizes. Opening a file for a pass takes two more."""

FETCH_GB, STORE_GB = 1.7, 0.5
"""Seconds of one core to read a GB from an object store with Beam, and to write one. Without encryption."""

NOTES_BYTES = 0.1
"""Of each row between the passes: its class, compressed."""

SHUFFLED = 0.38
"""Bytes of a kept row on its way to the writer, for each byte of its record."""

_GB = 10**9
_LEAST_HOURS = 0.01


@dataclass(frozen=True, kw_only=True)
class Rates:
    """Seconds of one core.

    In pass 1 for each GB of the source and each billion rows; in pass 2 for each GB of the source, and
    for each GB of records that are kept: to parse, convert, move, serialize, digest and write them.
    """

    count_gb: float = 0.0
    count_rows: float = 0.0
    draw_gb: float
    write_gb: float


_PARQUET = Rates(count_rows=41.0, draw_gb=2.0, write_gb=5.6)
RATES = {
    "csv": Rates(count_gb=0.75, draw_gb=0.61, write_gb=8.1),
    "parquet": _PARQUET,
    "bigquery": _PARQUET,
    "tfrecord": Rates(count_gb=4.6, draw_gb=0.4, write_gb=18.0),
}
"""By format. Pass 1 reads the key columns of Parquet alone, so there its time goes by the rows."""


@dataclass(frozen=True, kw_only=True)
class Work:
    """What decides the cost: the source, and what is kept of it.

    `units` are what one worker reads at a time: ranges of CSV, row groups, TFRecord files. `key_share` is
    the share of the bytes that pass 1 reads.
    """

    format: str
    rows: int
    bytes: int
    units: int
    key_share: float
    kept_bytes: int
    shards: int

    @classmethod
    def of(cls, source: Source, plan: Plan) -> Work:
        """Of a source that was counted and planned."""
        size = sum(file.bytes for file in source.files)
        return cls(
            format=source.format,
            rows=sum(stratum.source.rows for stratum in plan.strata),
            bytes=size,
            units=max(len(source.files), math.ceil(size / source.unit_bytes)),
            key_share=source.key_share,
            kept_bytes=plan.bytes,
            shards=sum(stratum.shards * stratum.folds for stratum in plan.strata),
        )


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Core-seconds of each phase, bytes, and requests to an object store. Start-up of workers not included."""

    counting: float
    drawing: float
    writing: float
    read_bytes: float
    shuffled_bytes: float
    reads: int
    writes: int

    @property
    def core_hours(self) -> float:
        """All phases together."""
        return (self.counting + self.drawing + self.writing) / 3600

    def lines(self) -> list[str]:
        """For people."""
        phases = {"counting": self.counting, "drawing": self.drawing, "writing": self.writing}
        parts = ", ".join(f"{name} {readable_hours(seconds / 3600)}" for name, seconds in phases.items())
        parts = f" ({parts})" * (self.core_hours >= _LEAST_HOURS)
        read, shuffled = readable_bytes(self.read_bytes), readable_bytes(self.shuffled_bytes)
        requests = f"{self.reads:,} requests that read and {self.writes:,} that write"
        return [
            f"{readable_hours(self.core_hours)} core-hours by the model{parts}, without the start-up of workers",
            f"{read} read, {shuffled} shuffled, on an object store {requests}",
        ]


def readable_hours(hours: float) -> str:
    """Two digits of it: more are not known.

    >>> readable_hours(0.0002), readable_hours(0.0448), readable_hours(1234)
    ('under 0.01', '0.045', '1,200')
    """
    if hours < _LEAST_HOURS:
        return f"under {_LEAST_HOURS:g}"
    digits = f"{hours:.2g}"
    return f"{float(digits):,.0f}" if "e" in digits else digits


def estimate(work: Work, local: bool = False) -> Cost:
    """The cost of a job, by the model; of one with `local` files, without what an object store takes."""
    rates = RATES[work.format]
    keys = work.bytes * work.key_share
    fetch, store = (0.0, 0.0) if local else (FETCH_GB, STORE_GB)
    return Cost(
        counting=(rates.count_gb * work.bytes + rates.count_rows * work.rows + fetch * keys) / _GB,
        drawing=(rates.draw_gb + fetch) * work.bytes / _GB,
        writing=(rates.write_gb + store) * work.kept_bytes / _GB,
        read_bytes=keys + work.bytes,
        shuffled_bytes=NOTES_BYTES * work.rows + SHUFFLED * work.kept_bytes,
        reads=SAMPLE_READS + 4 * work.units + math.ceil((keys + work.bytes) / FETCH_BYTES) + work.shards,
        writes=3 * work.shards + math.ceil(work.kept_bytes / FETCH_BYTES),
    )
