"""How far a local run is: counted where the work is done, read by the progress line."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

PHASES = {"Export": "exporting", "Profile": "counting", "Draw": "drawing", "WriteShards": "writing"}
"""What the user calls a stage of the pipeline."""


@dataclass
class Progress:
    """Rows and bytes done in the present phase, of `total` bytes of source. One a process; thread-safe."""

    phase: str = "starting"
    rows: int = 0
    bytes: int = 0
    total: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def enter(self, stage: str) -> None:
        """Starts a phase, named after a stage of the pipeline; counters begin at 0."""
        phase = PHASES[stage]
        with self._lock:
            if phase != self.phase:
                self.phase, self.rows, self.bytes = phase, 0, 0

    def add(self, stage: str, rows: int, size: int) -> None:
        """Counts work done in a phase, and enters it."""
        self.enter(stage)
        with self._lock:
            self.rows += rows
            self.bytes += size

    def reset(self, total: int) -> None:
        """Starts anew, for a source of `total` bytes (0: not known)."""
        with self._lock:
            self.phase, self.rows, self.bytes, self.total = "starting", 0, 0, total


PROGRESS = Progress()
