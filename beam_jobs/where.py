"""`--where`: which rows of a block its expression lets pass."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from beam_jobs.where_parser import parse_where
from tfrecord_io.errors import UsageError


@dataclass(frozen=True)
class Judged:
    """Which of n rows pass [n]; and those for which the expression cannot be computed: row -> why."""

    passes: npt.NDArray[np.bool_]
    wrong: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Where:
    """The expression of `--where`. Picklable: it is parsed again where it is used."""

    text: str

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that it names."""
        return parse_where(self.text).columns

    def check(self, types: Mapping[str, pa.DataType]) -> None:
        """Refuses an expression that cannot be computed with columns of these types.

        Raises:
          UsageError: values that cannot be compared, or the result is not true or false.
        """
        table = _comparable(pa.schema([(name, types[name]) for name in self.columns]).empty_table())
        known = ", ".join(f"{name} is {table.schema.field(name).type}" for name in self.columns)
        try:
            kind = self._evaluate(table).type
        except (pa.ArrowException, TypeError) as error:
            raise UsageError(
                f"--where {self.text!r} cannot be computed: {_first_line(error)}. {known}. Compare values of one type, "
                "put comparisons joined with & or | in parentheses, or change a type with .cast."
            ) from error
        if not pa.types.is_boolean(kind):
            raise UsageError(
                f"--where {self.text!r} gives {kind}, not true or false. {known}. Compare with something: "
                f"{self.columns[0]} > 0"
            )

    def judge(self, table: pa.Table) -> Judged:
        """Evaluates n rows; those whose result is null do not pass.

        A row that fails, by a division by zero or a cast, is found by halving.

        Args:
          table: the columns named, of the types checked.
        """
        table = _comparable(table)
        passes = np.zeros(table.num_rows, bool)
        wrong: dict[int, str] = {}
        waiting = [(0, table.num_rows)]
        while waiting:
            start, stop = waiting.pop()
            try:
                found = self._evaluate(table.slice(start, stop - start))
            except pa.ArrowException as error:
                if stop - start == 1:
                    wrong[start] = _first_line(error)
                else:
                    middle = (start + stop) // 2
                    waiting += [(start, middle), (middle, stop)]
            else:
                passes[start:stop] = found.fill_null(False).to_numpy()
        return Judged(passes, wrong)

    def _evaluate(self, table: pa.Table) -> pa.ChunkedArray:
        from pyarrow import acero  # brings pandas along, where that is there

        source = acero.Declaration("table_source", acero.TableSourceNodeOptions(table))
        result = acero.ProjectNodeOptions([parse_where(self.text).expression], ["passes"])
        # One thread: rows stay in their order, and workers bring threads of their own.
        plan = acero.Declaration.from_sequence([source, acero.Declaration("project", result)])
        return plan.to_table(use_threads=False).column(0)


def _comparable(table: pa.Table) -> pa.Table:
    """The same values in types that can be compared: no dictionaries, no half floats."""
    for index, column in enumerate(table.schema):
        kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
        kind = pa.float32() if pa.types.is_float16(kind) else kind
        if kind != column.type:
            table = table.set_column(index, column.name, table.column(index).cast(kind))
    return table


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
