"""Runs the command in a process group of its own, so that an interruption leaves nothing behind.

Beam's worker threads and processes outlive a KeyboardInterrupt in the main thread. So the process
that the user sees does no work: it waits, passes the signal on, ends the whole group if that is
not enough, and removes the folder of unfinished work.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType

INTERRUPTED = 130
_GRACE_SECONDS = 5


def supervise(work: Callable[[], int], unfinished: Path | None) -> int:
    """Calls `work` in a child process and returns its exit code.

    Args:
      work: returns an exit code.
      unfinished: a local folder to remove when the work was interrupted or died.

    Returns:
      The code, or 130 after SIGINT or SIGTERM, or 1 after a death by another signal.
    """
    existed = unfinished is None or unfinished.parent.exists()
    child = os.fork()
    if child == 0:
        os.setpgid(0, 0)
        _exit_after(work)
    interrupted = _pass_on_signals(child)
    _, status = os.waitpid(child, 0)
    signal.alarm(0)
    if os.WIFEXITED(status) and not interrupted:
        return os.WEXITSTATUS(status)
    _kill_group(child)
    if unfinished:
        shutil.rmtree(unfinished, ignore_errors=True)
        if not existed and unfinished.parent.exists() and not any(unfinished.parent.iterdir()):
            unfinished.parent.rmdir()
    if interrupted:
        print("presample: interrupted; nothing was published, and unfinished work was removed.", file=sys.stderr)
        return INTERRUPTED
    print(
        f"presample: the job was ended by signal {os.WTERMSIG(status)}; nothing was published. If the machine ran "
        "out of memory, try fewer workers or a smaller --block_size.",
        file=sys.stderr,
    )
    return 1


def _exit_after(work: Callable[[], int]) -> None:
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    code = 1
    try:
        code = work()
    except KeyboardInterrupt:
        code = INTERRUPTED
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        # Threads of the runner must not hold up the end.
        os._exit(code)


def _pass_on_signals(child: int) -> list[int]:
    """Forwards SIGINT and SIGTERM; the list fills with those that came."""
    received: list[int] = []

    def forward(number: int, _: FrameType | None) -> None:
        received.append(number)
        os.kill(child, signal.SIGTERM)
        signal.alarm(_GRACE_SECONDS)

    signal.signal(signal.SIGINT, forward)
    signal.signal(signal.SIGTERM, forward)
    signal.signal(signal.SIGALRM, lambda *_: _kill_group(child))
    return received


def _kill_group(leader: int) -> None:
    try:
        os.killpg(leader, signal.SIGKILL)
    except ProcessLookupError:
        return
