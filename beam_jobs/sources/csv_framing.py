"""Where a CSV record ends: at the end of its line, or with `--quoted_newlines` where its quotes allow."""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from typing import BinaryIO

from beam_jobs.sources.block import IntArray, Range
from beam_jobs.sources.csv_records import (
    QuoteFaultError,
    first_fault,
    read_record,
    record_blocks,
    record_starts,
    split_records,
)
from beam_jobs.sources.files import SourceFile
from beam_jobs.sources.text import WHOLE_FILE, Lines, line_blocks, split_lines

BLOCKS_A_RANGE = 16
HEADER_LIMIT = 16 << 20


class Framing(ABC):
    """How files are cut into ranges, ranges into blocks, and blocks into records."""

    def ranges(self, file: SourceFile, index: int, block_size: int) -> Iterator[Range]:
        """Cuts a plain file every few blocks; gzip can only be read as one range."""
        if file.gzip:
            yield Range(index, 0, WHOLE_FILE)
            return
        starts = [*self.starts(file, range(0, file.bytes, BLOCKS_A_RANGE * block_size)), file.bytes]
        for start, stop in itertools.pairwise(starts):
            if start < stop:
                yield Range(index, start, stop)

    @abstractmethod
    def starts(self, file: SourceFile, places: Iterable[int]) -> Iterable[int]:
        """Where `blocks` may begin so that it finds the first record at or after each place [n]."""

    @abstractmethod
    def blocks(self, file: SourceFile, start: int, stop: int, block_size: int) -> Iterator[tuple[int, bytes]]:
        """The records that start in [start, stop), as (position, some MB of whole records)."""

    @abstractmethod
    def split(self, file: SourceFile, data: bytes) -> tuple[Lines, IntArray]:
        """The records of a block of the file, and the offset at which each one starts.

        Raises:
          SourceError: quotes across lines are allowed, and one is out of place.
        """

    @abstractmethod
    def header(self, stream: BinaryIO) -> bytes:
        """The first record of a file, its newline included; of one that is too long to be a header, a part."""


class _Lines(Framing):
    def starts(self, file: SourceFile, places: Iterable[int]) -> Iterable[int]:
        return places

    def blocks(self, file: SourceFile, start: int, stop: int, block_size: int) -> Iterator[tuple[int, bytes]]:
        return line_blocks(file, start, stop, block_size)

    def split(self, file: SourceFile, data: bytes) -> tuple[Lines, IntArray]:
        return split_lines(data)

    def header(self, stream: BinaryIO) -> bytes:
        return stream.readline(HEADER_LIMIT + 1)


class _Records(Framing):
    def starts(self, file: SourceFile, places: Iterable[int]) -> Iterable[int]:
        return record_starts(file, places)

    def blocks(self, file: SourceFile, start: int, stop: int, block_size: int) -> Iterator[tuple[int, bytes]]:
        return record_blocks(file, start, stop, block_size)

    def split(self, file: SourceFile, data: bytes) -> tuple[Lines, IntArray]:
        try:
            return split_records(data)
        except QuoteFaultError:
            raise first_fault(file) from None

    def header(self, stream: BinaryIO) -> bytes:
        return read_record(stream)


LINES: Framing = _Lines()
RECORDS: Framing = _Records()
