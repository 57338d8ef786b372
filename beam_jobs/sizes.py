"""How large a stored row of each class will be, estimated from the source's fixed sample.

The sample does not depend on block sizes or workers, so neither do the numbers of shards.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from beam_jobs.sources.block import IntArray, Rows, Source
from tfrecord_io import hashing
from tfrecord_io.hashing import UInt64Array
from tfrecord_io.labels import Label
from tfrecord_io.plan import Tally
from tfrecord_io.records import FRAME_BYTES, GzipStream, frame

_GZIP_RATIO = 0.4
"""What compression leaves where no row is at hand to try."""
_ENOUGH_ROWS = 32
_ENOUGH_BYTES = 1 << 16
_ROWS_A_BLOCK = 1_024
_UNKNOWN_ROW = 100.0


@dataclass(frozen=True)
class Sizes:
    """Totals over rows of a sample; `ratio` is what compression leaves of the stored bytes."""

    rows: int
    stored: int
    source: int
    ratio: float


@dataclass(frozen=True)
class SizeModel:
    """Sizes in the sample, by class and in all."""

    classes: Mapping[Label, Sizes] = field(default_factory=dict)
    overall: Sizes | None = None

    @classmethod
    def measure(cls, source: Source, compression: str) -> SizeModel:
        """Encodes the source's sample, and reads some MB; nothing where rows themselves tell their sizes."""
        if not source.placed:
            return cls.told(compression)
        picked: list[Rows] = []
        found: dict[Label, int] = {}
        codes: list[IntArray] = []
        original: list[IntArray] = []
        for block in source.sample():
            keys = block.keys()
            some = _some(np.flatnonzero(keys.codes >= 0), block.positions)
            if not len(some):
                continue
            picked.append(block.pick(some))
            table = np.array([found.setdefault(label, len(found)) for label in keys.labels], np.int64)
            codes.append(table[keys.codes[some]])
            original.append(block.row_bytes[some] if block.row_bytes is not None else np.zeros(len(some), np.int64))
        if not picked:
            return cls()
        rows = type(picked[0]).join(picked).to_stored(np.ones(sum(map(len, picked))))
        payloads = source.serialize(rows.columns, rows.weights)
        code = np.concatenate(codes)[rows.good]
        text = np.concatenate(original)[rows.good]
        overall = _sizes(payloads, text, np.arange(len(code)), compression, 1.0)
        classes = {
            label: _sizes(payloads, text, np.flatnonzero(code == index), compression, overall.ratio)
            for label, index in found.items()
            if np.count_nonzero(code == index) >= _ENOUGH_ROWS
        }
        return cls(classes, overall)

    @classmethod
    def told(cls, compression: str) -> SizeModel:
        """For rows whose `row_bytes` are those of stored ones."""
        return cls(overall=Sizes(rows=1, stored=0, source=0, ratio=_GZIP_RATIO if compression == "gzip" else 1.0))

    def row_bytes(self, label: Label, tally: Tally) -> float:
        """Expected bytes of one stored row of a class, its TFRecord frame included.

        Stored rows are longer than their source by the names of their features, which is about
        the same for all rows; so that difference is added to the class's true mean length.
        """
        sizes = self.classes.get(label, self.overall)
        if sizes is None or not sizes.rows:
            return _UNKNOWN_ROW
        size = sizes.stored / sizes.rows
        if tally.bytes:
            size = max(FRAME_BYTES + 1.0, tally.bytes / tally.rows + (sizes.stored - sizes.source) / sizes.rows)
        return size * sizes.ratio


def _some(rows: IntArray, positions: UInt64Array) -> IntArray:
    """Some of the rows, in order: by a hash, so that no pattern in them counts."""
    if len(rows) <= _ROWS_A_BLOCK:
        return rows
    hashes = hashing.hash_positions(positions[rows], hashing.derive_keys(0, "draw"))
    return rows[np.sort(np.argsort(hashes, kind="stable")[:_ROWS_A_BLOCK])]


def _sizes(payloads: pa.LargeBinaryArray, source: IntArray, rows: IntArray, compression: str, ratio: float) -> Sizes:
    """Sizes of some rows of the sample; `ratio` stands where they are too few to compress."""
    chosen = payloads.take(pa.array(rows))
    stored = int(pc.sum(pc.binary_length(chosen)).as_py() or 0) + FRAME_BYTES * len(rows)
    if compression == "gzip" and stored >= _ENOUGH_BYTES:
        zipped = GzipStream()
        ratio = (len(zipped.add(frame(chosen))) + len(zipped.finish())) / stored
    return Sizes(len(rows), stored, int(source[rows].sum()), ratio)
