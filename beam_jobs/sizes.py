"""How large a stored row of each class will be, estimated from the source's fixed sample.

The sample does not depend on block sizes or workers, so neither do the numbers of shards.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow.compute as pc

from beam_jobs.sources.block import Source
from tfrecord_io.labels import Label
from tfrecord_io.plan import Tally
from tfrecord_io.records import FRAME_BYTES

_ENOUGH_ROWS = 32
_UNKNOWN_ROW = 100.0


@dataclass
class _Sizes:
    rows: int = 0
    stored: int = 0
    source: int = 0

    def add(self, rows: int, stored: int, source: int) -> None:
        self.rows += rows
        self.stored += stored
        self.source += source


@dataclass(frozen=True)
class SizeModel:
    """Bytes of rows in the sample, by class and in all."""

    classes: Mapping[Label, _Sizes] = field(default_factory=dict)
    overall: _Sizes = field(default_factory=_Sizes)

    @classmethod
    def measure(cls, source: Source) -> SizeModel:
        """Encodes the source's sample. Reads some MB."""
        classes: dict[Label, _Sizes] = {}
        overall = _Sizes()
        for block in source.sample():
            keys = block.keys()
            rows = np.flatnonzero(keys.codes >= 0)
            encoded = block.pick(rows).encode(np.ones(len(rows)))
            rows = rows[encoded.good]
            stored = pc.binary_length(encoded.payloads).to_numpy(zero_copy_only=False) + FRAME_BYTES
            original = block.row_bytes[rows] if block.row_bytes is not None else np.zeros(len(rows), np.int64)
            codes = keys.codes[rows]
            for code in np.unique(codes).tolist():
                here = codes == code
                part = (int(here.sum()), int(stored[here].sum()), int(original[here].sum()))
                classes.setdefault(keys.labels[code], _Sizes()).add(*part)
                overall.add(*part)
        return cls(classes, overall)

    def row_bytes(self, label: Label, tally: Tally) -> float:
        """Expected bytes of one stored row of a class, its TFRecord frame included.

        Stored rows are longer than their source by the names of their features, which is about
        the same for all rows; so that difference is added to the class's true mean length.
        """
        sizes = self.classes.get(label, self.overall)
        if sizes.rows < _ENOUGH_ROWS:
            sizes = self.overall
        if not sizes.rows:
            return _UNKNOWN_ROW
        if not tally.bytes:
            return sizes.stored / sizes.rows
        return max(FRAME_BYTES + 1.0, tally.bytes / tally.rows + (sizes.stored - sizes.source) / sizes.rows)
