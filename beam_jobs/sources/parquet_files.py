"""Opening Parquet files, and reading row groups some columns and some rows at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq

from beam_jobs.sources.files import SourceFile, open_raw
from beam_jobs.sources.parquet_columns import flatten
from tfrecord_io.errors import SourceError

_SAMPLE_BUFFER = 1 << 20
"""About as much as a page; where each read is a request, they take longer than their bytes."""


@contextmanager
def open_file(file: SourceFile, sample: bool = False) -> Iterator[pq.ParquetFile]:
    """Opens a file and reads its footer; of the columns of a `sample`, then no more than the pages that are asked for.

    Raises:
      SourceError: it is no whole Parquet file.
    """
    with open_raw(file, seeks=True) as stream:
        try:
            # Ahead and together where each read is a request; on a disk that gains nothing.
            ahead = file.is_remote and not sample
            parquet = pq.ParquetFile(stream, pre_buffer=ahead, buffer_size=_SAMPLE_BUFFER if sample else 0)
        except (OSError, pa.ArrowException) as error:
            raise _damaged(file, error) from error
        yield parquet


@dataclass(frozen=True)
class Layout:
    """How a file is stored: bytes of a row group, and the share of them that some columns take."""

    group_bytes: float = 1.0
    share: float = 1.0

    @classmethod
    def of(cls, metadata: pq.FileMetaData, names: list[str]) -> Layout:
        """By the footer of a file, for columns of its top level."""
        taken, total = 0, 0
        for group in map(metadata.row_group, range(metadata.num_row_groups)):
            for column in map(group.column, range(group.num_columns)):
                total += column.total_compressed_size
                taken += column.total_compressed_size * (column.path_in_schema.split(".")[0] in names)
        return cls(total / max(1, metadata.num_row_groups), taken / total if total else 1.0)


class RowGroup:
    """Batches of a row group, column set by column set, in the order in which they are asked for."""

    def __init__(self, parquet: pq.ParquetFile, group: int, batch_rows: int, file: SourceFile) -> None:
        self._parquet, self._group, self._batch_rows, self._file = parquet, group, batch_rows, file
        self._readers: dict[tuple[str, ...], tuple[int, pa.RecordBatch | None, Iterator[pa.RecordBatch]]] = {}

    def read(self, names: list[str], index: int) -> pa.RecordBatch:
        """Some columns of the batch of that index; indices of one column set must not fall.

        For one thread at a time, and only while the file is open.
        """
        columns = tuple(dict.fromkeys(names))
        for at, read, _ in self._readers.values():
            if at == index and read is not None and set(columns).issubset(read.schema.names):
                return flatten(read, columns)
        if columns not in self._readers:
            batches = self._parquet.iter_batches(
                self._batch_rows, row_groups=[self._group], columns=list(columns), use_threads=True
            )
            self._readers[columns] = (-1, None, batches)
        last, batch, reader = self._readers[columns]
        try:
            for _ in range(index - last):
                batch = flatten(next(reader), columns)
        except (OSError, pa.ArrowException, StopIteration) as error:
            raise _damaged(self._file, error) from error
        self._readers[columns] = (index, batch, reader)
        return batch


class LoadedRows:
    """The first batches of a row group, in memory: a RowGroup that needs no open file."""

    def __init__(self, group: RowGroup, names: list[str], batches: int) -> None:
        self._batches = [group.read(names, index) for index in range(batches)]

    def read(self, names: list[str], index: int) -> pa.RecordBatch:
        """Some columns of the batch of that index."""
        return self._batches[index].select(list(dict.fromkeys(names)))


def _damaged(file: SourceFile, error: Exception) -> SourceError:
    why = " ".join(str(error).split()).rstrip(".")
    return SourceError(f"{file.path} is no whole Parquet file ({why}). It may have been cut short; copy it anew.")
