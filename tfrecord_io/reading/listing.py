"""Listing: whether the shards to be read are there, as the file system sees it."""

from __future__ import annotations

from pathlib import Path

from tfrecord_io.errors import CorruptShardError
from tfrecord_io.reading.plan import ReadPlan


def check_shards(plan: ReadPlan) -> None:
    """Looks whether local shards are there, and as large as the manifest says; opens none.

    Raises:
      CorruptShardError: names the first that is not.
    """
    for number in plan.opened:
        for piece in (piece for stratum in plan.classes[number].strata for piece in stratum.slices):
            if "://" in piece.path:
                continue
            try:
                size = Path(piece.path).stat().st_size
            except OSError as error:
                raise CorruptShardError(
                    f"{piece.path} is named by the manifest, but cannot be found ({error.strerror}). Restore it, or "
                    "write the dataset again."
                ) from error
            if size != piece.bytes:
                raise CorruptShardError(
                    f"{piece.path} has {size} bytes where the manifest says {piece.bytes}. Restore it, or write the "
                    "dataset again."
                )
