"""A store of decoded rows: the windows of all classes side by side, so that a batch is one look-up a column."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from tfrecord_io.reading.feature_columns import Decoder
from tfrecord_io.reading.shard_rows import RawRows

Array = npt.NDArray[Any]
IntArray = npt.NDArray[np.int64]

_DECODE_BYTES = 4 * 2**20


class RowStore:
    """Rows by their places, in columns that grow as places are reserved.

    What is put is decoded some MB at a time, rows of different classes together: that thousands of classes
    have few rows each then costs little.
    """

    def __init__(self, decoder: Decoder) -> None:
        self._decoder = decoder
        self._columns = {column.name: column.empty(0) for column in decoder.columns}
        self._reserved = self._capacity = 0
        self._rows: list[RawRows] = []
        self._places: list[IntArray] = []
        self._bytes = 0

    def reserve(self, rows: int) -> int:
        """Makes room for so many rows; returns the first of their places."""
        first = self._reserved
        self._reserved += rows
        if self._reserved > self._capacity:
            self._capacity = max(self._reserved, 2 * self._capacity)
            for column in self._decoder.columns:
                grown = column.empty(self._capacity)
                grown[:first] = self._columns[column.name][:first]
                self._columns[column.name] = grown
        return first

    def put(self, rows: RawRows, place: int) -> None:
        """Puts rows from that place on; they are there after `flush`."""
        self._rows.append(rows)
        self._places.append(np.arange(place, place + len(rows)))
        self._bytes += rows.payloads.nbytes
        if self._bytes >= _DECODE_BYTES:
            self.flush()

    def flush(self) -> None:
        """Decodes what was put.

        Raises:
          CorruptShardError: a row that is not what the schema says.
        """
        if not self._rows:
            return
        places = np.concatenate(self._places)
        in_a_row = bool((np.diff(places) == 1).all())  # a slice is ten times as fast
        target = slice(places[0], places[-1] + 1) if in_a_row else places
        for name, values in self._decoder.decode(RawRows.join(self._rows)).items():
            self._columns[name][target] = values
        self._rows, self._places, self._bytes = [], [], 0

    def take(self, places: IntArray) -> dict[str, Array]:
        """The rows at these places, in arrays of their own."""
        return {name: values[places] for name, values in self._columns.items()}
