"""Reads `--schema`: a file or the text itself, JSON or TensorFlow Metadata, to declared fields."""

from __future__ import annotations

import errno
import json
import logging
from collections.abc import Sequence
from pathlib import Path

from apache_beam.io.filesystem import BeamIOError, CompressionTypes
from apache_beam.io.filesystems import FileSystems

from beam_jobs.schema_json import parse_json
from beam_jobs.schema_remarks import Remarks
from beam_jobs.schema_tfmd import parse_tfmd
from beam_jobs.sources.declared import DeclaredField
from tfrecord_io.errors import UsageError

_BINARY = (".pb", ".binarypb")
_LOG = logging.getLogger("presample")


def read_schema(schema: str | None) -> Sequence[DeclaredField]:
    """The fields that `--schema` declares. Warns, once, of what it says that the job does not use.

    Args:
      schema: a path, local or gs://, or JSON.

    Raises:
      UsageError: unreadable, in no known form, or a column that is declared twice or in no way that can be.
    """
    if schema is None:
        return []
    remarks = Remarks()
    fields = _parse(schema, remarks)
    twice = sorted({field.name for field in fields if [other.name for other in fields].count(field.name) > 1})
    if twice:
        raise UsageError(f"--schema names column {twice[0]!r} twice. Give each one type.")
    if remarks.unused:
        _LOG.warning("--schema: these statements are not used: %s. The rest of it is.", remarks)
    return fields


def content_of(declared: Sequence[DeclaredField]) -> str | None:
    """The declared fields as the manifest keeps them: JSON that `read_schema` takes, whatever they were read from."""
    return json.dumps([field.to_json() for field in declared], sort_keys=True) if declared else None


def _parse(schema: str, remarks: Remarks) -> list[DeclaredField]:
    if schema.lstrip().startswith(("[", "{")):
        return parse_json(schema, "--schema", remarks)
    name = f"--schema {schema}"
    content = _read(schema)
    if schema.endswith(_BINARY):
        return parse_tfmd(content, True, name, remarks)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _unreadable(schema, error) from error
    if schema.endswith(".json") or text.lstrip().startswith(("[", "{")):
        return parse_json(text, name, remarks)
    return parse_tfmd(text.encode(), False, name, remarks)


def _read(path: str) -> bytes:
    try:
        if "://" not in path:
            return Path(path).read_bytes()
        if not FileSystems.exists(path):
            raise FileNotFoundError(errno.ENOENT, "there is no such file", path)
        with FileSystems.open(path, compression_type=CompressionTypes.UNCOMPRESSED) as file:
            content: bytes = file.read()
            return content
    except (OSError, ValueError, BeamIOError) as error:
        raise _unreadable(path, error) from error


def _unreadable(path: str, error: Exception) -> UsageError:
    why = getattr(error, "strerror", None) or error
    return UsageError(
        f"--schema {path!r} cannot be read: {why}. Give it a JSON file, a schema.pbtxt, or the JSON list itself."
    )
