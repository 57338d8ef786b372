"""How a watched job is shown: a live view on a terminal, lines with a time elsewhere, or JSON lines."""

from __future__ import annotations

import datetime
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

from rich import box
from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from beam_jobs.dataflow.counters import ClassCount
from beam_jobs.dataflow.messages import Message
from beam_jobs.dataflow.progress import Snapshot
from beam_jobs.dataflow.words import as_json, duration, moment, progress_fields, progress_line, shortened, totals

_STYLES = {"warning": "yellow", "error": "red"}
_QUIET_SECONDS = 60
_BAR_WIDTH = 30


class View(Protocol):
    """What a watcher shows something on. Everything is shown between entering and leaving `shown`."""

    def shown(self) -> AbstractContextManager[object]: ...

    def progress(self, seen: Snapshot) -> None:
        """The job as it is now."""

    def message(self, message: Message) -> None:
        """A message of the job's."""

    def note(self, text: str) -> None:
        """A remark of ours."""

    def end(self, seen: Snapshot, code: int, error: str | None, lines: Sequence[str]) -> None:
        """The job's fate; `lines` say what to do next, to people."""


class JsonView:
    """One JSON object a line; docs/dataflow.md describes the fields."""

    def shown(self) -> AbstractContextManager[object]:
        return nullcontext()

    def progress(self, seen: Snapshot) -> None:
        _print(as_json("progress", seen.time, **progress_fields(seen)))

    def message(self, message: Message) -> None:
        _print(as_json("message", message.time, severity=message.severity, text=message.text))

    def note(self, text: str) -> None:
        _print(as_json("note", _now(), text=text))

    def end(self, seen: Snapshot, code: int, error: str | None, lines: Sequence[str]) -> None:
        _print(as_json("end", seen.time, state=seen.state, exit_code=code, output=seen.about.output, error=error))


class LinesView:
    """A line when the state or the phase changes, and each minute; messages as they come."""

    def __init__(self) -> None:
        self._shown: tuple[str, str] | None = None
        self._since = datetime.datetime.min.replace(tzinfo=datetime.timezone.utc)

    def shown(self) -> AbstractContextManager[object]:
        return nullcontext()

    def progress(self, seen: Snapshot) -> None:
        now = (seen.state, seen.phase)
        if now != self._shown or (seen.time - self._since).total_seconds() >= _QUIET_SECONDS:
            self._shown, self._since = now, seen.time
            _print(f"{moment(seen.time)} {progress_line(seen)}")

    def message(self, message: Message) -> None:
        _print(f"{moment(message.time)} {message.severity}: {message.brief()}")

    def note(self, text: str) -> None:
        _print(f"{moment(_now())} {text}")

    def end(self, seen: Snapshot, code: int, error: str | None, lines: Sequence[str]) -> None:
        _summary(Console(soft_wrap=True, highlight=False), seen, lines)


class LiveView:
    """The job as it is now, kept at the lower end of a terminal; messages pass above it."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, auto_refresh=False, transient=True)

    def shown(self) -> AbstractContextManager[object]:
        return self._live

    def progress(self, seen: Snapshot) -> None:
        self._live.update(screen(seen), refresh=True)

    def message(self, message: Message) -> None:
        self._say(
            f"{message.time:%H:%M:%S} {message.severity}: {message.brief()}", _STYLES.get(message.severity, "dim")
        )

    def note(self, text: str) -> None:
        self._say(f"{_now():%H:%M:%S} {text}", "cyan")

    def end(self, seen: Snapshot, code: int, error: str | None, lines: Sequence[str]) -> None:
        self._live.stop()
        _summary(self._console, seen, lines)

    def _say(self, text: str, style: str) -> None:
        self._console.print(Text(text, style), soft_wrap=True)


def screen(seen: Snapshot) -> Group:
    """The live view: name and state, progress, totals, classes, and how to leave."""
    age = f", {duration((seen.time - seen.started).total_seconds())} old" if seen.started else ""
    parts: list[Text | Table] = [
        Text.assemble((seen.about.name or seen.job_id, "bold"), f"  {seen.job_id}{age}"),
        Text(progress_line(seen), "red" if seen.state in ("FAILED", "CANCELLED") else "green"),
    ]
    if seen.read_fraction is not None:
        bar = Table.grid(padding=(0, 1))
        bar.add_row(
            ProgressBar(total=1, completed=seen.read_fraction, width=_BAR_WIDTH), f"{seen.read_fraction:.0%} is read"
        )
        parts.append(bar)
    for phase, text in totals(seen):
        parts.append(Text(f"{phase:>10}  {text}"))
    classes = seen.counters.classes()
    if classes:
        parts.append(class_table(classes))
    parts.append(Text("Ctrl-C ends the watching, not the job.", "dim"))
    return Group(*parts)


def class_table(classes: list[ClassCount]) -> Table:
    """Rows of each class, read and written; the largest 20."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("split")
    table.add_column("class", overflow="fold")
    table.add_column("rows read", justify="right")
    table.add_column("rows written", justify="right")
    for each in shortened(classes):
        numbers = ("" if rows is None else f"{rows:,}" for rows in (each.rows_read, each.rows_written))
        table.add_row(each.split, Text(each.label), *numbers)  # Text: a label is no markup
    return table


def _summary(console: Console, seen: Snapshot, lines: Sequence[str]) -> None:
    classes = seen.counters.classes()
    if classes:
        console.print(class_table(classes), soft_wrap=False)
    for phase, text in totals(seen):
        console.print(f"{phase}: {text}", markup=False)
    for line in lines:
        console.print(line, markup=False)


def _print(line: str) -> None:
    """At once: whoever reads a pipe waits for it."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.timezone.utc)
