"""The commands and the Python of README.md, run as they stand there."""

from __future__ import annotations

import shlex
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

README = (Path(__file__).parents[1] / "README.md").read_text()


def _code() -> list[str]:
    """The indented blocks, in order."""
    blocks: list[str] = []
    inside = False
    for line in README.splitlines():
        if line.startswith("    "):
            if not inside:
                blocks.append("")
            blocks[-1] += line[4:] + "\n"
        inside = line.startswith("    ")
    return blocks


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the README takes for granted: data/*.csv with a column `clicked`."""
    folder = tmp_path_factory.mktemp("readme")
    (folder / "data").mkdir()
    for part in range(2):
        rows = "".join(f"{i},{i % 7 / 7},{int(i % 10 == part)}\n" for i in range(2_000))
        (folder / f"data/part{part}.csv").write_text("id,age,clicked\n" + rows)
    return folder


def _presample(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    arguments = shlex.split(command.replace("DIR", "dataset"))[1:]
    return subprocess.run([sys.executable, "-m", "presample", *arguments], cwd=folder, capture_output=True, text=True)


def _lines(start: str) -> list[str]:
    return [line for block in _code() for line in block.splitlines() if line.startswith(start)]


def test_the_first_screen_is_under_forty_lines_and_runs(home: Path) -> None:
    assert README.index("## What it does") < len("\n".join(README.splitlines()[:40]))
    (command,) = _lines("presample run --input")
    ended = _presample(command, home)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "The dataset is in dataset" in ended.stdout
    snippet = next(block for block in _code() if block.startswith("from input_fns"))
    assert snippet.strip() in ended.stdout
    model = (
        "import keras\n"
        "names = {'age': keras.Input((), name='age'), 'id': keras.Input((), name='id', dtype='int64')}\n"
        "layer = keras.layers.Dense(1, activation='sigmoid')(keras.ops.expand_dims(names['age'], 1))\n"
        "model = keras.Model(names, layer)\n"
        "model.compile('adam', 'binary_crossentropy')\n"
    )
    trained = subprocess.run([sys.executable, "-c", model + snippet], cwd=home, capture_output=True, text=True)
    assert trained.returncode == 0, trained.stderr
    assert "Epoch 5/5" in trained.stdout


def test_the_commands_for_a_dataset(home: Path) -> None:
    (run,) = _lines("presample run --input")
    assert _presample(run + " --overwrite", home).returncode == 0
    commands = [
        line.split("  ")[0] for name in ("inspect", "verify", "clean") for line in _lines(f"presample {name} DIR")
    ]
    assert len(commands) == 3
    for command in commands:
        ended = _presample(command, home)
        assert (ended.returncode, ended.stderr) == (0, ""), command
        assert "dataset" in ended.stdout


def test_the_python_of_the_job(home: Path) -> None:
    snippet = next(block for block in _code() if block.startswith("from beam_jobs"))
    snippet = snippet.replace('output="dataset"', 'output="from_python"')
    ended = subprocess.run(
        [sys.executable, "-c", snippet + "print(manifest.split('train').rows)"],
        cwd=home,
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.strip() == "800"


def test_the_splits_of_the_reading_page(home: Path) -> None:
    page = (Path(__file__).parents[1] / "docs" / "reading.md").read_text()
    start = page.index("    presample run")
    command, _, snippet = page[start : page.index("Rows, shares, weights and priors")].partition("\n")
    assert _presample(command.strip(), home).returncode == 0
    program = "from input_fns import InputFn\n" + textwrap.dedent(snippet)
    ended = subprocess.run([sys.executable, "-c", program], cwd=home, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    lines = [line.split() for line in ended.stdout.splitlines()]
    assert [held_out for held_out, _, _ in lines] == list("abcd")
    assert {int(rows) + int(held_out_rows) for _, rows, held_out_rows in lines} == {800}


def test_plain_tensorflow_reads_as_the_format_page_says(home: Path) -> None:
    page = (Path(__file__).parents[1] / "docs" / "format.md").read_text()
    start = page.index("    import json, tensorflow as tf")
    snippet = "".join(line[4:] + "\n" for line in page[start : page.index("**Folders**")].splitlines())
    (run,) = _lines("presample run --input")
    for flag in ("none", "gzip"):
        command = run.replace("--output dataset", f"--output {flag}") + f" --compression {flag}"
        assert _presample(command, home).returncode == 0
        program = snippet.replace("DIR", flag) + "print(sum(len(batch['weight']) for batch in rows))"
        ended = subprocess.run([sys.executable, "-c", program], cwd=home, capture_output=True, text=True)
        assert int(ended.stdout) > 500, ended.stderr
