"""What all sources ask of their columns: that they are there, and that weights can be counted with."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from beam_jobs.sources.block import Encoded, FloatArray, KeyColumns, Reject
from beam_jobs.sources.declared import DeclaredField
from beam_jobs.sources.files import SourceFile, place
from tfrecord_io.errors import SourceError, UsageError
from tfrecord_io.examples import encode_examples
from tfrecord_io.hashing import UInt64Array


def encode_columns(
    columns: dict[str, pa.Array], weight_out: str, weights: npt.NDArray[np.float32], rejects: list[Reject]
) -> Encoded:
    """Encodes converted columns and the weight [n], the rejected rows left out."""
    batch = pa.RecordBatch.from_pydict({**columns, weight_out: pa.array(weights)})
    good = np.delete(np.arange(len(weights)), [reject.row for reject in rejects])
    batch = batch.take(pa.array(good)) if rejects else batch
    absent = {
        field.name: column.is_null().to_numpy(zero_copy_only=False)
        for field, column in zip(batch.schema, batch.columns, strict=True)
        if column.null_count
    }
    return Encoded(encode_examples(batch), good, weights[good], rejects, absent)


def check_weights(weights: FloatArray, file: SourceFile, positions: UInt64Array, column: str, kind: str) -> None:
    """Refuses weights that cannot be counted with.

    Raises:
      SourceError: a weight is missing, NaN, infinite or negative; names the first.
    """
    wrong = np.flatnonzero(~(np.isfinite(weights) & (weights >= 0)))
    if len(wrong):
        value = weights[wrong[0]]
        what = "missing or NaN" if np.isnan(value) else f"{value:g}"
        raise SourceError(
            f"{file.path}, {place(kind, int(positions[wrong[0]]))}: the weight in column {column!r} is {what}. "
            "A weight must be a finite number, 0 or more. Correct the source, or leave --weight_in out."
        )


def stored_weights(original: FloatArray | None, factors: FloatArray) -> npt.NDArray[np.float32]:
    """The weights [n] to write: each row's original one, if it has one, times its class's factor.

    Raises:
      SourceError: a weight is too large for a float32.
    """
    weights = factors if original is None else original * factors
    with np.errstate(over="ignore"):
        single = weights.astype(np.float32)
    if not np.isfinite(single).all():
        worst = weights[~np.isfinite(single)][0]
        raise SourceError(f"A weight of {worst:g} is more than a float32 holds. Scale the weights of --weight_in down.")
    return single


def suggest(name: str, names: Sequence[str]) -> str:
    """'Did you mean ...? ' when one of the names is near, else ''."""
    near = difflib.get_close_matches(name, names, 1)
    lowered = [n for n in names if n.casefold() == name.casefold()]
    return f"Did you mean {(lowered or near)[0]!r}? " if lowered or near else ""


def check_columns(keys: KeyColumns, weight_out: str, names: Sequence[str], path: str) -> None:
    """Refuses key columns that are not there, and a weight column that is.

    Raises:
      SourceError: names the columns there are, and the nearest.
    """
    for name in keys.names:
        if name not in names:
            raise SourceError(
                f"{_flag_of(name, keys)} {name}: {path} has no such column. {suggest(name, names)}"
                f"Its columns are {', '.join(names)}."
            )
    if weight_out in names:
        raise SourceError(
            f"--weight_out {weight_out}: {path} already has a column of that name. Choose another name for the "
            "weight column to write."
        )


def refuse_key_defaults(keys: KeyColumns, declared: Sequence[DeclaredField]) -> None:
    """Refuses defaults that no reader will ever use.

    Raises:
      UsageError: a key column has one; names the column and the flag.
    """
    for field in declared:
        if field.default is not None and field.name in keys.names:
            raise UsageError(
                f"--schema: {_flag_of(field.name, keys)} {field.name} can have no default, since rows without it are "
                "bad rows. Take the default out, or fill the column in the source."
            )


def _flag_of(name: str, keys: KeyColumns) -> str:
    return {keys.label: "--label", keys.weight: "--weight_in", keys.split: "--split_by"}.get(name, "--row_id")
