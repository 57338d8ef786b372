"""Pass 2 over records: what is stored of them, and which are not as `--schema` says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from typing_extensions import Self

from beam_jobs.sources.block import FloatArray, Reject, Rows, Stored
from beam_jobs.sources.columns import stored_weights
from beam_jobs.sources.declared_features import misfits
from beam_jobs.sources.feature_table import FeatureTable
from beam_jobs.sources.files import SourceFile
from beam_jobs.sources.tfrecord_features import Features, two_types, weight_collision
from beam_jobs.sources.tfrecord_keys import shown_records
from beam_jobs.sources.tfrecord_values import read_weights
from tfrecord_io.errors import SourceError
from tfrecord_io.example_columns import DTYPES, read_columns
from tfrecord_io.example_drop import cut_features
from tfrecord_io.example_entries import KINDS, Entries, IntArray
from tfrecord_io.example_proto import parse_example
from tfrecord_io.example_walk import walk
from tfrecord_io.hashing import UInt64Array
from tfrecord_io.slices import padded

if TYPE_CHECKING:
    from beam_jobs.sources.tfrecord import TFRecordSource


PAYLOAD = "payload"
"""The one column of stored records: as they were, but for features that are left out."""


@dataclass(frozen=True)
class _Walked:
    """Records [n] as the walk finds them; `features` are those that are stored, `unwanted` the others."""

    data: pa.Buffer
    starts: IntArray
    stops: IntArray
    entries: Entries
    features: FeatureTable
    unwanted: list[str]
    rejects: list[Reject]

    @property
    def good(self) -> IntArray:
        """The records that are not rejected."""
        return np.delete(np.arange(len(self.starts)), [reject.row for reject in self.rejects])

    @property
    def good_features(self) -> FeatureTable:
        """The features of these records, numbered among them."""
        mask = np.zeros(len(self.starts), bool)
        mask[self.good] = True
        return self.features.take(mask)

    def columns(self, schema: pa.Schema) -> pa.RecordBatch:
        """Some features as Arrow columns, null where a record has none that fits."""
        return read_columns(self.data, self.starts, self.stops, self.entries, schema)[0]


class TFRecordRows(Rows):
    """Drawn records of one file."""

    def __init__(
        self, source: TFRecordSource, file: SourceFile, payloads: pa.LargeBinaryArray, positions: UInt64Array
    ) -> None:
        self._source = source
        self._file = file
        self._payloads = payloads
        self.positions = positions

    def check(self) -> list[Reject]:
        """As of every source; features of another type than in the first records end the job here too.

        Raises:
          SourceError: a feature is of two types, or is called like the weight to write.
        """
        found = self._walk()
        features = found.good_features
        expected = np.array([KINDS.index(self._source.dtypes.get(name)) for name in features.names], np.int64)
        expected = expected[features.name]
        wrong = np.flatnonzero((expected > 0) & (features.kind > 0) & (features.kind != expected))
        if len(wrong):
            line = wrong[np.argmin(features.row[wrong])]
            position = int(self.positions[found.good[features.row[line]]])
            kinds = [str(KINDS[kind]) for kind in (expected[line], features.kind[line])]
            raise two_types(
                f"{self._file.path}, record at byte {position}", features.names[features.name[line]], *kinds
            )
        return found.rejects

    def to_stored(self, factors: FloatArray) -> Stored:
        source, weight = self._source, self._source.key_columns.weight
        found = self._walk()
        original = None
        if weight:
            column = found.columns(pa.schema([(weight, DTYPES[source.dtypes[weight]])])).column(0)
            original = read_weights(column, lambda row: self._payloads[row].as_py(), weight)
        weights = stored_weights(original, factors, weight, source.selection)
        payloads = self._payloads
        if found.unwanted:
            payloads = cut_features(payloads, found.data, found.starts, found.stops, found.entries, found.unwanted)
        good = found.good
        if found.rejects:
            payloads, weights = payloads.take(pa.array(good)), weights[good]
        columns = pa.record_batch({PAYLOAD: payloads})
        return Stored(columns, good, weights, found.rejects, features=found.good_features)

    def _walk(self) -> _Walked:
        source = self._source
        data, starts, stops = padded(self._payloads)
        entries = walk(data, starts, stops)
        others, broken = self._parse(np.flatnonzero(entries.odd))
        features = FeatureTable.of(entries, others)
        names = list(dict.fromkeys([*features.names, *(name for each in others.values() for name in each)]))
        stored = source.selection.stored(names)
        if source.weight_out in stored:
            raise weight_collision(self._file, source.weight_out)
        unwanted = [name for name in names if name not in stored]
        found = _Walked(data, starts, stops, entries, features.only(stored) if unwanted else features, unwanted, [])
        reasons = {row: ("type", why) for row, why in self._misfits(found).items()} | broken
        rows = sorted(reasons)
        raw = shown_records(self._payloads.take(pa.array(rows, pa.int64())), source.selection)
        for row, text in zip(rows, raw, strict=True):
            found.rejects.append(Reject(row, int(self.positions[row]), *reasons[row], text))
        return found

    def _parse(self, rows: IntArray) -> tuple[dict[int, Features], dict[int, tuple[str, str]]]:
        """Some records as protobuf reads them; and those that it cannot: row -> (reason, message)."""
        read = {row: _parsed(self._payloads[row].as_py()) for row in rows.tolist()}
        broken = {row: ("record", found) for row, found in read.items() if isinstance(found, str)}
        return {row: {} if isinstance(found, str) else found for row, found in read.items()}, broken

    def _misfits(self, found: _Walked) -> dict[int, str]:
        """The records that are not as `--schema` says, and why."""
        declared = self._source.declared
        reasons = misfits(declared, found.features, len(self)) if declared else {}
        for field in declared:
            if field.dtype == "bool":
                for row, value in _not_truths(found, field.name).items():
                    reasons.setdefault(row, f"feature {field.name!r} holds {value}, where --schema says BOOLEAN.")
        return reasons

    @classmethod
    def join(cls, parts: Sequence[Self]) -> Self:
        payloads = pa.concat_arrays([part._payloads for part in parts])
        return cls(parts[0]._source, parts[0]._file, payloads, np.concatenate([part.positions for part in parts]))


def _not_truths(found: _Walked, name: str) -> dict[int, int]:
    """The records in which a feature of integers holds one that is neither 0 nor 1, and the first such."""
    column = found.columns(pa.schema([(name, pa.large_list(pa.int64()))])).column(0)
    values = column.flatten().to_numpy(zero_copy_only=False)
    lengths = column.value_lengths().fill_null(0).to_numpy(zero_copy_only=False)
    rows = np.repeat(np.arange(len(column)), lengths)
    wrong = np.flatnonzero((values != 0) & (values != 1))[::-1]
    return dict(zip(rows[wrong].tolist(), values[wrong].tolist(), strict=True))


def _parsed(record: bytes) -> Features | str:
    """The features of a record, or why it is no Example."""
    try:
        return parse_example(record)
    except SourceError as error:
        return str(error)
