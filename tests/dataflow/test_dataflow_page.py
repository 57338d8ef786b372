"""docs/dataflow.md: its table of defaults, its commands, and the messages that it explains."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from beam_jobs.command import check_beam_args
from beam_jobs.dataflow.checks import problems, service_complaints
from beam_jobs.dataflow.defaults import DEFAULTS, pool_flags
from beam_jobs.dataflow.place import Place
from beam_jobs.dataflow.request import parser, read

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/dataflow.md").read_text()
NAMES = {
    "PROJECT": "my-project",
    "REGION": "us-central1",
    "BUCKET": "gs://my-bucket",
    "WORKER": "w@p.iam",
    "IMAGE": "i",
}


def _commands() -> list[list[str]]:
    """Each launch, its lines joined and its variables set; what the shell would fill in stays."""
    text = re.sub(r"\$\(date [^)]*\)", "2026-01-01", PAGE.replace("\\\n", " "))
    for name, value in NAMES.items():
        text = text.replace(f"${name}", value)
    lines = re.findall(r"(?:run_dataflow\.sh|presample dataflow launch) (--project .*)$", text, flags=re.MULTILINE)
    return [shlex.split(line) for line in lines]


def test_the_table_of_defaults_is_the_table_of_the_code() -> None:
    rows = re.findall(r"^\| `--(\w+)` \| (?:`(.*?)`)? ?\| (.*) \|$", PAGE, flags=re.MULTILINE)
    assert rows == [(default.flag, default.value, default.why) for default in DEFAULTS]


def test_the_table_names_what_is_set_and_nothing_else() -> None:
    request = read(["--input=gs://b/a", "--output=gs://b/o", "--label=y", "--sdk_container_image=i"], parser())
    flags = request.beam_flags(Place("project", "us-central1"))
    set_here = {flag[2:].partition("=")[0] for flag in flags} - {"project", "region", "sdk_container_image"}
    assert set_here | {"setup_file"} == {default.flag for default in DEFAULTS}
    fixed = {flag[2:].partition("=")[0]: flag.partition("=")[2] for flag in pool_flags()}
    assert {d.flag: d.value for d in DEFAULTS if d.flag in fixed and d.flag != "labels"} == {
        name: value for name, value in fixed.items() if name != "labels"
    }


@pytest.mark.parametrize("number", range(4))
def test_each_command_of_the_page_passes_the_checks(number: int) -> None:
    command = _commands()[number]
    request = read(command, parser())
    assert problems(request) == []
    check_beam_args(request.beam_args, parser())
    assert list(service_complaints(request.beam_flags(Place("my-project", "us-central1")))) == []


def test_all_commands_are_looked_at() -> None:
    assert len(_commands()) == 4


def test_the_messages_that_are_explained_are_those_that_are_printed() -> None:
    section = PAGE[PAGE.index("## When it does not start") : PAGE.index("## What was proven")]
    explained = re.findall(r"^\| `(.*?)` \|", section, flags=re.MULTILINE)
    assert len(explained) > 10
    folders = (ROOT / "beam_jobs", ROOT / "beam_jobs/dataflow")
    code = "".join(path.read_text() for folder in folders for path in folder.glob("*.py"))
    said = re.sub(r'"\s*\n\s*f?"', "", code)
    assert [message for message in explained if message not in said] == []
