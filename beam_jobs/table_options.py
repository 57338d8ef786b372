"""`--input bq://PROJECT.DATASET.TABLE` and `--query`: which rows of BigQuery are read."""

from __future__ import annotations

import dataclasses
import datetime
import re
from collections.abc import Sequence
from dataclasses import dataclass

from tfrecord_io.errors import UsageError

TABLE_SCHEME = "bq://"

_NAME = re.compile(r"(?P<project>[a-z][a-z0-9.:-]*)\.(?P<dataset>\w+)\.(?P<table>[^`\\*$@./\x00-\x1f]+)")
_EXAMPLE = "bq://PROJECT.DATASET.TABLE"


@dataclass(frozen=True)
class Table:
    """A table of BigQuery as of a time; None: as of the start of the run."""

    project: str
    dataset: str
    name: str
    time: datetime.datetime | None = None

    @classmethod
    def parse(cls, text: str) -> Table:
        """A table from `bq://PROJECT.DATASET.TABLE` or `...@TIME`, an ISO 8601 time with its zone.

        Raises:
          UsageError: not like that.
        """
        name, at, time = text.removeprefix(TABLE_SCHEME).partition("@")
        found = _NAME.fullmatch(name)
        if found is None:
            raise UsageError(
                f"--input {text}: name one table like {_EXAMPLE}. Wildcards and partitions are for --query."
            )
        return cls(found["project"], found["dataset"], found["table"], _parse_time(text, time) if at else None)

    def at(self, time: datetime.datetime) -> Table:
        """The table as of that time, unless it has one."""
        return self if self.time else dataclasses.replace(self, time=time)

    @property
    def path(self) -> str:
        """PROJECT.DATASET.TABLE."""
        return f"{self.project}.{self.dataset}.{self.name}"

    def __str__(self) -> str:
        if self.time is None:
            return TABLE_SCHEME + self.path
        time = self.time.astimezone(datetime.timezone.utc).replace(tzinfo=None)
        return f"{TABLE_SCHEME}{self.path}@{time.isoformat(timespec='microseconds')}Z"


def table_of(patterns: Sequence[str]) -> Table | None:
    """The table that `--input` names; None where it names files.

    Raises:
      UsageError: several tables, files beside a table, or no table's name.
    """
    if not any(pattern.startswith(TABLE_SCHEME) for pattern in patterns):
        return None
    if len(patterns) > 1:
        raise UsageError(
            f"--input {' '.join(patterns)}: a table is read by itself. Join several with --query, and read files in a "
            "run of their own."
        )
    return Table.parse(patterns[0])


def without_time(pattern: str) -> str:
    """The pattern; of a table without the time it was read at, so that it means the table as it is now."""
    return pattern.partition("@")[0] if pattern.startswith(TABLE_SCHEME) else pattern


def check_tables(
    patterns: Sequence[str], query: str | None, row_id: Sequence[str], kind: str, quoted_newlines: bool
) -> None:
    """Refuses what cannot be read from BigQuery.

    Raises:
      UsageError: names the flag.
    """
    if query is not None and not query.strip(" \t\r\n;"):
        raise UsageError("--query is empty. Give it a SELECT statement, or leave the flag out.")
    if query is not None and patterns:
        raise UsageError(f"--query and --input {' '.join(patterns)} both say what to read. Leave one of them out.")
    table = table_of(patterns)
    if query is None and table is None:
        return
    source = "--query" if table is None else f"--input {table}"
    if not row_id:
        raise UsageError(
            f"{source} needs --row_id: the columns that tell a row from all others. Rows of BigQuery have no place to "
            "be known by."
        )
    if kind != "auto":
        raise UsageError(f"{source} is read from BigQuery, and --format {kind} is for files. Leave it out.")
    if quoted_newlines:
        raise UsageError(f"--quoted_newlines is for CSV, and {source} is read from BigQuery. Leave it out.")


def _parse_time(text: str, time: str) -> datetime.datetime:
    try:
        found = datetime.datetime.fromisoformat(time[:-1] + "+00:00" if time.endswith("Z") else time)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise UsageError(
            f"--input {text}: {time!r} is no time with a zone. Write it like {_EXAMPLE}@2026-01-31T23:59:59.999999Z."
        )
    return found
