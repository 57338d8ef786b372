"""Presample: per-class, pre-sampled, weighted training data from imbalanced files.

`beam_jobs` writes a dataset, `input_fns` reads it into tf.data, `tfrecord_io` is the dataset
itself. This package is the face: the console commands and the demo.
"""

from importlib import metadata

__all__ = ["__version__"]

try:
    __version__ = metadata.version("presample")
except metadata.PackageNotFoundError:  # run from a source tree that is not installed
    __version__ = "0+unknown"
