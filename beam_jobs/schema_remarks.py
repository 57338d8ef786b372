"""What a schema says that the job does not use: told to the user, once."""

from __future__ import annotations

from dataclasses import dataclass, field

_SHOWN = 5


@dataclass
class Remarks:
    """Kinds of statements, and the columns they are about."""

    unused: dict[str, list[str]] = field(default_factory=dict)

    def add(self, what: str, column: str = "") -> None:
        """Notes a statement; without a column where it is about the whole."""
        columns = self.unused.setdefault(what, [])
        if column:
            columns.append(column)

    def __str__(self) -> str:
        return "; ".join(_described(what, columns) for what, columns in sorted(self.unused.items()))


def _described(what: str, columns: list[str]) -> str:
    if not columns:
        return what
    more = f" and {len(columns) - _SHOWN} more" if len(columns) > _SHOWN else ""
    return f"{what} ({', '.join(columns[:_SHOWN])}{more})"
