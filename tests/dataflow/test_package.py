"""What workers install: the source distribution, or the installed package packed anew; and who finds it."""

from __future__ import annotations

import base64
import csv
import hashlib
import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from beam_jobs.dataflow import package

ROOT = Path(__file__).parents[2]
PACKAGES = ("beam_jobs", "input_fns", "presample", "tfrecord_io")
LIGHT = {"fastjsonschema", "google-crc32c", "numpy", "protobuf", "pyarrow", "rich"}


def _content() -> set[str]:
    files = {str(path.relative_to(ROOT)) for name in PACKAGES for path in (ROOT / name).rglob("*.py")}
    others = {str(path.relative_to(ROOT)) for name in PACKAGES for path in (ROOT / name).glob("py.typed")}
    return files | others | {"tfrecord_io/manifest.schema.json"}


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout of nothing but what is to be built."""
    folder = tmp_path_factory.mktemp("sources")
    for name in PACKAGES:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("CHANGELOG.md", "LICENSE", "MANIFEST.in", "README.md", "pyproject.toml", "setup.py"):
        shutil.copy(ROOT / name, folder / name)
    return folder


def _setup(sources: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "setup.py", "--quiet", *arguments]
    return subprocess.run(command, cwd=sources, capture_output=True, text=True, check=True)


def test_what_beam_stages_holds_the_packages_and_asks_for_little(sources: Path, tmp_path: Path) -> None:
    _setup(sources, "sdist", "--dist-dir", str(tmp_path))
    (archive,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(archive) as staged:
        names = {name.partition("/")[2] for name in staged.getnames()}
        info = staged.extractfile(next(name for name in staged.getnames() if name.endswith("0/PKG-INFO")))
        assert info is not None
        wanted = re.findall(r"^Requires-Dist: ([\w-]+)[^;\n]*$", info.read().decode(), flags=re.MULTILINE)
    assert _content() <= names
    assert not [name for name in names if name.startswith(("tests", "docs", "benchmarks", "examples"))]
    assert set(wanted) == LIGHT


def test_an_installed_package_is_packed_as_it_was(sources: Path, tmp_path: Path) -> None:
    _setup(sources, "bdist_wheel", "--dist-dir", str(tmp_path / "built"))
    (built,) = (tmp_path / "built").glob("*.whl")
    site = tmp_path / "site"
    with zipfile.ZipFile(built) as wheel:
        wheel.extractall(site)
    (info,) = site.glob("*.dist-info")
    (info / "INSTALLER").write_text("pip\n")
    with (info / "RECORD").open("a") as record:
        record.write(f"{info.name}/INSTALLER,,\n../../bin/presample,,\n")
    again = package.repack(importlib.metadata.Distribution.at(info), tmp_path)
    with zipfile.ZipFile(built) as first, zipfile.ZipFile(again) as second:
        assert set(second.namelist()) == set(first.namelist())
        for path, digest, _ in csv.reader(second.read(f"{info.name}/RECORD").decode().splitlines()):
            if digest:
                found = base64.urlsafe_b64encode(hashlib.sha256(second.read(path)).digest()).rstrip(b"=").decode()
                assert digest == f"sha256={found}"
    loaded = subprocess.run(
        [sys.executable, "-c", "import beam_jobs; print(beam_jobs.__file__)"],
        env={**os.environ, "PYTHONPATH": str(again)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert loaded.stdout.startswith(str(again))


def test_the_sources_that_run_are_those_that_are_staged() -> None:
    assert package.setup_file() == ROOT / "setup.py"


def test_the_script_finds_the_python_that_has_presample(tmp_path: Path) -> None:
    active = {**os.environ, "VIRTUAL_ENV": str(Path(sys.executable).parents[1])}
    found = subprocess.run(
        [ROOT / "run_dataflow.sh", "--help"], env=active, cwd=tmp_path, capture_output=True, text=True
    )
    assert (found.returncode, found.stderr) == (0, "")
    assert found.stdout.startswith("usage: presample dataflow launch")


def test_the_script_says_when_none_has_it(tmp_path: Path) -> None:
    shutil.copy(ROOT / "run_dataflow.sh", tmp_path)
    (tmp_path / "bin").mkdir()
    for name in ("bash", "dirname", "env"):
        (tmp_path / "bin" / name).symlink_to(shutil.which(name) or name)
    missed = subprocess.run(
        [tmp_path / "run_dataflow.sh"], env={"PATH": str(tmp_path / "bin")}, capture_output=True, text=True
    )
    assert (missed.returncode, missed.stdout, missed.stderr.count("\n")) == (2, "", 1)
    assert missed.stderr.startswith("presample: no Python here has presample. Install it with: python3 -m venv")
