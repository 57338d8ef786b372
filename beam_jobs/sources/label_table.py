"""Label columns with many distinct values: each value is turned into a label once, not once a block."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from beam_jobs.sources.block import IntArray
from tfrecord_io.labels import Label


class LabelTable:
    """The labels met so far, in `labels`, and the raw values that stand for them. Thread-safe.

    Args:
      convert: raw value -> label; None or a `ValueError` where it is none. A copy of the table in
        another process starts empty.
    """

    def __init__(self, convert: Callable[[Any], Label | None]) -> None:
        self.labels: list[Label] = []
        self._convert = convert
        self._numbers: dict[Label, int] = {}
        self._known: dict[pa.DataType, tuple[pa.Array, IntArray]] = {}
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[type[LabelTable], tuple[Callable[[Any], Label | None]]]:
        return LabelTable, (self._convert,)

    def codes(self, values: pa.Array, raw: Callable[[Any], Any] = lambda value: value) -> IntArray:
        """Indices into `labels` [n]; -1 for values that are no label.

        Args:
          values: n distinct values, of any type that Arrow can look up.
          raw: what to convert of such a value.
        """
        with self._lock:
            known, numbers = self._known.get(values.type, (values[:0], np.zeros(0, np.int64)))
            places = pc.index_in(values, value_set=known)
            found = places.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
            new = np.flatnonzero(found < 0)
            codes = np.full(len(values), -1, np.int64)
            codes[found >= 0] = numbers[found[found >= 0]]
            if len(new):
                codes[new] = [self._number(raw(value)) for value in values.take(pa.array(new)).to_pylist()]
                good = new[codes[new] >= 0]  # others are not remembered: there may be no end to them
                grown = pa.concat_arrays([known, values.take(pa.array(good))])
                self._known[values.type] = grown, np.concatenate([numbers, codes[good]])
        return codes

    def _number(self, value: Any) -> int:
        try:
            label = self._convert(value)
        except ValueError:
            return -1
        if label is None:
            return -1
        number = self._numbers.setdefault(label, len(self.labels))
        if number == len(self.labels):
            self.labels.append(label)
        return number
