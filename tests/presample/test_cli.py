"""`presample` itself: help without heavy imports, unknown commands, and what a base install can do."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from presample import __version__
from presample.cli import COMMANDS
from tests.presample.conftest import Command, assert_one_message

HEAVY = ("apache_beam", "keras", "numpy", "pandas", "pyarrow", "tensorflow", "tfx_bsl")

BASE_INSTALL = """
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("apache_beam", "keras", "pandas", "tensorflow", "tfx_bsl"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Missing())
"""


def python(code: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Runs code in a fresh interpreter, away from the source tree's folder."""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd="/")


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"], ["--version"], ["nothing"]])
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import contextlib, io, sys\nfrom presample.cli import main\n"
        f"with contextlib.redirect_stdout(io.StringIO()): main({arguments!r})\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    assert python(code).stdout == "[]\n"


@pytest.mark.parametrize("arguments", [["run", "--help"], ["run", "--splits", "x", "--input", "a"]])
def test_a_wrong_command_line_of_run_does_not_wait_for_beam(arguments: list[str]) -> None:
    code = (
        "import sys\nfrom presample.cli import main\n"
        f"try: main({arguments!r})\nexcept SystemExit: pass\n"
        "print('apache_beam' in sys.modules, file=sys.stderr)"
    )
    assert python(code).stderr.splitlines()[-1] == "False"


def test_help_lists_every_command(presample: Command) -> None:
    outcome = presample("--help")
    assert outcome.code == 0
    assert outcome.err == ""
    for name, (_, _, what) in COMMANDS.items():
        assert f"  {name}" in outcome.out
        assert what in outcome.out


def test_no_command_is_a_wrong_command_line(presample: Command) -> None:
    outcome = presample()
    assert outcome.code == 2
    assert "commands:" in outcome.out


def test_run_help_names_every_option_of_its_own(presample: Command) -> None:
    import dataclasses

    from beam_jobs import PresampleOptions

    outcome = presample("run", "--help")
    assert outcome.code == 0
    for option in dataclasses.fields(PresampleOptions):
        assert f"--{option.name}" in outcome.out


def test_version(presample: Command) -> None:
    assert presample("--version") == (0, f"presample {__version__}\n", "")


def test_unknown_command_names_the_nearest_and_all(presample: Command) -> None:
    outcome = presample("inspct")
    assert outcome.code == 2
    assert_one_message(outcome.err)
    assert "unknown command 'inspct'. Did you mean inspect?" in outcome.err
    assert ", ".join(COMMANDS) in outcome.err
    assert "Did you mean" not in presample("zzz").err


@pytest.mark.parametrize(
    ("module", "arguments", "expected"),
    [
        ("presample", ["--version"], (0, f"presample {__version__}\n", "")),
        ("presample", ["run"], (2, "", "required: --input, --output, --label")),
        ("beam_jobs.presample", ["--label", "x"], (2, "", "required: --input, --output")),
    ],
)
def test_as_modules(module: str, arguments: list[str], expected: tuple[int, str, str]) -> None:
    process = subprocess.run([sys.executable, "-m", module, *arguments], capture_output=True, text=True, check=False)
    assert (process.returncode, process.stdout) == expected[:2]
    assert expected[2] in process.stderr
    assert "Traceback" not in process.stderr


def test_the_module_is_the_command(csv_file: Path, tmp_path: Path) -> None:
    output = tmp_path / "dataset"
    flags = ["--input", str(csv_file), "--output", str(output), "--label", "label", "--runner=FnApiRunner"]
    process = subprocess.run(
        [sys.executable, "-m", "beam_jobs.presample", *flags], capture_output=True, text=True, check=False
    )
    assert (process.returncode, process.stderr) == (0, "")
    assert f"The dataset is in {output}" in process.stdout
    assert (output / "manifest.json").is_file()


def test_a_base_install_reads_verifies_inspects_and_cleans(dataset: Path) -> None:
    code = (
        BASE_INSTALL
        + """
import tfrecord_io
from presample.cli import main

folder = sys.argv[1]
manifest = tfrecord_io.Manifest.load(folder)
print(sum(1 for shard in manifest.shards() for _ in tfrecord_io.read_records(f"{folder}/{shard.path}")))
print([main([command, folder]) for command in ("inspect", "verify", "clean")])
"""
    )
    process = python(code, dataset)
    assert process.stderr == ""
    assert process.stdout.startswith("40\n")
    assert process.stdout.endswith("[0, 0, 0]\n")


@pytest.mark.parametrize(
    "call", ["main(sys.argv[1:])", "(setattr(sys, 'argv', ['presample', *sys.argv[1:]]), main())[1]"]
)
def test_a_base_install_says_what_run_needs(call: str, csv_file: Path, tmp_path: Path) -> None:
    code = BASE_INSTALL + f"from presample.cli import main\nsys.exit({call})"
    flags = ["--input", csv_file, "--output", tmp_path / "dataset", "--label", "label"]
    process = python(code, "run", *flags)
    assert_one_message(process.stderr)
    assert "Apache Beam" in process.stderr
    assert "pip install 'presample[beam]'" in process.stderr
    assert (process.returncode, process.stdout) == (2, "")
    assert not (tmp_path / "dataset").exists()


def test_a_base_install_says_what_demo_needs() -> None:
    process = python(BASE_INSTALL + "from presample.cli import main\nsys.exit(main(['demo']))")
    assert process.stderr.count("\n") == 1
    assert "pip install 'presample[demo]'" in process.stderr
    assert process.returncode != 0


def test_inspect_reads_no_shard(dataset: Path, presample: Command) -> None:
    for path in dataset.rglob("*.tfrecord"):
        path.unlink()
    assert presample("inspect", dataset).code == 0
    assert json.loads(presample("inspect", dataset, "--json").out)["format"] == "presample"
