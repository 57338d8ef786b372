"""The figures to reach, and the table of them."""

from collections.abc import Callable
from dataclasses import dataclass
from math import isnan

from results_table import Result
from rich import box
from rich.table import Table

Results = dict[str, Result]


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One figure: how it is worked out from the results of its competitors, and its goal, if it has one."""

    title: str
    needs: tuple[str, ...]
    value: Callable[[Results], float]
    at_least: float | None = None
    at_most: float | None = None
    unit: str = "x"

    @property
    def goal(self) -> str:
        """The goal in words."""
        if self.at_least is not None:
            return f"{self.at_least:g} {self.unit} or more"
        return "-" if self.at_most is None else f"{self.at_most:g} {self.unit} at most"

    def verdict(self, value: float) -> str:
        """Says whether a value reaches the goal; NaN never does."""
        if self.at_least is None and self.at_most is None:
            return ""
        low = self.at_least is None or value >= self.at_least
        high = self.at_most is None or value <= self.at_most
        return "reached" if low and high else "missed"


def speed(title: str, fast: str, slow: str, at_least: float | None = None, *, rate: str = "rate") -> Figure:
    """How many times the rows a second of `slow` `fast` does; `rate` is a property of `Result`."""
    return Figure(
        title=title,
        needs=(fast, slow),
        value=lambda results: float(getattr(results[fast], rate) / getattr(results[slow], rate)),
        at_least=at_least,
    )


def best_speed(title: str, fast: tuple[str, ...], slow: str, at_least: float) -> Figure:
    """The same for the fastest of several."""
    return Figure(
        title=title,
        needs=(*fast, slow),
        value=lambda results: max(results[name].rate for name in fast) / results[slow].rate,
        at_least=at_least,
    )


def peak(title: str, name: str, at_most: float) -> Figure:
    """Peak memory in MB."""
    return Figure(
        title=title, needs=(name,), value=lambda results: results[name].peak / 1e6, at_most=at_most, unit="MB"
    )


def growth(title: str, small: str, large: str, at_most: float) -> Figure:
    """How many times the peak memory of `small` `large` takes."""
    return Figure(
        title=title,
        needs=(small, large),
        value=lambda results: results[large].peak / results[small].peak,
        at_most=at_most,
    )


def figures_table(figures: list[tuple[Figure, Results]], *, markdown: bool) -> Table | None:
    """Makes the table of the figures whose competitors ran; None if there are none."""
    there = [(figure, results) for figure, results in figures if all(name in results for name in figure.needs)]
    if not there:
        return None
    table = Table("figure", "to reach", "measured", "", box=box.MARKDOWN if markdown else box.SIMPLE_HEAD)
    for figure, results in there:
        value = figure.value(results)
        shown = "-" if isnan(value) else f"{value:{',.0f' if figure.unit == 'MB' else '.2f'}} {figure.unit}"
        table.add_row(figure.title, figure.goal, shown, figure.verdict(value))
    return table
