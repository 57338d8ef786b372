"""TFRecord files of `tf.train.Example`, plain or gzip, written by anyone.

Kept records stay as they were, byte for byte, with the weight appended: parsers merge the two. Only
features that are not stored are cut out.
A record that is framed right but is no Example, or lacks a label, is a bad row; a broken CRC means
a damaged file and ends the job.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from beam_jobs.sources.block import Block, IntArray, KeyColumns, Keys, Range, Schema, Source
from beam_jobs.sources.columns import Selection, check_columns, check_types
from beam_jobs.sources.declared import DeclaredField
from beam_jobs.sources.files import SourceFile
from beam_jobs.sources.label_table import LabelTable
from beam_jobs.sources.text import WHOLE_FILE
from beam_jobs.sources.tfrecord_features import to_label, weight_collision
from beam_jobs.sources.tfrecord_files import damage_as_source_error, read_records, sample_records
from beam_jobs.sources.tfrecord_keys import KeyReader
from beam_jobs.sources.tfrecord_rows import PAYLOAD, TFRecordRows
from beam_jobs.sources.tfrecord_sample import sampled_dtypes, stored_fields
from beam_jobs.sources.tfrecord_values import compared_values, read_texts
from tfrecord_io.example_columns import DTYPES, read_columns
from tfrecord_io.example_entries import Entries
from tfrecord_io.example_walk import walk
from tfrecord_io.examples import concatenate, feature_suffix
from tfrecord_io.record_blocks import RecordBlock


@dataclass(frozen=True)
class TFRecordSource(Source):
    """TFRecord files. Each is one range: records cannot be found from the middle of a file.

    `dtypes` are those of all features that were found, `declared` only features that are stored.
    """

    files: Sequence[SourceFile]
    dtypes: Mapping[str, str]
    key_columns: KeyColumns
    weight_out: str
    block_size: int
    labels: LabelTable
    selection: Selection
    declared: Sequence[DeclaredField]
    format: str = "tfrecord"

    @property
    def schema(self) -> Schema:
        return {}  # only the kept records tell: see Stored.features

    @property
    def label_dtype(self) -> str:
        return _label_dtype(self.key_columns.label, self.dtypes, self.declared)

    def ranges(self, file: int) -> Iterator[Range]:
        yield Range(file, 0, WHOLE_FILE)

    def blocks(self, part: Range) -> Iterator[Block]:
        file = self.files[part.file]
        for records in read_records(file, self.block_size):
            yield TFRecordBlock(self, file, records)

    def sample(self) -> Iterator[Block]:
        for file, records in sample_records(self.files):
            yield TFRecordBlock(self, file, records)

    def serialize(self, columns: pa.RecordBatch, weights: npt.NDArray[np.float32]) -> pa.LargeBinaryArray:
        return concatenate(columns.column(PAYLOAD), feature_suffix(self.weight_out, weights))


class TFRecordBlock(Block):
    """Some consecutive records of one file."""

    positions = np.zeros(0, np.uint64)
    row_bytes = np.zeros(0, np.int64)

    def __init__(self, source: TFRecordSource, file: SourceFile, records: RecordBlock) -> None:
        self._source = source
        self._file = file
        self._records = records
        self.positions = records.positions.astype(np.uint64)
        self.row_bytes = records.stops - records.starts

    @functools.cached_property
    def _entries(self) -> Entries:
        """Where the key columns are."""
        return walk(self._records.data, self._records.starts, self._records.stops, self._source.key_columns.names)

    def _read(self, names: Sequence[str]) -> tuple[pa.RecordBatch, dict[int, str]]:
        """Some key columns [n], null where a feature is missing or unfit, and why records are unfit."""
        records, dtypes = self._records, self._source.dtypes
        schema = pa.schema([(name, DTYPES[dtypes[name]]) for name in names])
        return read_columns(records.data, records.starts, records.stops, self._entries, schema)

    def keys(self) -> Keys:
        with damage_as_source_error():
            self._records.check()
        columns = self._source.key_columns
        batch, _ = self._read(columns.deciding)
        compared = self._read(columns.where.columns) if columns.where else None
        payload = self._records.payload
        return KeyReader(self._source, self._file, payload, self.positions, batch, compared).read()

    def identities(self) -> list[pa.Array]:
        names = self._source.key_columns.row_id
        return read_texts(self._read(names)[0], self._records.payload, names)

    def pick(self, rows: IntArray) -> TFRecordRows:
        with damage_as_source_error():
            return TFRecordRows(self._source, self._file, self._records.take(rows), self.positions[rows])


def open_tfrecord(
    files: Sequence[SourceFile],
    keys: KeyColumns,
    weight_out: str,
    declared: Sequence[DeclaredField],
    block_size: int,
    selection: Selection,
) -> TFRecordSource:
    """Looks at the first records of the first files for the dtypes of the features.

    The label is of the type that most of them have; others make bad rows.

    Raises:
      SourceError: no record in them holds a key column, they already hold the weight column, or another
        feature is of two types.
      UsageError: `--schema`, `--where` or `--split_time` does not fit them.
    """
    dtypes = sampled_dtypes(files, keys, declared, selection)
    names = sorted(dtypes)
    if weight_out in selection.stored(names):
        raise weight_collision(files[0], weight_out)
    check_columns(keys, weight_out, names, files[0].path, selection)
    check_types(keys, {name: compared_values(pa.array([], DTYPES[dtypes[name]])).type for name in keys.names})
    labels = LabelTable(functools.partial(to_label, dtype=_label_dtype(keys.label, dtypes, declared)))
    fields = stored_fields(declared, selection)
    return TFRecordSource(files, dtypes, keys, weight_out, block_size, labels, selection, fields)


def _label_dtype(label: str, dtypes: Mapping[str, str], declared: Sequence[DeclaredField]) -> str:
    """The label's dtype; booleans are stored as int64, and labels of their own dtype."""
    booleans = any(field.name == label and field.dtype == "bool" for field in declared)
    return "bool" if booleans else dtypes[label]
