"""What every source hands to the two passes: ranges of files, and blocks of some MB in them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from typing_extensions import Self

from beam_jobs.sources.declared import DeclaredField
from beam_jobs.sources.feature_table import FeatureTable
from beam_jobs.sources.files import SourceFile
from beam_jobs.split_time import SplitTime
from beam_jobs.where import Where
from tfrecord_io.examples import encode_examples
from tfrecord_io.hashing import UInt64Array
from tfrecord_io.labels import Label

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]
Schema = Mapping[str, Mapping[str, Any]]
"""Features as the manifest lists them: name -> {"dtype", "shape", "optional"}."""

RAW_LIMIT = 2_000
"""Bytes of a bad row that are kept for `rejected/`."""


@dataclass(frozen=True)
class KeyColumns:
    """What pass 1 reads: the columns that decide about a row, its class, weight, split and identity."""

    label: str
    weight: str | None = None
    split: str | None = None
    row_id: tuple[str, ...] = ()
    time: SplitTime | None = None
    where: Where | None = None

    @property
    def names(self) -> list[str]:
        """Each column once."""
        return list(dict.fromkeys([*self.deciding, *(self.where.columns if self.where else ())]))

    @property
    def deciding(self) -> list[str]:
        """Each column once, but those that only `--where` names."""
        time = self.time.column if self.time else None
        return list(dict.fromkeys(n for n in (self.label, self.weight, self.split, time, *self.row_id) if n))

    @property
    def label_alone(self) -> bool:
        """Whether the label is all that is asked for."""
        return self.names == [self.label] and not (self.split or self.time or self.where)


@dataclass(frozen=True)
class Range:
    """A part of one file that one worker reads: bytes of text, or row groups, from start to stop."""

    file: int
    start: int
    stop: int


Part = tuple[Range, ...]
"""What is read at a time: one range, or several of small files."""


@dataclass(frozen=True)
class Reject:
    """A bad row: its index in the block or the drawn rows, where it lies in its file, and why it cannot be used."""

    row: int
    position: int
    reason: str
    message: str
    raw: bytes


@dataclass
class Keys:
    """What pass 1 learns about a block of n rows.

    `codes` [n] index `labels`; -1 marks rejected rows, and the `filtered` ones that `--where` leaves
    out. `splits` [n] index the splits of `--split_time`. The others are None where not asked for.
    """

    codes: IntArray
    labels: Sequence[Label]
    weights: FloatArray | None = None
    split_values: pa.Array | None = None
    splits: IntArray | None = None
    filtered: int = 0
    rejects: list[Reject] = field(default_factory=list)


@dataclass
class Stored:
    """Drawn rows in the types that they are stored in.

    `columns` are all but the weight. `good` [m] indexes the rows that were to be converted; columns
    and weights [m] belong to them. `absent` marks the rows [m] without a value, for each feature that
    some lack. `features` says what is in each of them, where only reading the rows can tell.
    """

    columns: pa.RecordBatch
    good: IntArray
    weights: npt.NDArray[np.float32]
    rejects: list[Reject]
    absent: Mapping[str, npt.NDArray[np.bool_]] = field(default_factory=dict)
    features: FeatureTable | None = None


class Block(ABC):
    """Some MB of one file: n rows."""

    @property
    @abstractmethod
    def positions(self) -> UInt64Array:
        """Identity within the file [n]: byte offset, record offset or row number."""

    @property
    @abstractmethod
    def row_bytes(self) -> IntArray | None:
        """Bytes in the source [n], where rows have bytes of their own."""

    def __len__(self) -> int:
        return len(self.positions)

    @property
    def total_bytes(self) -> int:
        """Bytes of all rows in the source; 0 where rows have none of their own."""
        return 0 if self.row_bytes is None else int(self.row_bytes.sum())

    @abstractmethod
    def keys(self) -> Keys:
        """Reads the key columns and checks every row as far as pass 1 does."""

    @abstractmethod
    def identities(self) -> list[pa.Array]:
        """The values [n] of the `row_id` columns, as bytes; meaningless for rejected rows."""

    @abstractmethod
    def pick(self, rows: IntArray) -> Rows:
        """Takes some rows (indices, sorted) out of the block, in memory of their own."""


class Rows(ABC):
    """Drawn rows of one file, not parsed yet."""

    positions: UInt64Array
    """Where they lie in their file [n]."""

    def __len__(self) -> int:
        return len(self.positions)

    @abstractmethod
    def to_stored(self, factors: FloatArray) -> Stored:
        """Parses them, and converts them to the types that they are stored in.

        Args:
          factors: what multiplies each row's original weight [n].
        """

    def check(self) -> list[Reject]:
        """The rows that `to_stored` would refuse, found at its price or less."""
        return self.to_stored(np.ones(len(self))).rejects

    @classmethod
    @abstractmethod
    def join(cls, parts: Sequence[Self]) -> Self:
        """Rows of several blocks of one file, one after the other."""


class Source(ABC):
    """Files of one format. Picklable and small: it goes to every worker."""

    format: str
    files: Sequence[SourceFile]
    threaded: bool = True
    """Whether blocks may be worked on in several threads, and after the next ones are read."""
    placed: bool = True
    """Whether rows lie in places that stay. Others are known by `row_id`, and tell their sizes in pass 1."""
    weight_out: str
    """Name of the weight column to write."""
    declared: Sequence[DeclaredField] = ()
    """The fields of `--schema` that stored records are only compared with; others are part of `schema`."""

    @property
    def unit_bytes(self) -> float:
        """About how many bytes one worker reads at a time."""
        return sum(file.bytes for file in self.files) / max(1, len(self.files))

    @property
    def key_share(self) -> float:
        """About which share of the bytes pass 1 reads."""
        return 1.0

    @property
    @abstractmethod
    def schema(self) -> Schema:
        """The features of stored rows; empty where only the rows themselves tell."""

    @property
    @abstractmethod
    def label_dtype(self) -> str:
        """int64, float32, bytes or bool."""

    @abstractmethod
    def ranges(self, file: int) -> Iterator[Range]:
        """Cuts a file into parts that can be read independently."""

    @abstractmethod
    def blocks(self, part: Range) -> Iterator[Block]:
        """Reads a range; the same blocks each time.

        Raises:
          SourceError: the file cannot be read as what it should be.
        """

    @abstractmethod
    def sample(self) -> Iterator[Block]:
        """A few blocks from fixed places, whatever the block size: to infer types and sizes from."""

    def serialize(self, columns: pa.RecordBatch, weights: npt.NDArray[np.float32]) -> pa.LargeBinaryArray:
        """Stored rows [m] as records, their weight among the features."""
        fields = [*columns.schema, pa.field(self.weight_out, pa.float32())]
        return encode_examples(pa.record_batch([*columns.columns, pa.array(weights)], schema=pa.schema(fields)))
