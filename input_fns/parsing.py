"""Parsing: from batches of serialized Examples to features, label and weight."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import tensorflow as tf

from tfrecord_io.errors import UsageError
from tfrecord_io.labels import Label
from tfrecord_io.reading.datasets import Datasets
from tfrecord_io.reading.defaults import missing_values
from tfrecord_io.reading.feature_names import feature_names, stored_features

FeatureSpec: TypeAlias = Mapping[str, Any]

_DTYPES = {"int64": tf.int64, "float32": tf.float32, "bytes": tf.string}
_RECORD, _FACTOR, _NUMBER = "record", "factor", "number"


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
    feature_names(datasets, [*sources.values(), *_position_keys(features.values())])
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
    """Parses serialized Examples into columns, and gives batches of columns their structure.

    Where every feature has the same shape in every row, rows travel from the shards to the batches
    as parsed columns, and are parsed in large blocks. Otherwise records travel as they are and are
    parsed in the batch, so that sparse and ragged features are as `tf.io.parse_example` makes them.

    Args:
      features: name -> tf.io feature.
      label, label_dtype: of the label's column.
      labels: the classes, in order.
      label_ids: yield the classes' numbers instead of their labels.
      weight: the name of the weight column, or None where no weight is wanted.
      structure: keras, estimator or dict.
    """

    features: Mapping[str, Any]
    label: str
    label_dtype: str
    labels: Sequence[Label]
    label_ids: bool
    weight: str | None
    structure: str

    @property
    def parses_blocks(self) -> bool:
        """Whether `columns` parses; otherwise `element` does."""
        return all(isinstance(spec, tf.io.FixedLenFeature) for spec in self.features.values())

    def columns(self, records: tf.Tensor, factors: tf.Tensor, numbers: tf.Tensor) -> dict[str, tf.Tensor]:
        """A block of records.

        Args:
          records: tf.string of shape [rows].
          factors: what their stored weights are multiplied with; float32 of shape [rows].
          numbers: of their classes; int64 of shape [rows].

        Returns:
          Tensors whose first dimension is the rows.
        """
        if not self.parses_blocks:
            return {_RECORD: records, _FACTOR: factors, _NUMBER: numbers}
        return self._parsed(records, factors, numbers)

    def element(self, columns: dict[str, tf.Tensor]) -> Any:
        """Columns of a batch in the structure asked for.

        Returns:
          keras: (features, label, weight), or (features, label) without weights; estimator:
          (features with the weight among them, label); dict: features, label and weight in one.
          Label (int64, float32 or string) and weight (float32) have shape [rows].
        """
        if not self.parses_blocks:
            columns = self._parsed(columns[_RECORD], columns[_FACTOR], columns[_NUMBER])
        features = {name: columns[name] for name in self.features}
        weight = {} if self.weight is None else {self.weight: columns[self.weight]}
        label = columns[self.label]
        if self.structure == "dict":
            return {**features, self.label: label, **weight}
        if self.structure == "estimator":
            return {**features, **weight}, label
        return (features, label, *weight.values())

    def _parsed(self, records: tf.Tensor, factors: tf.Tensor, numbers: tf.Tensor) -> dict[str, tf.Tensor]:
        spec = {**self.features, self.label: tf.io.FixedLenFeature([], _DTYPES[self.label_dtype])}
        if self.weight is not None:
            spec[self.weight] = tf.io.FixedLenFeature([], tf.float32)
        parsed: dict[str, tf.Tensor] = tf.io.parse_example(records, spec)
        if self.weight is not None:
            parsed[self.weight] *= factors
        intact = self._own_labels(parsed[self.label], numbers)
        with tf.control_dependencies([intact]):
            parsed[self.label] = numbers if self.label_ids else tf.identity(parsed[self.label])
        return parsed

    def _own_labels(self, label: tf.Tensor, numbers: tf.Tensor) -> tf.Operation:
        """Fails where a record is of another class than the shard it stands in."""
        known = tf.constant(list(self.labels), _DTYPES[self.label_dtype])
        expected = tf.gather(known, numbers)
        wrong = tf.not_equal(label, expected)
        return tf.debugging.Assert(
            tf.logical_not(tf.reduce_any(wrong)),
            [
                "A shard of class",
                expected[:1],
                "holds a record of class",
                tf.boolean_mask(label, wrong)[:1],
                "The dataset is damaged (run presample verify): write it again.",
            ],
        )


def _stored_spec(name: str, entry: Mapping[str, Any]) -> Any:
    dtype, shape = entry["dtype"], entry["shape"]
    if shape is None:
        return tf.io.VarLenFeature(_DTYPES[dtype])
    if not entry.get("optional", False):
        return tf.io.FixedLenFeature(shape, _DTYPES[dtype])
    missing = missing_values(name, entry)
    return tf.io.FixedLenFeature(shape, _DTYPES[dtype], missing if shape else missing[0])


def _position_keys(specs: Iterable[Any]) -> list[str]:
    """The features that say where the values of a SparseFeature or RaggedFeature stand."""
    keys: list[str] = []
    for spec in specs:
        index = getattr(spec, "index_key", None) or []
        keys += [index] if isinstance(index, str) else index
        keys += [partition.key for partition in getattr(spec, "partitions", ()) if hasattr(partition, "key")]
    return keys
