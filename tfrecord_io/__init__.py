"""The dataset itself, and everything pure: neither Beam nor TensorFlow is needed here.

from tfrecord_io import Manifest, calibrate, read_examples, read_records, verify

Manifest     what a dataset holds, per split and class      manifest.py
strategy     how many rows of each class are kept           strategy.py
plan         cuts, weights and shards                       plan.py
hashing      the draw                                       hashing.py
examples     Arrow columns to serialized Examples           examples.py
records      TFRecord framing                               records.py
verify       whether a dataset is whole                     verify.py
storage      files of a local folder or on gs://            storage.py, cloud_storage.py
reading      what is read, in which shares and weights      reading/
calibrate    probabilities at the source's class shares     calibration.py
"""

from tfrecord_io.calibration import calibrate
from tfrecord_io.errors import CorruptShardError, ManifestError, PresampleError
from tfrecord_io.manifest import Manifest
from tfrecord_io.reading.numpy_reader import read_examples
from tfrecord_io.records import read_records
from tfrecord_io.verify import verify

__all__ = [
    "CorruptShardError",
    "Manifest",
    "ManifestError",
    "PresampleError",
    "calibrate",
    "read_examples",
    "read_records",
    "verify",
]
