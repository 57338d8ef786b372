"""Runs workers of a MultiWorkerMirroredStrategy, each in a process of its own, on loopback."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.input_fns.conftest import ClassData, Data

TWO = Data(
    classes=[
        ClassData(label=0, rows=45, source_rows=450, shards=3),
        ClassData(label=1, rows=18, first_id=1000),
    ]
)

_ROOT = Path(__file__).parents[2]
_SECONDS = 180


def run_workers(folder: Path, loop: str, jobs: Sequence[Mapping[str, Any]], count: int = 2) -> list[Any]:
    """Runs `tests.input_fns.worker` in `count` processes at once; returns the results of each."""
    (folder / "jobs.json").write_text(json.dumps(jobs))
    addresses = [f"127.0.0.1:{port}" for port in _free_ports(count)]
    processes = []
    try:
        for index in range(count):
            config = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
            environment = {**os.environ, "TF_CONFIG": json.dumps(config), "CUDA_VISIBLE_DEVICES": "-1"}
            files = [str(folder / "jobs.json"), str(folder / f"{index}.json")]
            command = [sys.executable, "-m", "tests.input_fns.worker", loop, *files]
            with (folder / f"{index}.log").open("w") as log:
                processes.append(subprocess.Popen(command, cwd=_ROOT, env=environment, stdout=log, stderr=log))
        codes = _codes(processes)
    finally:
        for process in processes:
            process.kill()
            process.wait()
    assert codes == [0] * count, "\n".join((folder / f"{index}.log").read_text()[-3000:] for index in range(count))
    return [json.loads((folder / f"{index}.json").read_text()) for index in range(count)]


def _codes(processes: Sequence[subprocess.Popen[bytes]]) -> list[int | None]:
    """The exit codes of all; once one has failed, the others, who would wait for it, have none."""
    end = time.monotonic() + _SECONDS
    while time.monotonic() < end:
        codes = [process.poll() for process in processes]
        running = [process for process, code in zip(processes, codes, strict=True) if code is None]
        if not running or any(codes):
            return codes
        with contextlib.suppress(subprocess.TimeoutExpired):
            running[0].wait(0.5)
    raise TimeoutError(f"The workers took more than {_SECONDS} seconds.")


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
