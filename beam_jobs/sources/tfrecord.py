"""TFRecord files of `tf.train.Example`, plain or gzip, written by anyone.

Kept records stay as they were, byte for byte, with the weight appended: parsers merge the two.
A record that is framed right but is no Example, or lacks a label, is a bad row; a broken CRC means
a damaged file and ends the job.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from typing_extensions import Self

from beam_jobs.sources.block import (
    RAW_LIMIT,
    Block,
    FloatArray,
    IntArray,
    KeyColumns,
    Keys,
    Range,
    Reject,
    Rows,
    Schema,
    Source,
    Stored,
)
from beam_jobs.sources.columns import check_columns, check_weights, stored_weights
from beam_jobs.sources.declared import DeclaredField
from beam_jobs.sources.feature_table import FeatureTable
from beam_jobs.sources.files import SourceFile, open_content, read_fully
from beam_jobs.sources.text import WHOLE_FILE
from beam_jobs.sources.tfrecord_features import Seen, counts_of, weight_collision, widen
from beam_jobs.sources.tfrecord_keys import read_keys, read_texts, read_weights
from tfrecord_io.errors import CorruptShardError, SourceError, UsageError
from tfrecord_io.example_columns import DTYPES, read_columns
from tfrecord_io.example_proto import parse_example
from tfrecord_io.example_walk import walk
from tfrecord_io.examples import concatenate, feature_suffix
from tfrecord_io.hashing import UInt64Array
from tfrecord_io.record_blocks import RecordBlock, record_blocks
from tfrecord_io.records import masked_crc32c
from tfrecord_io.slices import padded

SAMPLE_FILES = 64
_PAYLOAD = "payload"
SAMPLE_RECORDS = 4_096
SAMPLE_BYTES = 1 << 26
SAMPLE_BLOCK = 1 << 20


@dataclass(frozen=True)
class TFRecordSource(Source):
    """TFRecord files. Each is one range: records cannot be found from the middle of a file."""

    files: Sequence[SourceFile]
    dtypes: Mapping[str, str]
    key_columns: KeyColumns
    weight_out: str
    block_size: int
    format: str = "tfrecord"

    @property
    def schema(self) -> Schema:
        return {}  # only the kept records tell: see Stored.features

    @property
    def label_dtype(self) -> str:
        return self.dtypes[self.key_columns.label]

    def ranges(self, file: int) -> Iterator[Range]:
        yield Range(file, 0, WHOLE_FILE)

    def blocks(self, part: Range) -> Iterator[Block]:
        file = self.files[part.file]
        for records in _read(file, self.block_size):
            yield TFRecordBlock(self, file, records)

    def sample(self) -> Iterator[Block]:
        for file, records in _sample(self.files):
            yield TFRecordBlock(self, file, records)

    def serialize(self, columns: pa.RecordBatch, weights: npt.NDArray[np.float32]) -> pa.LargeBinaryArray:
        return concatenate(columns.column(_PAYLOAD), feature_suffix(self.weight_out, weights))


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
    def _columns(self) -> pa.RecordBatch:
        """The key columns [n], null where a feature is missing or unfit."""
        records, dtypes = self._records, self._source.dtypes
        schema = pa.schema([(name, DTYPES[dtypes[name]]) for name in self._source.key_columns.names])
        entries = walk(records.data, records.starts, records.stops, schema.names)
        return read_columns(records.data, records.starts, records.stops, entries, schema)[0]

    def keys(self) -> Keys:
        with _damage_as_source_error():
            self._records.check()
        source = self._source
        weight = source.key_columns.weight
        keys, bad = read_keys(self._columns, self._records.payload, source.key_columns, source.label_dtype)
        keys.rejects = [self._reject(row, "record", message) for row, message in bad.items()]
        if weight and keys.weights is not None:
            usable = np.flatnonzero(keys.codes >= 0)
            check_weights(keys.weights[usable], self._file, self.positions[usable], weight, source.format)
        return keys

    def identities(self) -> list[pa.Array]:
        return read_texts(self._columns, self._records.payload, self._source.key_columns.row_id)

    def pick(self, rows: IntArray) -> TFRecordRows:
        with _damage_as_source_error():
            return TFRecordRows(self._source, self._file, self._records.take(rows), self.positions[rows])

    def _reject(self, row: int, reason: str, message: str) -> Reject:
        return Reject(row, int(self.positions[row]), reason, message, self._records.payload(row)[:RAW_LIMIT])


class TFRecordRows(Rows):
    """Drawn records of one file."""

    def __init__(
        self, source: TFRecordSource, file: SourceFile, payloads: pa.LargeBinaryArray, positions: UInt64Array
    ) -> None:
        self._source = source
        self._file = file
        self._payloads = payloads
        self.positions = positions

    def to_stored(self, factors: FloatArray) -> Stored:
        weight, weight_out = self._source.key_columns.weight, self._source.weight_out
        data, starts, stops = padded(self._payloads)
        entries = walk(data, starts, stops)
        others = {row: parse_example(self._payloads[row].as_py()) for row in np.flatnonzero(entries.odd).tolist()}
        features = FeatureTable.of(entries, others)
        if weight_out in features.names:
            raise weight_collision(self._file, weight_out)
        original = None
        if weight:
            schema = pa.schema([(weight, DTYPES[self._source.dtypes[weight]])])
            columns, _ = read_columns(data, starts, stops, entries, schema)
            original = read_weights(columns.column(0), lambda row: self._payloads[row].as_py(), weight)
        weights = stored_weights(original, factors)
        columns = pa.record_batch({_PAYLOAD: self._payloads})
        return Stored(columns, np.arange(len(self)), weights, [], features=features)

    @classmethod
    def join(cls, parts: Sequence[Self]) -> Self:
        payloads = pa.concat_arrays([part._payloads for part in parts])
        return cls(parts[0]._source, parts[0]._file, payloads, np.concatenate([part.positions for part in parts]))


def open_tfrecord(
    files: Sequence[SourceFile],
    keys: KeyColumns,
    weight_out: str,
    declared: Sequence[DeclaredField],
    block_size: int,
) -> TFRecordSource:
    """Looks at the first records of the first files for the dtypes of the key columns.

    The label is of the type that most of them have; others make bad rows.

    Raises:
      SourceError: no record in them holds a key column, they already hold the weight column, or another
        feature is of two types.
    """
    if declared:
        raise UsageError("--schema is for CSV and Parquet: each feature of a TFRecord states its own type.")
    seen: Seen = {}
    labels: Counter[str] = Counter()
    for file, records in _sample(files):
        for row, position in enumerate(records.positions.tolist()):
            try:
                features = parse_example(records.payload(row))
            except SourceError:
                continue  # pass 1 will reject it
            found = counts_of(features)
            if keys.label in found:
                labels[found.pop(keys.label)[0]] += 1
            for name, (dtype, count) in found.items():
                widen(seen, name, (dtype, count, count, 1), f"{file.path}, record at byte {position}")
    if weight_out in seen:
        raise weight_collision(files[0], weight_out)
    dtypes = {name: dtype for name, (dtype, *_) in seen.items()}
    dtypes.update((keys.label, dtype) for dtype, _ in labels.most_common(1))
    check_columns(keys, weight_out, sorted(dtypes), files[0].path)
    return TFRecordSource(files, dtypes, keys, weight_out, block_size)


def looks_like_tfrecord(start: bytes) -> bool:
    """Whether a file that starts like this holds a TFRecord: the CRC of the first length matches."""
    return len(start) == 12 and masked_crc32c(start[:8]) == int.from_bytes(start[8:], "little")


def _sample(files: Sequence[SourceFile]) -> Iterator[tuple[SourceFile, RecordBlock]]:
    """The first records of the first files, whatever the block size."""
    files = files[:SAMPLE_FILES]
    for file in files:
        left, room = max(1, SAMPLE_RECORDS // len(files)), SAMPLE_BYTES // len(files)
        for records in _read(file, SAMPLE_BLOCK):
            some = records.head(left)
            with _damage_as_source_error():
                some.check()
            yield file, some
            left -= len(some)
            room -= len(records.data)
            if left <= 0 or room <= 0:
                break


def _read(file: SourceFile, block_size: int) -> Iterator[RecordBlock]:
    """The records of a file.

    Raises:
      SourceError: the file is damaged.
    """
    with open_content(file) as stream, _damage_as_source_error():
        yield from record_blocks(functools.partial(read_fully, stream), file.path, block_size)


@contextmanager
def _damage_as_source_error() -> Iterator[None]:
    try:
        yield
    except CorruptShardError as error:
        raise SourceError(str(error)) from error
