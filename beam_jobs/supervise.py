"""Runs the command in a process group of its own, so that an interruption leaves nothing behind.

Beam's worker threads and processes outlive a KeyboardInterrupt in the main thread. So the process
that the user sees does no work: it waits, passes the signal on, ends the whole group if that is
not enough, and removes the folder of unfinished work.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from beam_jobs.folders import missing_folders, remove_empty
from tfrecord_io.manifest import MANIFEST_NAME

INTERRUPTED = 130
ASKED_TO_END = threading.Event()
"""Set in a supervised process by the signal: whatever fails afterwards fails because of it."""

_GRACE_SECONDS = 5
_PR_SET_PDEATHSIG = 1
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def supervise(work: Callable[[], int], unfinished: Path | None, remote: str | None = None) -> int:
    """Calls `work` in a child process and returns its exit code.

    Args:
      work: returns an exit code.
      unfinished: a local folder to remove when the work was interrupted or died.
      remote: the output, where it is no local folder: what became of it is not looked at from here.

    Returns:
      The code, or 130 after SIGINT, SIGTERM or SIGHUP, or 1 after a death by another signal.
    """
    new = missing_folders(unfinished.parent) if unfinished else []
    before = _manifest(unfinished)
    # Signals wait until both processes know what to do about them.
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    child = os.fork()
    if child == 0:
        os.setpgid(0, 0)
        _exit_after(work)
    interrupted = _pass_on_signals(child)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
    _, status = os.waitpid(child, 0)
    signal.alarm(0)
    _kill_group(child)  # worker processes that outlived it
    if unfinished:
        shutil.rmtree(unfinished, ignore_errors=True)
        remove_empty(new)
    if os.WIFEXITED(status) and (not interrupted or os.WEXITSTATUS(status) == 0):
        return os.WEXITSTATUS(status)
    if sys.stderr.isatty():
        sys.stderr.write("\x1b[?25h")  # the progress line hides the cursor, and may not have ended well
    published = "the dataset was published before" if _manifest(unfinished) != before else "nothing was published"
    removed = "and unfinished work was removed"
    if remote:
        published = f"whether a dataset was published before, `presample inspect {remote}` says"
        removed = f"and `presample clean {remote}` removes what may be left"
    if interrupted:
        print(f"presample: interrupted; {published}, {removed}.", file=sys.stderr)
        return INTERRUPTED
    print(
        f"presample: the job was ended by signal {os.WTERMSIG(status)}; {published}. If the machine ran out of memory, "
        "try fewer workers or a smaller --block_size.",
        file=sys.stderr,
    )
    return 1


def _manifest(unfinished: Path | None) -> tuple[int, int] | None:
    """What tells one manifest in the output from the next; None where there is none."""
    try:
        stat = (unfinished.parent / MANIFEST_NAME).stat() if unfinished else None
    except OSError:
        return None
    return (stat.st_ino, stat.st_mtime_ns) if stat else None


def _exit_after(work: Callable[[], int]) -> None:
    _end_with_parent()

    def interrupt(number: int, frame: FrameType | None) -> None:
        ASKED_TO_END.set()
        signal.default_int_handler(number, frame)

    for number in _SIGNALS:
        signal.signal(number, interrupt)
    code = 1
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        code = work()
    except KeyboardInterrupt:
        code = INTERRUPTED
    except Exception as error:
        print(f"presample: {type(error).__name__}: {error}", file=sys.stderr)
    finally:
        with contextlib.suppress(OSError):  # nobody reads what we print any more
            sys.stdout.flush()
            sys.stderr.flush()
        # Threads of the runner must not hold up the end.
        os._exit(code)


def _end_with_parent() -> None:
    """Has the kernel end this process when the one that supervises it is killed."""
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _pass_on_signals(child: int) -> list[int]:
    """Forwards the signals that ask for an end; the list fills with those that came."""
    received: list[int] = []

    def forward(number: int, _: FrameType | None) -> None:
        received.append(number)
        with contextlib.suppress(ProcessLookupError):  # it may have ended by itself just now
            os.kill(child, signal.SIGTERM)
        signal.alarm(_GRACE_SECONDS)

    for number in _SIGNALS:
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # nohup
            signal.signal(number, forward)
    signal.signal(signal.SIGALRM, lambda *_: _kill_group(child))
    return received


def _kill_group(leader: int) -> None:
    try:
        os.killpg(leader, signal.SIGKILL)
    except ProcessLookupError:
        return
