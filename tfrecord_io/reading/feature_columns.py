"""Feature columns: serialized Examples decoded to numpy arrays, many at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tfrecord_io.example_columns import DTYPES, read_columns
from tfrecord_io.example_walk import walk
from tfrecord_io.reading.defaults import missing_values
from tfrecord_io.reading.shard_rows import RawRows
from tfrecord_io.slices import padded

Array = npt.NDArray[Any]

_NUMPY: Mapping[str, npt.DTypeLike] = {"int64": np.int64, "float32": np.float32, "bytes": object}


class _MissingError(Exception):
    """A row lacks a feature that every row should have, or has another number of values."""

    def __init__(self, row: int, why: str) -> None:
        super().__init__(row, why)
        self.row, self.why = row, why


@dataclass(frozen=True)
class FeatureColumn:
    """A feature as an array: one value [rows], n values [rows, n], or any number: [rows] arrays [values].

    `shape` is that of the schema: (), (n,) or None. `missing` are the values where it is absent; None
    where it must be there.
    """

    name: str
    dtype: str
    shape: tuple[int, ...] | None
    missing: Sequence[Any] | None

    @classmethod
    def of(cls, name: str, entry: Mapping[str, Any]) -> FeatureColumn:
        """That of a schema's entry.

        Raises:
          ManifestError: a declared default that the feature cannot have.
        """
        shape = entry["shape"]
        optional = entry.get("optional", False) and shape is not None
        return cls(
            name,
            entry["dtype"],
            None if shape is None else tuple(shape),
            missing_values(name, entry) if optional else None,
        )

    @property
    def field(self) -> pa.Field:
        """As Arrow reads it."""
        single = DTYPES[self.dtype]
        return pa.field(self.name, single if self.shape == () else pa.large_list(single))

    def empty(self, rows: int) -> Array:
        """An array for so many rows, its values unset."""
        if self.shape is None:
            return np.empty(rows, object)
        return np.empty((rows, *self.shape), _NUMPY[self.dtype])

    def values(self, column: pa.Array) -> Array:
        """An Arrow column as an array.

        Raises:
          _MissingError: a value is missing, or there is another number of them.
        """
        if self.shape == ():
            if column.null_count:
                if self.missing is None:
                    raise self._absent(int(np.flatnonzero(column.is_null().to_numpy(zero_copy_only=False))[0]))
                column = column.fill_null(pa.scalar(self.missing[0], column.type))
            return _as_array(column)
        lengths = column.value_lengths().fill_null(0).to_numpy(zero_copy_only=False)
        flat = _as_array(column.flatten())
        if self.shape is None:
            return _separate(flat, lengths)
        count = self.shape[0]
        wrong = np.flatnonzero((lengths != count) & (lengths != 0))
        if len(wrong):
            raise _MissingError(int(wrong[0]), f"feature {self.name!r} has {lengths[wrong[0]]} values, not {count}")
        there = lengths == count
        if there.all():
            return flat.reshape(len(column), count)
        if self.missing is None and count:
            raise self._absent(int(np.flatnonzero(~there)[0]))
        out = self.empty(len(column))
        out[there] = flat.reshape(-1, count)
        out[~there] = self.missing
        return out

    def _absent(self, row: int) -> _MissingError:
        return _MissingError(row, f"feature {self.name!r} is missing")


class Decoder:
    """Decodes some features of serialized Examples: about 400 000 rows of 26 features a second.

    Args:
      columns: to decode.
      label: names the column that must be the class of the shard.
      weight: names a column that is multiplied with the shards' factors, or None.
      stored: how many features an Example has, about; a third of them or less are looked for, more are
        found by walking over all.
    """

    def __init__(self, columns: Sequence[FeatureColumn], label: str, weight: str | None, stored: int) -> None:
        self.columns = list(columns)
        self._names = [column.name for column in columns] if 3 * len(columns) <= stored else None
        self._label, self._weight = label, weight
        self._schema = pa.schema([column.field for column in columns])

    def decode(self, rows: RawRows) -> dict[str, Array]:
        """The columns of some rows.

        Raises:
          CorruptShardError: a row that is not what the schema says; names shard, record and feature.
        """
        data, starts, stops = padded(rows.payloads)
        entries = walk(data, starts, stops, self._names)
        batch, wrong = read_columns(data, starts, stops, entries, self._schema)
        if wrong:
            raise rows.damaged(min(wrong), wrong[min(wrong)].rstrip("."))
        try:
            arrays = {each.name: each.values(batch.column(at)) for at, each in enumerate(self.columns)}
        except _MissingError as error:
            raise rows.damaged(error.row, error.why) from None
        self._check_labels(rows, arrays[self._label])
        if self._weight is not None:
            factors = np.array([one.factor for one in rows.slices], np.float32)
            arrays[self._weight] = arrays[self._weight] * factors[rows.slice]
        return arrays

    def _check_labels(self, rows: RawRows, found: Array) -> None:
        """Fails where a record is of another class than the shard that it stands in."""
        classes = np.empty(len(rows.slices), found.dtype)
        classes[:] = [one.label.encode() if isinstance(one.label, str) else one.label for one in rows.slices]
        wrong = np.flatnonzero(found != classes[rows.slice])
        if len(wrong):
            row = int(wrong[0])
            said, own = found[row : row + 1].tolist()[0], rows.slices[rows.slice[row]].label
            raise rows.damaged(row, f"its label is {said!r}, but its shard is of class {own!r}")


def _as_array(values: pa.Array) -> Array:
    array: Array = values.to_numpy(zero_copy_only=False)
    return array


def _separate(flat: Array, lengths: npt.NDArray[np.int64]) -> Array:
    """Each row's values as an array of its own, which cannot be written to: rows may be yielded again."""
    flat = flat.view()
    flat.flags.writeable = False
    ends = np.cumsum(lengths)
    out = np.empty(len(lengths), object)
    for row, (start, stop) in enumerate(zip((ends - lengths).tolist(), ends.tolist(), strict=True)):
        out[row] = flat[start:stop]
    return out
