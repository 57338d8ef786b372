"""What a scenario is, and what all scenarios share."""

from dataclasses import dataclass, field

from competitors import Competitor, presample
from data import Data
from expected_output import Expected, balanced, everything
from figures import Figure

WRITTEN_BYTES_PER_ROW = 490
BALANCE = ["--strategy", "balance"]
NONE = ["--strategy", "none"]
BALANCED = Expected(sizes=balanced)
EVERYTHING = Expected(sizes=everything)


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """Competitors, the first of which all are compared with, and figures.

    `startup` is whether start-up and imports are measured too; `most_written` the rows of the largest output.
    """

    name: str
    title: str
    competitors: list[Competitor]
    figures: list[Figure] = field(default_factory=list)
    startup: bool = False
    most_written: int = 0


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """How large the scenarios are, and flags for the commands in them.

    `large_rows` is for memory and workers, `beam_rows` for the hand-written jobs.
    """

    rows: int
    large_rows: int
    beam_rows: int
    classes: int = 10_000
    files: int = 5_000
    shards: int = 1_000
    presample_flags: tuple[str, ...] = ()
    beam_flags: tuple[str, ...] = ()

    def presample(self, name: str, title: str, data: Data, flags: list[str], expected: Expected) -> Competitor:
        """`presample run` with the scenario's flags and the user's."""
        return presample(name, title, data, [*flags, *self.presample_flags], expected)
