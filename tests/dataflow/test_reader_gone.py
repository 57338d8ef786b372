"""Output into a pipe that nobody reads any more, as behind `| head`."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.dataflow.conftest import LoopbackDataflow
from tests.dataflow.watched import ID, WHOLE, ours


@pytest.mark.parametrize("command", [["watch", ID, "--interval=0"], ["list"], ["list", "--json"]], ids=" ".join)
def test_a_reader_that_has_gone_is_no_traceback(dataflow_rest: LoopbackDataflow, command: list[str]) -> None:
    dataflow_rest.service.add_job(ID, *WHOLE, job=ours())
    reader, writer = os.pipe()
    os.close(reader)
    words = [sys.executable, "-m", "presample", "dataflow", *command, *dataflow_rest.flags]
    try:
        ended = subprocess.run(words, stdout=writer, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    finally:
        os.close(writer)
    assert (ended.returncode, ended.stderr) == (141, "")
