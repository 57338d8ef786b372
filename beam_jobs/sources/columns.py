"""What all sources ask of their columns: that they are there, which are stored, which may be shown."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from beam_jobs.sources.block import FloatArray, IntArray, KeyColumns, Reject, Stored
from beam_jobs.sources.declared import DeclaredField
from beam_jobs.sources.files import SourceFile, place
from tfrecord_io.errors import SourceError, UsageError
from tfrecord_io.hashing import UInt64Array

MASK = "***"
"""What stands for a value of a dropped column in `rejected/`."""

SHOWN = 100
"""Letters of a value that a message quotes."""


@dataclass(frozen=True)
class Selection:
    """Which columns are stored, all where `columns` is empty; dropped ones are never shown either."""

    columns: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()

    def stored(self, names: Sequence[str]) -> list[str]:
        """Those of the names that are stored, in order."""
        return [n for n in names if n not in self.dropped and (not self.columns or n in self.columns)]

    def shown(self, name: str, value: object) -> str:
        """A value of a column for a message: shortened, and left out if the column is dropped."""
        if name in self.dropped:
            return "a value (not shown because of --drop_columns)"
        text = value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)
        return repr(text if len(text) <= SHOWN else text[:SHOWN] + "...")


EVERYTHING = Selection()


def stored_rows(columns: dict[str, pa.Array], weights: npt.NDArray[np.float32], rejects: list[Reject]) -> Stored:
    """Converted columns and the weight [n], the rejected rows left out."""
    # Offsets of 64 bits, so that batches can be joined to any size.
    wide = {name: c.cast(pa.large_binary()) if pa.types.is_binary(c.type) else c for name, c in columns.items()}
    batch = pa.RecordBatch.from_pydict(wide)
    good = np.delete(np.arange(len(weights)), [reject.row for reject in rejects])
    batch = batch.take(pa.array(good)) if rejects else batch
    absent = {
        field.name: column.is_null().to_numpy(zero_copy_only=False)
        for field, column in zip(batch.schema, batch.columns, strict=True)
        if column.null_count
    }
    return Stored(batch, good, weights[good], rejects, absent)


def check_weights(
    weights: FloatArray,
    file: SourceFile,
    positions: UInt64Array,
    column: str,
    kind: str,
    selection: Selection = EVERYTHING,
) -> None:
    """Refuses weights that cannot be counted with.

    Raises:
      SourceError: a weight is missing, NaN, infinite or negative; names the first.
    """
    wrong = np.flatnonzero(~(np.isfinite(weights) & (weights >= 0)))
    if len(wrong):
        value = weights[wrong[0]]
        number = selection.shown(column, f"{value:g}").strip("'")
        what = "missing or NaN" if np.isnan(value) else number
        raise SourceError(
            f"{file.path}, {place(kind, int(positions[wrong[0]]))}: the weight in column {column!r} is {what}. "
            "A weight must be a finite number, 0 or more. Correct the source, or leave --weight_in out."
        )


def stored_weights(
    original: FloatArray | None, factors: FloatArray, column: str | None = None, selection: Selection = EVERYTHING
) -> npt.NDArray[np.float32]:
    """The weights [n] to write: each row's original one, if it has one, times its class's factor.

    Raises:
      SourceError: a weight is too large for a float32.
    """
    weights = factors if original is None else original * factors
    with np.errstate(over="ignore"):
        single = weights.astype(np.float32)
    if not np.isfinite(single).all():
        worst = "" if column in selection.dropped else f" of {weights[~np.isfinite(single)][0]:g}"
        raise SourceError(f"A weight{worst} is more than a float32 holds. Scale the weights of --weight_in down.")
    return single


def suggest(name: str, names: Sequence[str]) -> str:
    """'Did you mean ...? ' when one of the names is near, else ''."""
    near = difflib.get_close_matches(name, names, 1)
    lowered = [n for n in names if n.casefold() == name.casefold()]
    return f"Did you mean {(lowered or near)[0]!r}? " if lowered or near else ""


def check_columns(
    keys: KeyColumns, weight_out: str, names: Sequence[str], path: str, selection: Selection = EVERYTHING
) -> None:
    """Refuses columns that are asked for and not there, and a weight column that is.

    Raises:
      SourceError: names the columns there are, and the nearest.
    """
    asked = [*_flags(keys), *(("--where", name) for name in (keys.where.columns if keys.where else ()))]
    asked += [("--columns", name) for name in selection.columns]
    asked += [("--drop_columns", name) for name in selection.dropped]
    for flag, name in asked:
        if name not in names:
            raise SourceError(
                f"{flag} {name}: {path} has no such column. {suggest(name, names)}Its columns are {', '.join(names)}."
            )
    if weight_out in selection.stored(names):
        raise SourceError(
            f"--weight_out {weight_out}: {path} already has a column of that name. Choose another name for the "
            "weight column to write."
        )


def refuse_key_defaults(keys: KeyColumns, declared: Sequence[DeclaredField]) -> None:
    """Refuses defaults that no reader will ever use.

    Raises:
      UsageError: a key column has one; names the column and the flag.
    """
    with_default = [field.name for field in declared if field.default is not None]
    for flag, name in _flags(keys):
        if name in with_default:
            raise UsageError(
                f"--schema: {flag} {name} can have no default, since rows without it are bad rows. Take the default "
                "out, or fill the column in the source."
            )


def _flags(keys: KeyColumns) -> list[tuple[str, str]]:
    """The flags that name columns without which a row is bad, and the columns."""
    one = {"--label": keys.label, "--weight_in": keys.weight, "--split_by": keys.split}
    named = [(flag, name) for flag, name in one.items() if name is not None]
    named += [("--split_time", keys.time.column)] if keys.time else []
    return named + [("--row_id", name) for name in keys.row_id]


def check_types(keys: KeyColumns, types: Mapping[str, pa.DataType]) -> None:
    """Refuses a `--where` or `--split_time` that does not fit the types of its columns.

    Raises:
      UsageError: says which column, and of what type it is.
    """
    if keys.where:
        keys.where.check(types)
    if keys.time:
        keys.time.check(types[keys.time.column])


def spread(values: pa.Array, rows: IntArray, length: int) -> pa.Array:
    """Values of some rows at the places of these rows; null elsewhere."""
    if len(rows) == length:
        return values
    places = np.full(length, -1, np.int64)
    places[rows] = np.arange(len(rows))
    return values.take(pa.array(places, mask=places < 0))
