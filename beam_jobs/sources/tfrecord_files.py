"""Reading TFRecord files: blocks of records, and a sample of them; damage as the source's error."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from beam_jobs.sources.files import SourceFile, open_content, read_fully
from tfrecord_io.errors import CorruptShardError, SourceError
from tfrecord_io.record_blocks import RecordBlock, record_blocks
from tfrecord_io.records import masked_crc32c

SAMPLE_FILES = 64
SAMPLE_RECORDS = 4_096
SAMPLE_BYTES = 1 << 26
SAMPLE_BLOCK = 1 << 20


def looks_like_tfrecord(start: bytes) -> bool:
    """Whether a file that starts like this holds a TFRecord: the CRC of the first length matches."""
    return len(start) == 12 and masked_crc32c(start[:8]) == int.from_bytes(start[8:], "little")


def read_records(file: SourceFile, block_size: int) -> Iterator[RecordBlock]:
    """The records of a file.

    Raises:
      SourceError: the file is damaged.
    """
    with open_content(file) as stream, damage_as_source_error():
        yield from record_blocks(functools.partial(read_fully, stream), file.path, block_size)


def sample_records(files: Sequence[SourceFile]) -> Iterator[tuple[SourceFile, RecordBlock]]:
    """The first records of the first files, whatever the block size."""
    files = files[:SAMPLE_FILES]
    for file in files:
        left, room = max(1, SAMPLE_RECORDS // len(files)), SAMPLE_BYTES // len(files)
        for records in read_records(file, SAMPLE_BLOCK):
            some = records.head(left)
            with damage_as_source_error():
                some.check()
            yield file, some
            left -= len(some)
            room -= len(records.data)
            if left <= 0 or room <= 0:
                break


@contextmanager
def damage_as_source_error() -> Iterator[None]:
    """Turns the error for damaged records into the one for sources."""
    try:
        yield
    except CorruptShardError as error:
        raise SourceError(str(error)) from error
