"""Storage: how TensorFlow's file systems are reached.

`tf.io.gfile` opens the manifest and tf.data the shards, local or remote: whatever TensorFlow can read
a TFRecord from (gs:// and more), a dataset is read from, with the same credentials. No other library
is needed, and nothing differs between the two but the path.
"""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO, cast

import tensorflow as tf

from tfrecord_io.errors import CorruptShardError
from tfrecord_io.reading.plan import ReadPlan


def opener(path: str) -> BinaryIO:
    """Opens a file for reading in binary.

    Raises:
      FileNotFoundError, OSError: as of a local file.
    """
    if "://" not in path:
        return Path(path).open("rb")
    try:
        if not tf.io.gfile.exists(path):
            raise FileNotFoundError(path)
        return cast(BinaryIO, tf.io.gfile.GFile(path, "rb"))
    except tf.errors.OpError as error:
        raise OSError(error.message) from error


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
