"""`tf.train.Example` for protobuf's own runtime, without TensorFlow.

The message is declared here, in a descriptor pool of its own, so that it never meets
TensorFlow's registration of the same names. Source: `tensorflow/core/example/*.proto`.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError

from tfrecord_io.errors import SourceError

Values = list[bytes] | list[float] | list[int]
DTYPES: Mapping[str, str] = {"bytes_list": "bytes", "float_list": "float32", "int64_list": "int64"}
"""The manifest's dtype for each kind of feature."""


def parse_example(record: bytes) -> dict[str, tuple[str | None, Values]]:
    """The features of one serialized Example: name -> (dtype, values).

    dtype is None and the values are empty where the feature has no kind, which counts as missing.

    Raises:
      SourceError: the record is not an Example.

    Cost: about 200 000 records of 26 features a second.
    """
    message = parse_message(record)
    return {name: _feature(feature) for name, feature in message.features.feature.items()}


def parse_message(record: bytes) -> Any:
    """One serialized Example as protobuf's message.

    Raises:
      SourceError: the record is not an Example.
    """
    message = message_class()()
    try:
        message.ParseFromString(record)
    except DecodeError as error:
        raise SourceError(f"the record is no serialized tf.train.Example ({error})") from error
    return message


@functools.cache
def message_class() -> Any:
    """The class of the Example message."""
    field = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="presample/example.proto", package="presample", syntax="proto3")

    def message(name: str) -> Any:
        return file.message_type.add(name=name)

    def add(owner: Any, name: str, number: int, kind: int, **options: Any) -> None:
        owner.field.add(name=name, number=number, type=kind, **({"label": field.LABEL_OPTIONAL} | options))

    for name, kind in (
        ("BytesList", field.TYPE_BYTES),
        ("FloatList", field.TYPE_FLOAT),
        ("Int64List", field.TYPE_INT64),
    ):
        add(message(name), "value", 1, kind, label=field.LABEL_REPEATED)
    feature = message("Feature")
    feature.oneof_decl.add(name="kind")
    for number, name in enumerate(("BytesList", "FloatList", "Int64List"), 1):
        short = {"BytesList": "bytes_list", "FloatList": "float_list", "Int64List": "int64_list"}[name]
        add(feature, short, number, field.TYPE_MESSAGE, type_name=f".presample.{name}", oneof_index=0)
    features = message("Features")
    entry = features.nested_type.add(name="FeatureEntry")
    entry.options.map_entry = True
    add(entry, "key", 1, field.TYPE_STRING)
    add(entry, "value", 2, field.TYPE_MESSAGE, type_name=".presample.Feature")
    entries = ".presample.Features.FeatureEntry"
    add(features, "feature", 1, field.TYPE_MESSAGE, type_name=entries, label=field.LABEL_REPEATED)
    add(message("Example"), "features", 1, field.TYPE_MESSAGE, type_name=".presample.Features")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file) if hasattr(pool, "Add") else pool.AddSerializedFile(file.SerializeToString())
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("presample.Example"))


def _feature(feature: Any) -> tuple[str | None, Values]:
    kind = feature.WhichOneof("kind")
    if kind is None:
        return None, []
    return DTYPES[kind], list(getattr(feature, kind).value)
