"""Run a command as a whole process and measure its seconds, imports, and peak memory."""

import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

POLL_SECONDS = 0.1
_IMPORT_LINE = re.compile(r"^import time:\s+(\d+) \|\s+\d+ \|", re.MULTILINE)


class CommandFailedError(RuntimeError):
    """A measured command ended with a code other than 0."""


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """One run of one command.

    `seconds` is wall time from start to exit, `cpu` the seconds of all cores. `main_peak` is the kernel's
    `ru_maxrss` of the process, exact; `tree_peak` the largest sum of RSS over the process and its children,
    polled ten times a second. RSS counts pages that processes share once in each, and file pages that are mapped.
    """

    seconds: float
    cpu: float
    main_peak: int
    tree_peak: int

    @property
    def peak(self) -> int:
        """Peak memory in bytes: the larger of the two measures."""
        return max(self.main_peak, self.tree_peak)


def tree_rss(pid: int) -> int:
    """Sums the resident bytes of a process and its children; those that just ended count nothing."""
    total = 0
    try:
        process = psutil.Process(pid)
        members = [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0
    for member in members:
        with suppress(psutil.Error):
            total += int(member.memory_info().rss)
    return total


class _TreeWatch(threading.Thread):
    """Polls the summed RSS of a process tree until told to stop."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.peak = 0
        self._pid = pid
        self._ended = threading.Event()

    def run(self) -> None:
        while not self._ended.wait(POLL_SECONDS):
            self.peak = max(self.peak, tree_rss(self._pid))

    def stop(self) -> int:
        """Ends the polling and returns the peak in bytes."""
        self._ended.set()
        self.join()
        return self.peak


@contextmanager
def limited_to(cores: int) -> Iterator[None]:
    """Has this thread, and the processes that it starts, run on so many cores only; 0 is no limit."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(before)[:cores] if cores else before)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def run_measured(arguments: list[str], *, folder: Path, log: Path, cores: int = 0) -> Measurement:
    """Runs `python ARGUMENTS` in a folder, its output to a log file, and measures it.

    Args:
        arguments: of Python.
        folder: where it runs.
        log: file for its stdout and stderr.
        cores: that it and its children may use; 0 is no limit.

    Raises:
        CommandFailedError: its exit code is not 0; the message ends with the last lines of its output.
    """
    with log.open("wb") as sink:
        command = [sys.executable, *arguments]
        started = time.perf_counter()
        with limited_to(cores):
            process = subprocess.Popen(command, cwd=folder, stdout=sink, stderr=subprocess.STDOUT)
        watch = _TreeWatch(process.pid)
        watch.start()
        try:
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:
            process.kill()
            raise
        finally:
            tree_peak = watch.stop()
        seconds = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise CommandFailedError(_failure(arguments, process.returncode, log.read_text(errors="replace")))
    cpu = usage.ru_utime + usage.ru_stime
    return Measurement(seconds=seconds, cpu=cpu, main_peak=usage.ru_maxrss * 1024, tree_peak=tree_peak)


def import_seconds(arguments: list[str], *, folder: Path) -> float:
    """Runs `python -X importtime ARGUMENTS` and sums the seconds of all its imports, late ones too.

    The tracing itself costs about 2 %; imports in child processes are not seen.

    Raises:
        CommandFailedError: its exit code is not 0.
    """
    command = [sys.executable, "-X", "importtime", *arguments]
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, errors="replace", check=False)
    if result.returncode:
        raise CommandFailedError(_failure(arguments, result.returncode, result.stderr))
    return sum(int(match[1]) for match in _IMPORT_LINE.finditer(result.stderr)) / 1e6


def _failure(arguments: list[str], code: int, output: str) -> str:
    lines = [line for line in output.splitlines() if not line.startswith("import time:")]
    return f"`python {' '.join(arguments)}` ended with code {code}. Its last lines:\n" + "\n".join(lines[-15:])
