"""Sources: CSV, Parquet and TFRecord files as blocks of rows."""

from __future__ import annotations

import functools
import logging
from collections.abc import Sequence
from dataclasses import replace

from beam_jobs.options import PresampleOptions
from beam_jobs.sources.bigquery_rows import Export, open_export
from beam_jobs.sources.block import KeyColumns, Source
from beam_jobs.sources.columns import Selection, check_columns, check_types, refuse_key_defaults
from beam_jobs.sources.csv import CsvSource
from beam_jobs.sources.csv_compared import compared_type
from beam_jobs.sources.csv_framing import LINES, RECORDS
from beam_jobs.sources.csv_header import column_types, first_header, refuse_other_separators, sample_places
from beam_jobs.sources.csv_types import to_label
from beam_jobs.sources.declared import DeclaredField
from beam_jobs.sources.files import SourceFile, heads, is_gzip, match_files, open_content, read_fully
from beam_jobs.sources.label_table import LabelTable
from beam_jobs.sources.parquet import open_parquet
from beam_jobs.sources.tfrecord import open_tfrecord
from beam_jobs.sources.tfrecord_files import looks_like_tfrecord
from beam_jobs.split_time import parse_split_time
from beam_jobs.where import Where
from tfrecord_io.errors import SourceError, UsageError

__all__ = ["Source", "key_columns", "open_source"]

_HEAD_BYTES = 12
_LARGE_GZIP = 10**9
_LOG = logging.getLogger("presample")
_TINY_GZIP = 1_000
"""Bytes below which a gzip file may have nothing in it; its header can hold a name and a comment."""


def open_source(options: PresampleOptions, declared: Sequence[DeclaredField], export: Export | None = None) -> Source:
    """Finds the files, their format and their columns. Reads a sample, the same in each run.

    Args:
      options: what to read.
      declared: the fields of `--schema`.
      export: the files of a table or query, where `options` name one.

    Raises:
      SourceError: no file, no such column, or files that do not fit together.
    """
    keys, selection = key_columns(options), Selection(options.columns, options.drop_columns)
    refuse_key_defaults(keys, declared)
    if export is not None:
        return open_export(export, keys, options.weight_out, declared, selection)
    files = match_files(options.input)
    starts = heads(files, _HEAD_BYTES)
    files = [replace(file, gzip=is_gzip(start)) for file, start in zip(files, starts, strict=True)]
    files, starts = _without_empty_gzip(files, starts)
    kind = options.format
    if kind == "auto":
        kind = detect_format(files[0])
        _refuse_mixture(files, starts, kind)
    if options.quoted_newlines and kind != "csv":
        raise UsageError(f"--quoted_newlines is for CSV; the input is {kind}. Leave it out.")
    if kind == "parquet":
        return open_parquet(files, keys, options.weight_out, declared, selection)
    if kind == "tfrecord":
        return open_tfrecord(files, keys, options.weight_out, declared, options.block_size, selection)
    for file in files:
        if file.gzip and file.bytes > _LARGE_GZIP:
            _LOG.warning(
                "%s is gzip of %.1f GB: only one worker can read it, from the start. Several smaller files, "
                "or Parquet, would be read in parallel.",
                file.path,
                file.bytes / 1e9,
            )
    return _open_csv(options, files, keys, selection, declared)


def _open_csv(
    options: PresampleOptions,
    files: list[SourceFile],
    keys: KeyColumns,
    selection: Selection,
    declared: Sequence[DeclaredField],
) -> CsvSource:
    framing = RECORDS if options.quoted_newlines else LINES
    header = first_header(files[0], framing)
    refuse_other_separators(header, options.label, files[0])
    check_columns(keys, options.weight_out, header, files[0].path, selection)
    sample = tuple(sample_places(files, framing))
    types = column_types(sample, framing, header, declared, [*selection.stored(header), *keys.names])
    check_types(keys, {name: compared_type(kind) for name, kind in types.items()})
    labels = LabelTable(functools.partial(to_label, kind=types[options.label]))
    return CsvSource(
        files, header, types, keys, options.weight_out, options.block_size, labels, sample, selection, framing
    )


def key_columns(options: PresampleOptions) -> KeyColumns:
    """The columns that pass 1 reads."""
    time = parse_split_time(options.split_time) if options.split_time is not None else None
    where = Where(options.where) if options.where is not None else None
    return KeyColumns(options.label, options.weight_in, options.split_by, options.row_id, time, where)


def _without_empty_gzip(files: list[SourceFile], heads: list[bytes]) -> tuple[list[SourceFile], list[bytes]]:
    """Leaves out gzip files with nothing in them, as empty plain files are."""
    filled = []
    for file, start in zip(files, heads, strict=True):
        if file.gzip and file.bytes < _TINY_GZIP:
            with open_content(file) as stream:
                if not stream.read(1):
                    continue
        filled.append((file, start))
    if not filled:
        raise SourceError(f"{files[0].path}: all {len(files)} matching files are empty (gzip of 0 bytes).")
    return [file for file, _ in filled], [start for _, start in filled]


def detect_format(file: SourceFile) -> str:
    """csv, parquet or tfrecord, by what the file starts with."""
    with open_content(file, seeks=True) as stream:
        return _format_of(read_fully(stream, _HEAD_BYTES), file.path)


def _format_of(start: bytes, path: str) -> str:
    """By the first bytes; by the name where they are of no format that has any, so that a damaged file is named so."""
    if start[:4] == b"PAR1":
        return "parquet"
    if looks_like_tfrecord(start) or path.removesuffix(".gz").endswith((".tfrecord", ".tfrecords")):
        return "tfrecord"
    return "parquet" if path.endswith(".parquet") else "csv"


def _refuse_mixture(files: Sequence[SourceFile], heads: Sequence[bytes], kind: str) -> None:
    for file, start in zip(files, heads, strict=True):
        found = kind if file.gzip else _format_of(start, file.path)
        if found != kind:
            raise SourceError(
                f"{file.path} looks like {found}, {files[0].path} like {kind}. Run each format by itself, or say what "
                "they all are with --format."
            )
