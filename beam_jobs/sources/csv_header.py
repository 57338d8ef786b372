"""What is known of CSV files before any pass: their header, and a sample of their lines."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence

import pyarrow as pa

from beam_jobs.sources.columns import suggest
from beam_jobs.sources.csv_lines import parse_lines
from beam_jobs.sources.csv_types import ColumnType, declared_type, infer_type
from beam_jobs.sources.declared import DeclaredField
from beam_jobs.sources.files import SourceFile, open_content
from beam_jobs.sources.text import line_blocks, split_lines
from tfrecord_io.errors import SourceError, UsageError

SAMPLE_RANGES = 64
SAMPLE_BYTES = 1 << 14
_BOM = b"\xef\xbb\xbf"
_MAX_HEADER = 16 << 20


def first_header(file: SourceFile) -> tuple[str, ...]:
    """The header of a file, read from it."""
    with open_content(file) as stream:
        return read_header(stream.readline(_MAX_HEADER), file)


def read_header(line: bytes, file: SourceFile) -> tuple[str, ...]:
    """Column names from a file's first line.

    Raises:
      SourceError: not UTF-8, or a name is empty or there twice.
    """
    try:
        text = line.removeprefix(_BOM).decode().rstrip("\r\n")
        names = next(csv.reader([text], strict=True), [])
    except (UnicodeDecodeError, csv.Error) as error:
        raise SourceError(
            f"{file.path}: its first line is no CSV header ({error}). If it is CSV, store it as UTF-8; if it is not, "
            "say what it is with --format."
        ) from error
    twice = sorted({name for name in names if names.count(name) > 1})
    if not names or "" in names or twice:
        what = f"names {', '.join(map(repr, twice))} twice" if twice else "has a column without a name"
        raise SourceError(f"{file.path}: its header {what}. Give each column a name of its own.")
    return tuple(names)


def check_header(found: Sequence[str], expected: Sequence[str], file: SourceFile, first: SourceFile) -> None:
    """Refuses a file whose columns differ from the first file's.

    Raises:
      SourceError: says which columns.
    """
    if tuple(found) == tuple(expected):
        return
    missing = [name for name in expected if name not in found]
    extra = [name for name in found if name not in expected]
    parts = [f"lacks {', '.join(missing)}"] * bool(missing) + [f"has {', '.join(extra)} besides"] * bool(extra)
    how = " and ".join(parts) or f"has them in another order ({', '.join(found)})"
    raise SourceError(
        f"{file.path}: its header differs from that of {first.path}: it {how}. All CSV files of one run need the "
        "same columns in the same order; run those that differ by themselves, or correct their header."
    )


def sample_places(files: Sequence[SourceFile]) -> Iterator[tuple[SourceFile, int, int]]:
    """(file, start, stop) of fixed ranges: 64 in all, spread over the first 64 files by name."""
    chosen = files[:SAMPLE_RANGES]
    each = SAMPLE_RANGES // len(chosen)
    for file in chosen:
        if file.gzip:
            yield file, 0, each * SAMPLE_BYTES
            continue
        count = min(each, -(-file.bytes // SAMPLE_BYTES))
        starts = [i * file.bytes // count for i in range(count)]
        for start, following in zip(starts, [*starts[1:], file.bytes], strict=True):
            yield file, start, min(start + SAMPLE_BYTES, following)


def column_types(
    files: Sequence[SourceFile],
    header: Sequence[str],
    declared: Sequence[DeclaredField],
    needed: Sequence[str],
) -> dict[str, ColumnType]:
    """The type of every column that is needed: declared in `--schema`, else inferred from the sample.

    Raises:
      UsageError: the schema names a column that is not there, or a list.
    """
    types: dict[str, ColumnType] = {}
    for field in declared:
        if field.name not in header:
            raise UsageError(
                f"--schema: column {field.name!r} is not in the header. {suggest(field.name, header)}"
                f"The columns are {', '.join(header)}."
            )
        types[field.name] = declared_type(field)
    unknown = [name for name in header if name in needed and name not in types]
    if unknown:
        texts = _sample_text(files, header, unknown)
        types |= {name: infer_type(texts.column(name).combine_chunks()) for name in unknown}
    return types


def _sample_text(files: Sequence[SourceFile], header: Sequence[str], names: Sequence[str]) -> pa.Table:
    wanted: dict[str, pa.DataType] = dict.fromkeys(names, pa.binary())
    tables = [pa.schema(list(wanted.items())).empty_table()]
    for file, start, stop in sample_places(files):
        for position, data in line_blocks(file, start, stop, stop - start):
            lines, _ = split_lines(data if position else data[data.find(b"\n") + 1 or len(data) :])
            tables.append(parse_lines(lines, header, wanted).table)
    return pa.concat_tables(tables)
