"""Parsing: from batches of serialized Examples to features, label and weight."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import tensorflow as tf

from tfrecord_io.errors import UsageError
from tfrecord_io.reading.datasets import Datasets
from tfrecord_io.reading.defaults import missing_values
from tfrecord_io.reading.feature_names import feature_names, stored_features

FeatureSpec: TypeAlias = Mapping[str, Any]

_DTYPES = {"int64": tf.int64, "float32": tf.float32, "bytes": tf.string}


def feature_spec(datasets: Datasets, features: Iterable[str] | FeatureSpec | None) -> dict[str, Any]:
    """What `tf.io.parse_example` needs to read the features; label and weight are not among them.

    One value or n of them become FixedLenFeature, with a default where the feature is absent from
    some rows: what the schema declares, else NaN for float32, -1 for int64, b"" for bytes. Any
    number of values becomes VarLenFeature, a SparseTensor: what Keras inputs (`sparse=True`) and
    feature columns both take, where Keras 3 takes few RaggedTensors (`tf.RaggedTensor.from_sparse`
    converts, in a `map_fn`).

    Args:
      datasets: what is read.
      features: names, a subset; or name -> tf.io feature, to read them otherwise; None = all.

    Raises:
      UsageError: a feature that is not there, is the label or the weight, or has another dtype.
      ManifestError: a default that its feature cannot have.
    """
    stored = stored_features(datasets)
    if not isinstance(features, Mapping):
        return {name: _stored_spec(name, stored[name]) for name in feature_names(datasets, features)}
    # A RaggedFeature or SparseFeature may read a stored feature under another name.
    sources = {name: getattr(spec, "value_key", None) or name for name, spec in features.items()}
    feature_names(datasets, sources.values())
    for name, spec in features.items():
        dtype = stored[sources[name]]["dtype"]
        if getattr(spec, "dtype", None) != _DTYPES[dtype]:
            raise UsageError(
                f"features[{name!r}] is {spec!r}, but the dataset stores {dtype}. Give a tf.io feature such "
                f"as tf.io.FixedLenFeature([], tf.{_DTYPES[dtype].name}); convert to another dtype in map_fn."
            )
    return dict(features)


@dataclass(frozen=True, kw_only=True)
class Parser:
    """Parses batches of serialized Examples into one of the structures.

    `weight` is the name of the weight column, or None where no weight is wanted.
    """

    features: Mapping[str, Any]
    label: str
    label_dtype: str
    weight: str | None
    structure: str

    def parse(self, serialized: tf.Tensor, factors: tf.Tensor) -> Any:
        """Parses one batch.

        Args:
          serialized: tf.string of shape [rows].
          factors: float32 of shape [rows], to multiply the stored weights with.

        Returns:
          keras: (features, label, weight), or (features, label) without weights; estimator:
          (features with the weight among them, label); dict: features, label and weight in one.
          Label (int64, float32 or string) and weight (float32) have shape [rows].
        """
        spec = {**self.features, self.label: tf.io.FixedLenFeature([], _DTYPES[self.label_dtype])}
        if self.weight is not None:
            spec[self.weight] = tf.io.FixedLenFeature([], tf.float32)
        features = tf.io.parse_example(serialized, spec)
        weight = {} if self.weight is None else {self.weight: features.pop(self.weight) * factors}
        if self.structure == "dict":
            return {**features, **weight}
        label = features.pop(self.label)
        if self.structure == "estimator":
            return {**features, **weight}, label
        return (features, label, *weight.values())


def _stored_spec(name: str, entry: Mapping[str, Any]) -> Any:
    dtype, shape = entry["dtype"], entry["shape"]
    if shape is None:
        return tf.io.VarLenFeature(_DTYPES[dtype])
    if not entry.get("optional", False):
        return tf.io.FixedLenFeature(shape, _DTYPES[dtype])
    missing = missing_values(name, entry)
    return tf.io.FixedLenFeature(shape, _DTYPES[dtype], missing if shape else missing[0])
