"""Rows of a PCollection on their way into the job: dicts and record batches to packed ones of some MB."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import apache_beam as beam
import pyarrow as pa
from apache_beam.metrics import Metrics
from apache_beam.transforms.window import GlobalWindow
from apache_beam.utils.windowed_value import WindowedValue

from beam_jobs.failures import reported
from beam_jobs.sources.batches import PackedRows, check_batch
from beam_jobs.sources.block import Part
from beam_jobs.sources.dict_rows import Misfit, to_batch
from tfrecord_io.errors import SourceError

_DICTS_AT_ONCE = 4_096


class PackRows(beam.DoFn):
    """Dicts or RecordBatches -> parts of PackedRows, about `size` bytes each, fewer only at the end of a bundle."""

    def __init__(self, schema: pa.Schema, size: int) -> None:
        self._schema = schema
        self._size = size
        self._rows = Metrics.counter("presample.pack", "rows_read")

    def start_bundle(self) -> None:
        """Nothing is carried over from another bundle."""
        self._dicts: list[Mapping[str, Any]] = []
        self._batches: list[pa.RecordBatch] = []
        self._misfits: list[Misfit] = []
        self._held = self._bytes = 0

    def process(self, element: object, _prepared: None) -> Iterator[Part]:
        """Takes one row, or one batch of them, once the output is known to be writable."""
        with reported():
            if isinstance(element, pa.RecordBatch):
                for batch in _pieces(check_batch(element, self._schema), self._size):
                    yield from self._add(batch)
            elif isinstance(element, Mapping):
                self._dicts.append(element)
                if len(self._dicts) == _DICTS_AT_ONCE:
                    yield from self._convert()
            else:
                raise SourceError(
                    f"Presample takes a PCollection of dicts or of pyarrow RecordBatches; this one holds a "
                    f"{type(element).__name__}: {str(element)[:80]}. Convert its elements first."
                )

    def finish_bundle(self) -> Iterator[WindowedValue]:
        """Hands on what is left."""
        with reported():
            for packed in [*self._convert(), *self._flush()]:
                yield WindowedValue(packed, GlobalWindow().max_timestamp(), [GlobalWindow()])

    def _convert(self) -> Iterator[Part]:
        dicts, self._dicts = self._dicts, []
        if dicts:
            batch, misfits = to_batch(dicts, self._schema)
            self._misfits += [misfit.moved(self._held) for misfit in misfits]
            yield from self._add(batch)

    def _add(self, batch: pa.RecordBatch) -> Iterator[Part]:
        self._batches.append(batch)
        self._held += batch.num_rows
        self._bytes += batch.nbytes
        if self._bytes >= self._size:
            yield from self._flush()

    def _flush(self) -> Iterator[Part]:
        if self._held:
            self._rows.inc(self._held)
            yield (PackedRows.pack(self._batches, self._misfits),)
        self._batches, self._misfits, self._held, self._bytes = [], [], 0, 0


def _pieces(batch: pa.RecordBatch, size: int) -> Iterator[pa.RecordBatch]:
    """A batch in parts of about `size` bytes."""
    rows = max(1, batch.num_rows * size // max(1, batch.nbytes))
    for start in range(0, batch.num_rows, rows):
        yield batch.slice(start, rows)
