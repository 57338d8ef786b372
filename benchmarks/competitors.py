"""Who takes part in the scenarios, and how each is started."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from data import BENCHMARKS, Data, Source
from expected_output import Expected, balanced, everything

ROOT = BENCHMARKS.parent

Arguments = Callable[[Source, Path], list[str]]


@dataclass(frozen=True, kw_only=True)
class Competitor:
    """One command: its name in `--only`, its row in the table, its input, and its arguments for (input, output).

    `expected` is None where it writes nothing. `cores` limits it to so many, 0 does not. `slow` ones take
    minutes, and have fewer turns.
    """

    name: str
    title: str
    data: Data
    arguments: Arguments
    expected: Expected | None
    cores: int = 0
    slow: bool = False


def presample(name: str, title: str, data: Data, flags: list[str], expected: Expected, *, cores: int = 0) -> Competitor:
    """`presample run` with these flags."""

    def arguments(source: Source, output: Path) -> list[str]:
        command = ["-m", "beam_jobs.presample", "--input", source.pattern, "--output", str(output)]
        return [*command, "--label", "label", *flags]

    return Competitor(name=name, title=title, data=data, arguments=arguments, expected=expected, cores=cores)


def handwritten_beam(data: Data, flags: list[str]) -> Competitor:
    """The hand-written Beam job, which balances."""

    def arguments(source: Source, output: Path) -> list[str]:
        command = [_script("handwritten_beam.py"), "--format", source.form, "--input", source.pattern]
        return [*command, "--output", str(output), *flags]

    return Competitor(
        name="beam",
        title="hand-written Beam job",
        data=data,
        arguments=arguments,
        expected=Expected(sizes=balanced, exact=False),
        slow=True,
    )


def duckdb_balance(name: str, title: str, data: Data, flags: list[str]) -> Competitor:
    """The DuckDB script that balances."""
    return Competitor(
        name=name,
        title=title,
        data=data,
        arguments=lambda source, output: [_script("duckdb_script.py"), str(source.folder), str(output), *flags],
        expected=Expected(sizes=balanced),
    )


def duckdb_all(data: Data) -> Competitor:
    """The DuckDB script that writes every row."""
    return Competitor(
        name="duckdb",
        title="DuckDB script, one unordered file",
        data=data,
        arguments=lambda source, output: [_script("duckdb_all.py"), str(source.folder), str(output)],
        expected=Expected(sizes=everything),
    )


def floor(data: Data) -> Competitor:
    """Reads the label column twice and writes nothing."""
    return Competitor(
        name="floor",
        title="floor: label column read twice",
        data=data,
        arguments=lambda source, _: [_script("floor.py"), str(source.folder)],
        expected=None,
    )


def _script(name: str) -> str:
    return str(BENCHMARKS / name)
