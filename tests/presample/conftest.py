"""The command line, called as the console script calls it, and small files to call it on."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from beam_jobs.presample import main as run_command
from presample.cli import main as presample_command
from tfrecord_io import records
from tfrecord_io.examples import encode_examples


class Outcome(NamedTuple):
    """What a command left behind: its exit code and what it printed."""

    code: int
    out: str
    err: str


Command = Callable[..., Outcome]


def rows_csv(rows: int = 200, header: str = "label,age,name,w") -> bytes:
    """A tenth of class 1; `name` is unique, `w` a weight."""
    return f"{header}\n".encode() + b"".join(b"%d,%d,n%d,1.5\n" % (i % 10 == 0, i, i) for i in range(rows))


def parquet_bytes(**columns: Any) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(columns), sink)
    return sink.getvalue().to_pybytes()


def tfrecord_bytes(**columns: Any) -> bytes:
    batch = pa.RecordBatch.from_pydict({name: pa.array(values) for name, values in columns.items()})
    return bytes(records.frame(encode_examples(batch)))


def assert_one_message(err: str) -> None:
    """One line from presample, and nothing of Beam's or Python's."""
    assert err.startswith("presample: ")
    assert err.count("\n") == 1
    assert err.endswith("\n")
    assert not re.search(r"Traceback|apache_beam|\[while running|WARNING|INFO:|Error:", err)


@pytest.fixture
def csv_file(tmp_path: Path) -> Path:
    path = tmp_path / "rows.csv"
    path.write_bytes(rows_csv())
    return path


@pytest.fixture
def run(tmp_path: Path, csv_file: Path, capsys: pytest.CaptureFixture[str]) -> Command:
    """`presample run` on the small CSV into `tmp_path/dataset`, unless told otherwise."""

    def call(
        *flags: str, source: Path | str | list[str] = csv_file, output: Path | str = "", label: str = "label"
    ) -> Outcome:
        capsys.readouterr()
        inputs = source if isinstance(source, list) else [str(source)]
        folder = str(output or tmp_path / "dataset")
        code = run_command(["--input", *inputs, "--output", folder, "--label", label, *flags])
        return Outcome(code, *capsys.readouterr())

    return call


@pytest.fixture
def presample(capsys: pytest.CaptureFixture[str]) -> Command:
    """`presample` with any arguments; what argparse leaves by itself counts as an exit code too."""

    def call(*arguments: object) -> Outcome:
        capsys.readouterr()
        try:
            code = presample_command([str(argument) for argument in arguments])
        except SystemExit as error:
            code = int(error.code or 0)
        return Outcome(code, *capsys.readouterr())

    return call


@pytest.fixture
def dataset(run: Command, tmp_path: Path) -> Path:
    """A dataset of 40 rows, two classes and two shards."""
    assert run().code == 0
    return tmp_path / "dataset"
