"""Bad rows on their way to `rejected/`: exact counts, and the first few rows of each reason."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from beam_jobs.sources.block import Reject
from beam_jobs.sources.files import SourceFile, place
from tfrecord_io.errors import SourceError

ROWS_A_REASON = 1_000
BYTES_A_REASON = 1_000_000
"""Of the rows' text and messages."""


@dataclass(frozen=True, order=True)
class RejectedRow:
    """One bad row, as it is written to `rejected/`."""

    file: str
    position: int
    reason: str
    message: str
    raw: bytes

    @classmethod
    def of(cls, file: SourceFile, reject: Reject) -> RejectedRow:
        """A row of a block, with the name of its file."""
        return cls(file.name, reject.position, reject.reason, reject.message, reject.raw)

    def to_json(self) -> str:
        """One line of `rejected/part-*.jsonl`."""
        fields = {
            "file": self.file,
            "position": self.position,
            "reason": self.reason,
            "message": self.message,
            "raw": self.raw.decode("utf-8", "backslashreplace"),
        }
        return json.dumps(fields, sort_keys=True, ensure_ascii=False)


@dataclass
class RejectLog:
    """Counts by reason, and the first rows of each by file and position: as many as the bounds allow.

    `ends` holds the first row of a reason that is beyond a bound, so that logs of parts, merged in
    any order, keep the same rows.
    """

    counts: Counter[str] = field(default_factory=Counter)
    rows: dict[str, list[RejectedRow]] = field(default_factory=dict)
    ends: dict[str, RejectedRow] = field(default_factory=dict)

    def add(self, rows: Iterable[RejectedRow]) -> None:
        """Counts some rows, and keeps the first ones."""
        for row in rows:
            self.counts[row.reason] += 1
            self.rows.setdefault(row.reason, []).append(row)
        self._trim()

    def merge(self, other: RejectLog) -> None:
        """Adds another log."""
        self.counts.update(other.counts)
        for reason, rows in other.rows.items():
            self.rows.setdefault(reason, []).extend(rows)
        for reason, end in other.ends.items():
            self.ends[reason] = min(end, self.ends.get(reason, end))
        self._trim()

    @property
    def total(self) -> int:
        """Bad rows in all."""
        return sum(self.counts.values())

    def listed(self) -> list[RejectedRow]:
        """The rows kept, by file and position."""
        return sorted(row for rows in self.rows.values() for row in rows)

    def first(self) -> RejectedRow:
        """The first bad row, to show to the user."""
        return self.listed()[0]

    def _trim(self) -> None:
        for reason, rows in self.rows.items():
            end = self.ends.get(reason)
            if end is None and len(rows) <= ROWS_A_REASON and sum(map(_size, rows)) <= BYTES_A_REASON:
                continue
            within = sorted(row for row in rows if end is None or row < end)
            sizes = np.cumsum([_size(row) for row in within[:ROWS_A_REASON]])
            kept = int(np.searchsorted(sizes, BYTES_A_REASON, side="right"))
            if kept < len(within):
                self.ends[reason] = within[kept]
            self.rows[reason] = within[:kept]


def _size(row: RejectedRow) -> int:
    return len(row.raw) + len(row.message)


def describe(row: RejectedRow, kind: str) -> str:
    """One line about a bad row of a source of format `kind`, for an error message."""
    return f"{row.file}, {place(kind, row.position)}: {row.message}"


def bad_row(row: RejectedRow, kind: str) -> SourceError:
    """The error for a bad row where none is allowed."""
    return SourceError(f"Bad row (--on_bad_row fail): {describe(row, kind)}")
