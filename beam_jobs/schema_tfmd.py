"""`--schema` as a TensorFlow Metadata schema: `schema.pbtxt`, or its binary form.

Only the launching machine reads it; workers get the fields, so they need no tensorflow-metadata.
Source: tensorflow_metadata/proto/v0/schema.proto
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from beam_jobs.schema_remarks import Remarks
from beam_jobs.sources.declared import DeclaredField, Default
from tfrecord_io.errors import UsageError

_TYPES = {"BYTES": "BYTES", "INT": "INTEGER", "FLOAT": "FLOAT"}
_USED = {"name", "type", "presence", "shape", "value_count", "value_counts", "deprecated", "lifecycle_stage"}
_SCHEMA_USED = {"feature", "tensor_representation_group"}
_WORDS = {"annotation"}
"""Statements that say nothing about values."""

_LIVE = ("UNKNOWN_STAGE", "BETA", "PRODUCTION")


def parse_tfmd(content: bytes, binary: bool, name: str, remarks: Remarks) -> list[DeclaredField]:
    """The features of a schema that a dataset holds as columns.

    Args:
      content: the text form, or the serialized message.
      binary: which of them.
      name: what to call it in errors.
      remarks: what is in it and not used is added here.

    Raises:
      UsageError: no such schema, a feature that no dataset can hold, or no tensorflow-metadata to read it with.
    """
    schema = _parse(content, binary, name)
    if not schema.feature:
        raise UsageError(f"{name} declares no feature. Add some, or leave --schema out.")
    for descriptor, _ in schema.ListFields():
        if descriptor.name not in _SCHEMA_USED | _WORDS:
            remarks.add(descriptor.name)
    dense = _dense_tensors(schema, remarks)
    found = []
    for feature in schema.feature:
        stage = type(feature).DESCRIPTOR.fields_by_name["lifecycle_stage"].enum_type.values_by_number
        if feature.deprecated or stage[feature.lifecycle_stage].name not in _LIVE:
            remarks.add("features that are not in production", feature.name)
            continue
        found.append(_field(feature, dense.get(feature.name), remarks))
    return found


def _parse(content: bytes, binary: bool, name: str) -> Any:
    try:
        from google.protobuf import text_format
        from google.protobuf.message import DecodeError
        from tensorflow_metadata.proto.v0 import schema_pb2
    except ImportError as error:
        raise UsageError(
            f"{name} is no JSON. To read a TensorFlow Metadata schema, install presample with the extra [beam], or "
            f"tensorflow-metadata beside it ({error})."
        ) from error
    schema = schema_pb2.Schema()
    try:
        if binary:
            schema.ParseFromString(content)
        else:
            text_format.Parse(content.decode(), schema)
    except (text_format.ParseError, DecodeError) as error:
        raise UsageError(
            f"{name} is neither JSON nor a TensorFlow Metadata schema (schema.pbtxt): {error}. Correct it there."
        ) from error
    return schema


def _field(feature: Any, dense: Any, remarks: Remarks) -> DeclaredField:
    kind = _type(feature)
    for descriptor, _ in feature.ListFields():
        is_bool = descriptor.name == "bool_domain" and kind == "BOOLEAN"
        if descriptor.name not in _USED | _WORDS and not is_bool:
            remarks.add(descriptor.name, feature.name)
    required = feature.presence.min_fraction == 1
    if 0 < feature.presence.min_fraction < 1:
        remarks.add("presence.min_fraction below 1", feature.name)
    if feature.presence.min_count > required:
        remarks.add("presence.min_count", feature.name)
    repeated, length = _values_a_row(feature, remarks)
    default: Default | None = None
    if dense is not None:
        length = _length(dense, feature.name) if repeated is None else length
        default = _default(dense, length)
    return DeclaredField(
        name=feature.name, type=kind, required=required, repeated=repeated, length=length, default=default
    )


def _type(feature: Any) -> str:
    name = type(feature).DESCRIPTOR.fields_by_name["type"].enum_type.values_by_number[feature.type].name
    if name == "STRUCT":
        raise UsageError(
            f"--schema: feature {feature.name!r} is a STRUCT, which Examples cannot hold. Declare its parts by their "
            'paths, like "address.city", or leave it out.'
        )
    if name not in _TYPES:
        raise UsageError(f"--schema: feature {feature.name!r} has no type. Give it one of {', '.join(_TYPES)}.")
    is_bool = name == "INT" and feature.WhichOneof("domain_info") == "bool_domain"
    return "BOOLEAN" if is_bool else _TYPES[name]


def _values_a_row(feature: Any, remarks: Remarks) -> tuple[bool | None, int | None]:
    """Whether a row holds a list, if that is said, and of which length."""
    said = feature.WhichOneof("shape_type")
    if said == "shape":
        length = _length(feature, feature.name)
        return (None, length) if length else (False, None)
    if said == "value_counts":
        raise UsageError(
            f"--schema: feature {feature.name!r} holds lists of lists (value_counts), which Examples cannot hold. "
            "Leave it out."
        )
    if said is None:
        return None, None
    least, most = feature.value_count.min, feature.value_count.max
    if least == most == 1:
        return False, None
    if least == most and most:
        return True, int(most)
    if least or most:
        remarks.add("value_count", feature.name)
    return True, None


def _length(shaped: Any, name: str) -> int | None:
    """The one dimension of a shape; None where it has none."""
    sizes = [dim.size for dim in shaped.shape.dim]
    if len(sizes) > 1 or any(size < 1 for size in sizes):
        raise UsageError(
            f"--schema: feature {name!r} has the shape {sizes}. A dataset holds lists of one fixed length: declare one "
            "dim, of the number of values, and reshape when reading."
        )
    return sizes[0] if sizes else None


def _dense_tensors(schema: Any, remarks: Remarks) -> dict[str, Any]:
    """Dense tensors of one column each, by that column: they say what a missing value is."""
    return {tensor.column_name: tensor for tensor in _of_default_group(schema, remarks)}


def _of_default_group(schema: Any, remarks: Remarks) -> Iterator[Any]:
    for group, representations in schema.tensor_representation_group.items():
        for name, representation in representations.tensor_representation.items():
            if group == "" and representation.WhichOneof("kind") == "dense_tensor":
                yield representation.dense_tensor
            else:
                remarks.add("tensor representations that are not dense ones of the default group", name)


def _default(dense: Any, length: int | None) -> Default | None:
    kind = dense.default_value.WhichOneof("kind")
    if kind is None:
        return None
    value: Any = getattr(dense.default_value, kind)
    return value if length is None else (value,) * length
