"""Sources: CSV, Parquet and TFRecord files as blocks of rows."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from beam_jobs.options import PresampleOptions, load_schema_text
from beam_jobs.sources.block import KeyColumns, Source, check_columns
from beam_jobs.sources.csv import CsvSource
from beam_jobs.sources.csv_header import column_types, first_header
from beam_jobs.sources.files import SourceFile, head, is_gzip, match_files, open_content, read_fully
from beam_jobs.sources.parquet import open_parquet
from beam_jobs.sources.tfrecord import looks_like_tfrecord, open_tfrecord
from tfrecord_io.errors import UsageError

__all__ = ["Source", "open_source", "read_schema"]


def open_source(options: PresampleOptions, declared: Sequence[dict[str, Any]]) -> Source:
    """Finds the files, their format and their columns. Reads a sample, the same in each run.

    Raises:
      SourceError: no file, no such column, or files that do not fit together.
    """
    files = match_files(options.input)
    heads = [head(file, 2) for file in files]
    files = [replace(file, gzip=is_gzip(start)) for file, start in zip(files, heads, strict=True)]
    keys = KeyColumns(options.label, options.weight_in, options.split_by, options.row_id)
    kind = detect_format(files[0]) if options.format == "auto" else options.format
    if kind == "parquet":
        return open_parquet(files, keys, options.weight_out, declared)
    if kind == "tfrecord":
        return open_tfrecord(files, keys, options.weight_out, declared, options.block_size)
    header = first_header(files[0])
    check_columns(keys, options.weight_out, header, files[0].path)
    return CsvSource(files, header, column_types(files, header, declared), keys, options.weight_out, options.block_size)


def read_schema(schema: str | None) -> Sequence[dict[str, Any]]:
    """The fields that `--schema` declares: a file's, or given as JSON.

    Raises:
      UsageError: unreadable, or no such JSON.
    """
    if schema is None:
        return []
    if schema.lstrip().startswith(("[", "{")):
        return load_schema_text(schema)
    try:
        return load_schema_text(Path(schema).read_text(), f"--schema {schema}")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or error
        raise UsageError(
            f"--schema {schema!r} cannot be read: {why}. Give it a JSON file, or the JSON list itself."
        ) from error


def detect_format(file: SourceFile) -> str:
    """csv, parquet or tfrecord, by what the file starts with."""
    with open_content(file) as stream:
        start = read_fully(stream, 12)
    if start[:4] == b"PAR1":
        return "parquet"
    return "tfrecord" if looks_like_tfrecord(start) else "csv"


def content_of(declared: Sequence[dict[str, Any]]) -> str | None:
    """The declared fields as the manifest keeps them."""
    return json.dumps(declared, sort_keys=True) if declared else None
