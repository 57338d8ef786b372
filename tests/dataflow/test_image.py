"""The Dockerfile, which no engine here can build: its versions, what it copies, and the names of images."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from beam_jobs.dataflow import images

ROOT = Path(__file__).parents[2]
PINS = dict(re.findall(r"^([\w.-]+)==(\S+)$", (ROOT / "constraints.txt").read_text(), flags=re.MULTILINE))
DOCKERFILE = (ROOT / "Dockerfile").read_text()


def test_the_image_has_the_versions_of_the_lock_file() -> None:
    (python, beam), *others = re.findall(r"apache/beam_python([\d.]+)_sdk:([\d.]+)", DOCKERFILE)
    assert (beam, others) == (PINS["apache-beam"], [])
    assert f"Python {python} " in (ROOT / "constraints.txt").read_text().splitlines()[0]
    assert f"python{python.replace('.', '')}-template-launcher-base" in DOCKERFILE
    version = re.search(r'^version = "(.*)"', (ROOT / "pyproject.toml").read_text(), flags=re.MULTILINE)
    assert version
    tagged = f":{version[1]}-beam{beam}-py{python}"
    assert tagged in DOCKERFILE
    assert tagged in (ROOT / "docs/dataflow.md").read_text()


def test_what_the_image_is_built_from_is_there_and_let_through() -> None:
    let_through = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert all((ROOT / name).exists() for name in let_through)
    packages = re.search(r"^packages = \[(.*)\]", (ROOT / "pyproject.toml").read_text(), flags=re.MULTILINE)
    assert packages
    assert {name.split(".")[0] for name in re.findall(r'"([\w.]+)"', packages[1])} <= let_through
    for name in re.findall(r"source/([\w./]+)", DOCKERFILE):
        assert (ROOT / name).is_file()
        assert name.split("/")[0] in let_through


def test_the_container_starts_what_lies_apart_from_the_package() -> None:
    main = re.search(r"^ENV FLEX_TEMPLATE_PYTHON_PY_FILE=(.*)$", DOCKERFILE, flags=re.MULTILINE)
    assert main
    assert main[1] == "/template/main.py"
    assert "cp source/docker/flex_launcher.py main.py" in DOCKERFILE
    assert "beam_jobs.dataflow.container" in (ROOT / "docker/flex_launcher.py").read_text()
    assert DOCKERFILE.rstrip().endswith('ENTRYPOINT ["/opt/apache/beam/boot"]')


@pytest.mark.parametrize(
    ("image", "found"),
    [
        ("apache/beam_python3.11_sdk:2.77.0", []),
        ("apache/beam_python3.11_sdk", []),
        ("apache/beam_python3.11_sdk:2.76.0", ["Beam 2.76.0"]),
        ("apache/beam_python3.10_sdk:2.76.0", ["Beam 2.76.0", "Python 3.10"]),
        ("localhost:5000/team/mine:2.76.0", ["Beam 2.76.0"]),
        ("r.dev/p/presample:0.1.0-beam2.77.0-py3.11", []),
        ("r.dev/p/presample:0.1.0-beam2.76.0-py3.12", ["Beam 2.76.0", "Python 3.12"]),
        ("r.dev/p/mine:7", []),
        ("r.dev/p/mine:2.3.1", []),
        ("r.dev/p/mine@sha256:2760", []),
    ],
)
def test_versions_in_the_name_of_an_image(image: str, found: list[str]) -> None:
    errors = [str(error) for error in images.mismatches(image, "2.77.0")]
    assert len(errors) == len(found)
    assert all(f"{image} has" in error and part in error for error, part in zip(errors, found, strict=True))
