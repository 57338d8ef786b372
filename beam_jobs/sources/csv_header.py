"""What is known of CSV files before any pass: their header, and a sample of their lines."""

from __future__ import annotations

import csv
import functools
import io
from collections.abc import Iterator, Sequence

import pyarrow as pa

from beam_jobs.ordered import ordered_map
from beam_jobs.sources.columns import suggest
from beam_jobs.sources.csv_framing import HEADER_LIMIT, Framing
from beam_jobs.sources.csv_lines import parse_lines
from beam_jobs.sources.csv_types import ColumnType, declared_type, infer_type
from beam_jobs.sources.declared import DeclaredField
from beam_jobs.sources.files import SourceFile, at_once, open_content
from tfrecord_io.errors import SourceError, UsageError

SAMPLE_RANGES = 64
SAMPLE_BYTES = 1 << 14
_BOM = b"\xef\xbb\xbf"
_OTHER_SEPARATORS = {";": "';'", "\t": "tabs", "|": "'|'"}


def first_header(file: SourceFile, framing: Framing) -> tuple[str, ...]:
    """The header of a file, read from it."""
    with open_content(file, seeks=True) as stream:
        return read_header(framing.header(stream), file)


def read_header(line: bytes, file: SourceFile) -> tuple[str, ...]:
    """Column names from a file's first line.

    Raises:
      SourceError: too long, not UTF-8, or a name is empty or there twice.
    """
    try:
        if len(line) > HEADER_LIMIT:
            raise csv.Error(f"it has more than {HEADER_LIMIT >> 20} MB")
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


def refuse_other_separators(header: Sequence[str], label: str, file: SourceFile) -> None:
    """Refuses a header without the label that looks like columns with another separator between them.

    Raises:
      SourceError: names the separator.
    """
    found = [name for character, name in _OTHER_SEPARATORS.items() if character in header[0]]
    if len(header) == 1 and found and label != header[0]:
        raise SourceError(
            f"{file.path}: its header is one column, {header[0]!r}. Are its fields separated by {found[0]}? presample "
            "reads commas: write the file with commas."
        )


def sample_places(files: Sequence[SourceFile], framing: Framing) -> Iterator[tuple[SourceFile, int, int]]:
    """(file, start, stop) of fixed ranges: 64 in all, spread over the first 64 files by name.

    With quotes across lines, these files are read up to the last range, to count the quotes before it.
    """
    chosen = files[:SAMPLE_RANGES]
    each = SAMPLE_RANGES // len(chosen)
    for file in chosen:
        if file.gzip:
            yield file, 0, each * SAMPLE_BYTES
            continue
        count = min(each, -(-file.bytes // SAMPLE_BYTES))
        starts = [i * file.bytes // count for i in range(count)]
        following = [*starts[1:], file.bytes]
        for start, first, end in zip(starts, framing.starts(file, starts), following, strict=True):
            yield file, first, min(start + SAMPLE_BYTES, end)


def column_types(
    sample: Sequence[tuple[SourceFile, int, int]],
    framing: Framing,
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
        texts = _sample_text(sample, framing, header, unknown)
        types |= {name: infer_type(texts.column(name).combine_chunks()) for name in unknown}
    return types


def _sample_text(
    sample: Sequence[tuple[SourceFile, int, int]], framing: Framing, header: Sequence[str], names: Sequence[str]
) -> pa.Table:
    wanted: dict[str, pa.DataType] = dict.fromkeys(names, pa.binary())
    tables = [pa.schema(list(wanted.items())).empty_table()]
    for file, blocks in ordered_map(
        functools.partial(_read, framing), sample, at_once([file for file, _, _ in sample])
    ):
        for position, data in blocks:
            header_bytes = 0 if position else len(framing.header(io.BytesIO(data)))
            lines, _ = framing.split(file, data[header_bytes:])
            tables.append(parse_lines(lines, header, wanted).table)
    return pa.concat_tables(tables)


def _read(framing: Framing, place: tuple[SourceFile, int, int]) -> tuple[SourceFile, list[tuple[int, bytes]]]:
    file, start, stop = place
    return file, list(framing.blocks(file, start, stop, stop - start))
