"""`presample dataflow launch` as it is typed, on a small CSV in a bucket."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import pytest

from presample.cli import main
from tests.dataflow.conftest import LoopbackDataflow
from tests.dataflow.objects import put


class Outcome(NamedTuple):
    """What a command left behind: its exit code and what it printed."""

    code: int
    out: str
    err: str


IMAGE = "r-docker.pkg.dev/p/r/presample:0.1.0-beam2.77.0-py3.11"
"""With an image there is no package to build, which takes a second."""

Launch = Callable[..., Outcome]
"""Flags as text, and flags by name; None leaves one out."""


def launcher(dataflow: LoopbackDataflow, bucket: str, capsys: pytest.CaptureFixture[str]) -> Launch:
    """The command with flags that are all right, unless told otherwise."""
    put(f"{bucket}/in/rows.csv", b"label,x\n" + b"".join(b"%d,%d\n" % (i % 10 == 0, i) for i in range(200)))

    def launch(*flags: str, **named: str | None) -> Outcome:
        given = {
            "project": "project",
            "region": "us-central1",
            "bucket": bucket,
            "input": f"{bucket}/in/*.csv",
            "output": f"{bucket}/datasets/clicks",
            "label": "label",
            "dataflow_endpoint": dataflow.endpoint,
            "sdk_container_image": IMAGE,
        } | named
        words = [f"--{name}={value}" for name, value in given.items() if value is not None]
        capsys.readouterr()
        code = main(["dataflow", "launch", *words, *flags])
        return Outcome(code, *capsys.readouterr())

    return launch
