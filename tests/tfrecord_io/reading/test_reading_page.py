"""The Python of docs/reading.md that needs no TensorFlow, run as it stands there."""

from __future__ import annotations

import textwrap
from pathlib import Path

import numpy as np

from tests.input_fns.conftest import ClassData, Data, write

_PAGE = (Path(__file__).parents[3] / "docs" / "reading.md").read_text()


def _block(start: str) -> str:
    """The indented block that starts so."""
    lines = _PAGE[_PAGE.index("    " + start) :].split("\n\n")[0]
    return textwrap.dedent(lines)


def test_the_page_runs_as_it_stands(tmp_path, monkeypatch, capsys):
    schema = {"age": {"dtype": "float32", "shape": []}}
    data = Data(
        classes=[ClassData(label=0, rows=1000, source_rows=9000), ClassData(label=1, rows=1000)],
        schema=schema,
        row=lambda number: {"age": float(number % 80)},
    )
    write(tmp_path / "dataset", data)
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    exec(_block("from tfrecord_io import calibrate"), names)
    exec(_block("from tfrecord_io import read_examples"), names)
    shown = capsys.readouterr().out.splitlines()
    source = np.array([0.2, 0.5, 0.9]) * 0.1
    other = np.array([0.8, 0.5, 0.1]) * 0.9
    assert shown[0] == str(source / (source + other))
    assert shown[1] == "2000 4 {0: 1000, 1: 1000}"
    assert 0 < names["mean"] < 80
