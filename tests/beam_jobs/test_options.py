"""Options given from Python check themselves."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import beam_jobs
from beam_jobs import PresampleOptions
from beam_jobs.command import make_parser
from beam_jobs.flags import from_namespace
from tfrecord_io.errors import UsageError

_GOOD: dict[str, Any] = {"input": ("rows.csv",), "output": "out", "label": "y"}


@pytest.mark.parametrize(
    ("name", "value", "kinds"),
    [
        ("seed", "3", "int"),
        ("seed", True, "int"),
        ("shard_size", "64MB", "int"),
        ("splits", {"train": 1}, "str"),
        ("schema", [{"name": "y"}], "str or None"),
        ("strategy", {"0": 5}, "str"),
        ("max_bad_fraction", "0.1", "float or int"),
        ("plan_only", 1, "bool"),
    ],
)
def test_a_value_of_the_wrong_type_is_named(name: str, value: object, kinds: str) -> None:
    with pytest.raises(UsageError, match=rf"^{name} is .* it must be {kinds}\.$"):
        PresampleOptions(**_GOOD | {name: value})


def test_a_repeated_input_adds_files() -> None:
    arguments = ["--input", "a.csv", "b.csv", "--input", "c.csv", "--output", "out", "--label", "y"]
    assert from_namespace(make_parser().parse_args(arguments)).input == ("a.csv", "b.csv", "c.csv")


@pytest.mark.parametrize("start", [beam_jobs.run, beam_jobs.plan])
def test_files_are_needed(start: Callable[[PresampleOptions], object]) -> None:
    with pytest.raises(UsageError, match="--input names no file"):
        start(PresampleOptions(output="out", label="y"))


_ELSEWHERE = "--runner=apache_beam.runners.portability.fn_api_runner.FnApiRunner"
"""By its full name it is taken for a runner of other machines, which leave their notes in the output."""


@pytest.mark.parametrize("flags", [[], [_ELSEWHERE]], ids=["here", "elsewhere"])
def test_a_plan_from_python_leaves_nothing(flags: list[str], tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("y,x\n" + "".join(f"{int(i % 10 == 0)},{i}\n" for i in range(100)))
    options = PresampleOptions(input=(f"{tmp_path}/rows.csv",), output=f"{tmp_path}/out", label="y", weights="none")
    strata = beam_jobs.plan(options, flags).strata
    assert [(s.label, s.source.rows, s.rows, s.factor) for s in strata] == [(0, 90, 10, 1.0), (1, 10, 10, 1.0)]
    with pytest.raises(UsageError, match=r"call beam_jobs\.plan"):
        beam_jobs.run(PresampleOptions(**_GOOD, plan_only=True))
    assert [path.name for path in tmp_path.iterdir()] == ["rows.csv"]
