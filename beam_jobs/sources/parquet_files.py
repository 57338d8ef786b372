"""Opening Parquet files, and reading row groups some columns and some rows at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa
import pyarrow.parquet as pq

from beam_jobs.sources.files import SourceFile, open_raw
from beam_jobs.sources.parquet_columns import flatten
from tfrecord_io.errors import SourceError


@contextmanager
def open_file(file: SourceFile) -> Iterator[pq.ParquetFile]:
    """Opens a file and reads its footer.

    Raises:
      SourceError: it is no whole Parquet file.
    """
    with open_raw(file) as stream:
        try:
            parquet = pq.ParquetFile(stream, pre_buffer=False)
        except (OSError, pa.ArrowException) as error:
            raise _damaged(file, error) from error
        yield parquet


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


def _damaged(file: SourceFile, error: Exception) -> SourceError:
    why = " ".join(str(error).split()).rstrip(".")
    return SourceError(f"{file.path} is no whole Parquet file ({why}). It may have been cut short; copy it anew.")
