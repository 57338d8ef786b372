"""A dataset as a TFXIO: how tensorflow-transform and other TFX libraries read it. Needs the extra `[tfx]`."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from beam_jobs.output import Output
from beam_jobs.sources.files import SourceFile
from tfrecord_io.errors import UsageError
from tfrecord_io.manifest import ClassEntry, Manifest, Shard

if TYPE_CHECKING:
    from tensorflow_metadata.proto.v0.schema_pb2 import Schema
    from tfx_bsl.tfxio.tfxio import TFXIO


def dataset_tfxio(
    directory: str | os.PathLike[str],
    *,
    split: str | Sequence[str] = "train",
    fold: int = 0,
    telemetry_descriptors: Sequence[str] = ("presample",),
    raw_record_column_name: str | None = None,
) -> TFXIO:
    """The rows of one fold of some splits, all classes, label and weight among the features.

    Opens the manifest and nothing else; its shards alone are read, whatever else lies beside them.

    Args:
      directory: the dataset, local or of any file system that Beam knows.
      split: one name or several.
      fold: of the classes that have folds; a class with fewer of them starts again from its first.
      telemetry_descriptors: what Beam metrics are filed under.
      raw_record_column_name: if given, a column of that name holds the serialized records.

    Raises:
      UsageError: no such split, fold or row, or tfx-bsl is not installed.
      ManifestError: no dataset there, or a damaged manifest.
    """
    try:
        from beam_jobs.dataset_records import DatasetRecords
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] not in ("tfx_bsl", "tensorflow_metadata", "tensorflow"):
            raise
        raise UsageError("A TFXIO needs tfx-bsl. Install it with: pip install 'presample[tfx]'") from error
    output = Output(os.fspath(directory))
    manifest = Manifest.load(output.folder, opener=output.open)
    names = [split] if isinstance(split, str) else list(split)
    if not names or len(set(names)) < len(names):
        raise UsageError(f"split={split!r} must name one split, or several different ones.")
    try:
        entries = [entry for name in names for entry in manifest.split(name).classes]
    except ValueError as error:
        raise UsageError(str(error)) from error
    shards = _shards_of(entries, fold)
    if not shards:
        raise UsageError(f"{directory} holds no rows in {', '.join(names)}; there is nothing to read.")
    zipped = manifest.compression == "gzip"
    files = [(SourceFile(output.path(shard.path), shard.path, shard.bytes, zipped), shard.rows) for shard in shards]
    return DatasetRecords(files, tfmd_schema(manifest), list(telemetry_descriptors), raw_record_column_name)


def tfmd_schema(manifest: Manifest) -> Schema:
    """The features of a dataset as a TensorFlow Metadata schema, label and weight among them.

    A feature that every row has, with one value or always n, becomes a dense tensor; others become
    sparse ones.
    """
    from tensorflow_metadata.proto.v0 import schema_pb2

    kinds = {"int64": schema_pb2.INT, "float32": schema_pb2.FLOAT, "bytes": schema_pb2.BYTES}
    weight: Mapping[str, Any] = {"dtype": "float32", "shape": [], "optional": False}
    schema = schema_pb2.Schema()
    for name, spec in sorted({**manifest.schema, manifest.weight: weight}.items()):
        feature = schema.feature.add(name=name, type=kinds[spec["dtype"]])
        shape = spec["shape"]
        if spec.get("optional", False):
            feature.presence.min_fraction = 0.0
        else:
            feature.presence.min_fraction = 1.0
            feature.presence.min_count = 1
        if shape is not None and not spec.get("optional", False):
            feature.shape.SetInParent()
            for size in shape:
                feature.shape.dim.add(size=size)
        elif shape is not None:
            feature.value_count.min = feature.value_count.max = shape[0] if shape else 1
    return schema


def _shards_of(entries: Sequence[ClassEntry], fold: int) -> list[Shard]:
    """The shards of one fold.

    Raises:
      UsageError: no class has that fold.
    """
    folds = max((entry.folds for entry in entries), default=1)
    if not 0 <= fold < folds:
        raise UsageError(f"fold={fold} is not there; the dataset has folds 0 to {folds - 1} in these splits.")
    return [shard for entry in entries for shard in entry.shards if shard.fold == fold % entry.folds]
