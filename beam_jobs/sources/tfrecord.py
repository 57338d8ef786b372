"""TFRecord files of `tf.train.Example`, plain or gzip, written by anyone.

Kept records stay as they were, byte for byte, with the weight appended: parsers merge the two.
A record that is framed right but is no Example, or lacks a label, is a bad row; a broken CRC means
a damaged file and ends the job.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from typing_extensions import Self

from beam_jobs.sources.block import (
    RAW_LIMIT,
    Block,
    Encoded,
    FloatArray,
    IntArray,
    KeyColumns,
    Keys,
    Range,
    Reject,
    Rows,
    Schema,
    Source,
)
from beam_jobs.sources.columns import check_columns, check_weights, stored_weights
from beam_jobs.sources.declared import DeclaredField
from beam_jobs.sources.files import SourceFile, open_content
from beam_jobs.sources.text import WHOLE_FILE
from beam_jobs.sources.tfrecord_features import (
    Seen,
    counts_of,
    label_of,
    single_of,
    text_of,
    weight_collision,
    weight_of,
    widen,
)
from tfrecord_io import records
from tfrecord_io.errors import CorruptShardError, SourceError, UsageError
from tfrecord_io.example_proto import parse_example
from tfrecord_io.examples import concatenate, feature_suffix
from tfrecord_io.hashing import UInt64Array
from tfrecord_io.labels import Label

SAMPLE_FILES = 64
SAMPLE_RECORDS = 4_096


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
        return {}  # only the kept records tell: see Encoded.features

    @property
    def label_dtype(self) -> str:
        return self.dtypes[self.key_columns.label]

    def ranges(self, file: int) -> Iterator[Range]:
        yield Range(file, 0, WHOLE_FILE)

    def blocks(self, part: Range) -> Iterator[Block]:
        yield from self._read(self.files[part.file], self.block_size, None)

    def sample(self) -> Iterator[Block]:
        files = self.files[:SAMPLE_FILES]
        for file in files:
            yield from self._read(file, 1 << 62, max(1, SAMPLE_RECORDS // len(files)))

    def _read(self, file: SourceFile, block_size: int, limit: int | None) -> Iterator[TFRecordBlock]:
        positions: list[int] = []
        payloads: list[bytes] = []
        size = 0
        for position, payload in scan_file(file):
            positions.append(position)
            payloads.append(payload)
            size += len(payload)
            if size >= block_size or len(payloads) == limit:
                yield TFRecordBlock(self, file, positions, payloads)
                positions, payloads, size = [], [], 0
                if limit:
                    return
        if payloads:
            yield TFRecordBlock(self, file, positions, payloads)


class TFRecordBlock(Block):
    """Some consecutive records of one file."""

    positions = np.zeros(0, np.uint64)
    row_bytes = np.zeros(0, np.int64)

    def __init__(self, source: TFRecordSource, file: SourceFile, positions: list[int], payloads: list[bytes]) -> None:
        self._source = source
        self._file = file
        self._payloads = payloads
        self.positions = np.array(positions, np.uint64)
        self.row_bytes = np.fromiter(map(len, payloads), np.int64, len(payloads))

    def keys(self) -> Keys:
        columns = self._source.key_columns
        found: dict[Label, int] = {}
        codes = np.full(len(self), -1, np.int64)
        weights = np.ones(len(self))
        splits: list[bytes | None] = [None] * len(self)
        rejects = []
        for row, payload in enumerate(self._payloads):
            try:
                features = parse_example(payload)
                label = label_of(features, columns.label, self._source.label_dtype)
                for name in (columns.split, *columns.row_id):
                    if name:
                        single_of(features, name)
                if columns.split:
                    splits[row] = text_of(features, columns.split)
                if columns.weight:
                    weights[row] = weight_of(features, columns.weight)
            except SourceError as error:
                rejects.append(self._reject(row, "record", str(error)))
                continue
            codes[row] = found.setdefault(label, len(found))
        keys = Keys(codes, list(found), rejects=rejects)
        if columns.weight:
            usable = np.flatnonzero(codes >= 0)
            check_weights(weights[usable], self._file, self.positions[usable], columns.weight, self._source.format)
            keys.weights = weights
        if columns.split:
            keys.split_values = pa.array(splits, pa.large_binary())
        return keys

    def identities(self) -> list[pa.Array]:
        names = self._source.key_columns.row_id
        values: list[list[bytes | None]] = [[] for _ in names]
        for payload in self._payloads:
            try:
                features = parse_example(payload)
                texts: list[bytes | None] = [text_of(features, name) for name in names]
            except SourceError:
                texts = [None] * len(names)
            for column, text in zip(values, texts, strict=True):
                column.append(text)
        return [pa.array(column, pa.large_binary()) for column in values]

    def pick(self, rows: IntArray) -> TFRecordRows:
        payloads = [self._payloads[row] for row in rows.tolist()]
        return TFRecordRows(self._source, self._file, payloads, self.positions[rows])

    def _reject(self, row: int, reason: str, message: str) -> Reject:
        return Reject(row, int(self.positions[row]), reason, message, self._payloads[row][:RAW_LIMIT])


class TFRecordRows(Rows):
    """Drawn records of one file."""

    def __init__(self, source: TFRecordSource, file: SourceFile, payloads: list[bytes], positions: UInt64Array) -> None:
        self._source = source
        self._file = file
        self._payloads = payloads
        self.positions = positions

    def encode(self, factors: FloatArray) -> Encoded:
        weight, weight_out = self._source.key_columns.weight, self._source.weight_out
        original = np.ones(len(self))
        counts = []
        for row, payload in enumerate(self._payloads):
            features = parse_example(payload)
            if weight_out in features:
                raise weight_collision(self._file, weight_out)
            counts.append(counts_of(features))
            if weight:
                original[row] = weight_of(features, weight)
        weights = stored_weights(original, factors)
        suffixed = concatenate(pa.array(self._payloads, pa.large_binary()), feature_suffix(weight_out, weights))
        return Encoded(suffixed, np.arange(len(self)), weights, [], features=counts)

    @classmethod
    def join(cls, parts: Sequence[Self]) -> Self:
        payloads = [payload for part in parts for payload in part._payloads]
        return cls(parts[0]._source, parts[0]._file, payloads, np.concatenate([part.positions for part in parts]))


def open_tfrecord(
    files: Sequence[SourceFile],
    keys: KeyColumns,
    weight_out: str,
    declared: Sequence[DeclaredField],
    block_size: int,
) -> TFRecordSource:
    """Looks at the first records of the first files for the dtypes of the key columns.

    Raises:
      SourceError: no record in them holds a key column, or they already hold the weight column.
    """
    if declared:
        raise UsageError("--schema is for CSV and Parquet: each feature of a TFRecord states its own type.")
    seen: Seen = {}
    for file in files[:SAMPLE_FILES]:
        for index, (position, payload) in enumerate(scan_file(file)):
            if index * min(len(files), SAMPLE_FILES) >= SAMPLE_RECORDS:
                break
            try:
                features = parse_example(payload)
            except SourceError:
                continue  # pass 1 will reject it
            for name, (dtype, count) in counts_of(features).items():
                widen(seen, name, (dtype, count, count, 1), f"{file.path}, record at byte {position}")
    if weight_out in seen:
        raise weight_collision(files[0], weight_out)
    check_columns(keys, weight_out, sorted(seen), files[0].path)
    dtypes = {name: dtype for name, (dtype, *_) in seen.items()}
    return TFRecordSource(files, dtypes, keys, weight_out, block_size)


def looks_like_tfrecord(start: bytes) -> bool:
    """Whether a file that starts like this holds a TFRecord: the CRC of the first length matches."""
    return len(start) == 12 and records.masked_crc32c(start[:8]) == int.from_bytes(start[8:], "little")


def scan_file(file: SourceFile) -> Iterator[tuple[int, bytes]]:
    """(position, payload) of each record of a file.

    Raises:
      SourceError: the file is damaged.
    """
    with open_content(file) as stream:
        try:
            yield from records.scan(stream, file.path)
        except CorruptShardError as error:
            raise SourceError(str(error)) from error
