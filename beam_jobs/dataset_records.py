"""The TFXIO of a dataset: tfx-bsl's own, over the shards that the manifest names. To be imported late: TensorFlow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import apache_beam as beam
from tensorflow_metadata.proto.v0.schema_pb2 import Schema
from tfx_bsl.tfxio.tensor_representation_util import ProjectTensorRepresentationsInSchema
from tfx_bsl.tfxio.tf_example_record import TFExampleRecord

from beam_jobs.failures import reported
from beam_jobs.sources.files import SourceFile, open_content
from tfrecord_io import records
from tfrecord_io.errors import CorruptShardError

_WILD = str.maketrans({sign: "\\" + sign for sign in "\\*?[]{}"})

ShardFile = tuple[SourceFile, int]
"""A shard and how many rows it holds."""


class DatasetRecords(TFExampleRecord):
    """The rows of some shards. In a pipeline each shard is an element, checked against the manifest as it is read."""

    def __init__(
        self,
        shards: Sequence[ShardFile],
        schema: Schema,
        telemetry_descriptors: list[str],
        raw_record_column_name: str | None = None,
    ) -> None:
        super().__init__(
            [file.path.translate(_WILD) for file, _ in shards],  # for its methods that use tf.data
            schema=schema,
            raw_record_column_name=raw_record_column_name,
            telemetry_descriptors=telemetry_descriptors,
        )
        self._shards = list(shards)

    def _RawRecordBeamSourceInternal(self) -> beam.PTransform:  # noqa: N802 - tfx-bsl's name
        return _ReadShards(self._shards)

    def _ProjectImpl(self, tensor_names: list[str]) -> DatasetRecords:  # noqa: N802 - tfx-bsl's name
        schema = ProjectTensorRepresentationsInSchema(self._schema, tensor_names)
        return DatasetRecords(self._shards, schema, self.telemetry_descriptors, self.raw_record_column_name)


class _ReadShards(beam.PTransform):
    """Pipeline -> PCollection of serialized Examples."""

    def __init__(self, shards: Sequence[ShardFile]) -> None:
        super().__init__()
        self._shards = shards

    def expand(self, pipeline: beam.Pipeline) -> beam.PCollection:
        shards = pipeline | "Shards" >> beam.Create(self._shards)
        return shards | "ReadShard" >> beam.ParDo(_ReadShard()).with_output_types(bytes)


class _ReadShard(beam.DoFn):
    def process(self, element: ShardFile) -> Iterator[bytes]:
        file, rows = element
        found = 0
        with reported():
            with open_content(file) as stream:
                for _, payload in records.scan(stream, file.path):
                    found += 1
                    yield payload
            if found == rows:
                return
            raise CorruptShardError(
                f"{file.path} holds {found} rows, not the {rows} of the manifest. Restore the file."
            )
