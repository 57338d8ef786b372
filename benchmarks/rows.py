"""The rows that the benchmarks read, made from a seed: 26 columns, labels of one of three kinds."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

CHUNK_ROWS = 100_000
POSITIVE_RATE = 0.01
FLOATS = 20
COUNTRIES = np.array(["us", "de", "fr", "jp", "br", "in", "gb", "za"])
DEVICES = np.array(["ios", "android", "web"])
SECTIONS = np.array(["home", "search", "product", "basket", "account", "help"])
PAGES = 5_000
LABELS = ("two", "uniform", "head")

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class RowMaker:
    """Makes the rows of one set of files.

    `labels` is how rows fall into classes. `two`: 1 % are 1, the others 0. `uniform`: each row is of any
    of `classes` classes with the same chance. `head`: one row for each class but 0, evenly spaced; all
    others are 0.
    """

    labels: str
    rows: int
    classes: int
    seed: int

    def chunks(self, first_id: int, rows: int, rng: np.random.Generator) -> Iterator[pa.Table]:
        """Yields `rows` rows from `first_id` on, at most 100 000 at a time."""
        for start in range(0, rows, CHUNK_ROWS):
            yield self._chunk(first_id + start, min(CHUNK_ROWS, rows - start), rng)

    def _chunk(self, first_id: int, rows: int, rng: np.random.Generator) -> pa.Table:
        """Makes one chunk; the floats of odd classes lie 0.3 standard deviations higher."""
        label = self._labels(first_id, rows, rng)
        columns: dict[str, Any] = {"id": np.arange(first_id, first_id + rows, dtype=np.int64), "label": label}
        shift = np.float32(0.3) * (label % 2).astype(np.float32)
        noise = rng.standard_normal((FLOATS, rows), dtype=np.float32) + shift
        for index, values in enumerate(noise):
            columns[f"f{index}"] = values.round(6)
        columns["hour"] = rng.integers(0, 24, rows)
        columns["country"] = COUNTRIES[rng.integers(0, len(COUNTRIES), rows)]
        columns["device"] = DEVICES[rng.integers(0, len(DEVICES), rows)]
        # A dictionary of pages, so that the strings are built once and not once a row.
        section = SECTIONS[np.arange(PAGES) % len(SECTIONS)]
        pages = pa.array([f"/{name}/{number:05d}.html" for number, name in enumerate(section)])
        columns["page"] = pages.take(pa.array(rng.integers(0, PAGES, rows)))
        return pa.table(columns)

    def _labels(self, first_id: int, rows: int, rng: np.random.Generator) -> Integers:
        if self.labels == "two":
            return (rng.random(rows) < POSITIVE_RATE).astype(np.int64)
        if self.labels == "uniform":
            return rng.integers(0, self.classes, rows)
        tail = np.random.default_rng(self.seed).permutation(np.arange(1, self.classes))
        places = np.arange(1, self.classes) * self.rows // self.classes
        here = slice(*np.searchsorted(places, [first_id, first_id + rows]))
        label = np.zeros(rows, dtype=np.int64)
        label[places[here] - first_id] = tail[here]
        return label
