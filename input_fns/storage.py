"""Storage: how TensorFlow's file systems are reached.

`tf.io.gfile` opens the manifest and tf.data the shards, local or remote: whatever TensorFlow can read
a TFRecord from (gs:// and more), a dataset is read from, with the same credentials. No other library
is needed, and nothing differs between the two but the path.
"""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO, cast

import tensorflow as tf


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
