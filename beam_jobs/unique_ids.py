"""`--row_id`: equal ids among the rows that are kept, or stood at the cut, are an error."""

from __future__ import annotations

from collections.abc import Iterable

import apache_beam as beam
import numpy as np
import pyarrow as pa

from beam_jobs.failures import reported
from beam_jobs.job import Job
from beam_jobs.layout import Layout
from beam_jobs.options import PresampleOptions
from beam_jobs.sources.columns import MASK
from tfrecord_io import hashing
from tfrecord_io.errors import SourceError

Id = tuple[bytes, ...]

_ROWS_A_GROUP = 1 << 17
"""About as many ids are compared in memory at a time: some tens of MB."""
_FEWEST_BITS = 4


class IdGroups:
    """The ids of drawn rows, spread over groups so that equal ones meet: as many groups as the plan's rows need."""

    def __init__(self, layout: Layout) -> None:
        rows = sum(stratum.rows * stratum.folds for stratum in layout.plan.strata)
        self._shift = np.uint64(64 - max(_FEWEST_BITS, (rows // _ROWS_A_GROUP).bit_length()))
        self.groups: list[tuple[int, list[Id]]] = []

    def add(self, columns: list[pa.Array]) -> None:
        """Adds n rows.

        Args:
          columns: the values of each `--row_id` column [n].
        """
        ids = list(zip(*(values.to_pylist() for values in columns), strict=True))
        groups = hashing.digest_values(columns[0]) >> self._shift
        for group in np.unique(groups).tolist():
            self.groups.append((group, [ids[row] for row in np.flatnonzero(groups == group).tolist()]))


class RefuseEqualIds(beam.DoFn):
    """(group, lists of ids) -> nothing, if no two are equal."""

    def __init__(self, job: Job) -> None:
        self._job = job

    def process(self, element: tuple[int, Iterable[list[Id]]]) -> None:
        """Checks one group of ids, in memory."""
        seen: set[Id] = set()
        with reported():
            for ids in element[1]:
                for key in ids:
                    if key in seen:
                        raise SourceError(_equal(self._job.options, key, self._job.source.placed))
                    seen.add(key)


def _equal(options: PresampleOptions, key: Id, placed: bool) -> str:
    columns = options.row_id
    hidden = [name in options.drop_columns for name in columns]
    values = [value.decode("utf-8", "backslashreplace") for value in key]
    shown = ", ".join(MASK if hide else value for hide, value in zip(hidden, values, strict=True))
    return (
        f"--row_id {','.join(columns)}: more than one row has the id {shown}. Ids must be unique, or equal rows could "
        f"not be told apart in the draw. Name more columns{', or leave --row_id out' if placed else ''}."
    )
