"""What a run shows: one progress line on a terminal, a table at the end, no log noise."""

from __future__ import annotations

import logging
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import Progress as Bar
from rich.progress import SpinnerColumn, TextColumn, TimeElapsedColumn

from beam_jobs.progress import PHASES, PROGRESS
from tfrecord_io.manifest import Manifest
from tfrecord_io.plan import Plan
from tfrecord_io.summary import dataset_table, plan_table, readable_bytes, reading_snippet

_BUNDLES = "apache_beam.runners.portability.fn_api_runner.fn_runner.run_bundle"
_REFRESH_SECONDS = 0.2


@contextmanager
def quiet(verbose: bool) -> Iterator[None]:
    """Keeps Beam's log and Python's warnings out of the user's way, unless asked for."""
    if verbose:
        logging.basicConfig(level=logging.INFO)
        yield
        return
    own = logging.StreamHandler()
    own.setFormatter(logging.Formatter("presample: %(message)s"))
    presample = logging.getLogger("presample")
    presample.setLevel(logging.INFO)
    presample.addHandler(own)
    beam = logging.getLogger("apache_beam")
    root = logging.getLogger()
    before = beam.level, root.level
    beam.setLevel(logging.CRITICAL + 1)
    root.setLevel(logging.CRITICAL + 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        finally:
            presample.removeHandler(own)
            beam.setLevel(before[0])
            root.setLevel(before[1])


@contextmanager
def progress_line() -> Iterator[None]:
    """Shows phase, rows, bytes and rate on stderr while the work goes on; nothing if no terminal."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    done = threading.Event()
    with Bar(*columns, console=console, transient=True) as bar, _phases_from_log():
        task = bar.add_task("starting")
        meter = _Meter()

        def refresh() -> None:
            while not done.wait(_REFRESH_SECONDS):
                bar.update(task, description=meter.line())

        thread = threading.Thread(target=refresh, daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()


def show_plan(plan: Plan, cost: list[str], warnings_: list[str]) -> None:
    """Prints the table of `--plan_only`, and what the job costs on a service."""
    console = Console()
    console.print(plan_table(plan))
    if plan.filtered_rows:
        console.print(f"--where left out {plan.filtered_rows:,} rows.", markup=False, highlight=False)
    console.print("On Dataflow (docs/scale.md):", *cost, sep="\n  ", markup=False, highlight=False, soft_wrap=True)
    _show_warnings(warnings_)


def show_result(manifest: Manifest, folder: str, warnings_: list[str], notes: list[str]) -> None:
    """Prints the table of classes, where the dataset is, and how it is read."""
    console = Console(soft_wrap=True, highlight=False)
    console.print(dataset_table(manifest), soft_wrap=False)
    console.print(f"The dataset is in {folder}", markup=False)
    for note in notes:
        console.print(note, markup=False)
    console.print("\n" + reading_snippet(folder, splits=manifest.splits) + "\n", markup=False)
    _show_warnings(warnings_)


def _show_warnings(warnings_: list[str]) -> None:
    console = Console(stderr=True, soft_wrap=True, highlight=False)
    for warning in warnings_:
        console.print(f"Warning: {warning}", markup=False)


class _Meter:
    """The text of the progress line; the rate is over the present phase."""

    def __init__(self) -> None:
        self._phase = ""
        self._started = 0.0

    def line(self) -> str:
        now = time.monotonic()
        if PROGRESS.phase != self._phase:
            self._phase, self._started = PROGRESS.phase, now
        if not PROGRESS.rows:
            return self._phase
        rate = PROGRESS.rows / max(now - self._started, _REFRESH_SECONDS)
        known = PROGRESS.total and self._phase in ("counting", "drawing")
        share = f" of {readable_bytes(PROGRESS.total)}" if known else ""
        size = f", {readable_bytes(PROGRESS.bytes)}{share}" if PROGRESS.bytes else ""
        return f"{self._phase}: {PROGRESS.rows:,} rows{size}, {rate:,.0f} rows/s"


@contextmanager
def _phases_from_log() -> Iterator[None]:
    """Learns the phase from the runner's own log: all there is when the work is in other processes."""

    class Follow(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            text = str(record.args)
            for stage in PHASES:
                if stage in text:
                    PROGRESS.enter(stage)

    logger = logging.getLogger(_BUNDLES)
    handler = Follow()
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
        logger.propagate = True
