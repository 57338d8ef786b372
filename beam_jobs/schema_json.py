"""`--schema` as JSON: BigQuery's list of fields, with `length`, `required` and `default` besides."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from beam_jobs.schema_remarks import Remarks
from beam_jobs.sources.declared import DeclaredField, Default, default_from_json
from tfrecord_io.errors import UsageError

_USED = {"name", "type", "mode", "fields", "length", "required", "default", "defaultValueExpression"}
_WORDS = {"description", "policyTags", "categories"}
"""Keys that say nothing about values."""

_MODES = ("NULLABLE", "REQUIRED", "REPEATED")
_RECORDS = ("RECORD", "STRUCT")
_TEXT = re.compile(r"""^(?:(?:DATE|TIME|DATETIME|TIMESTAMP)\s*)?(?:'([^'\\]*)'|"([^"\\]*)")$""", re.IGNORECASE)
_NUMBER = re.compile(r"^-?[0-9]+(\.[0-9]*)?([eE][+-]?[0-9]+)?$")


def parse_json(text: str, name: str, remarks: Remarks) -> list[DeclaredField]:
    """The fields of a JSON list, or of an object with such a list as its `fields`; records taken apart.

    Args:
      text: the JSON.
      name: what to call it in errors.
      remarks: what is in it and not used is added here.

    Raises:
      UsageError: no such JSON, or a field that contradicts itself.
    """
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{name} is not valid JSON ({error}). Correct it there.") from error
    if isinstance(fields, dict) and "name" not in fields:
        fields = fields.get("fields")
    if not _is_list_of_fields(fields):
        raise UsageError(
            f'{name} must be a JSON list like [{{"name": "age", "type": "INTEGER", "mode": "NULLABLE"}}]; '
            "each entry has a name and a type."
        )
    return [found for field in fields for found in _flat(field, "", True, remarks)]


def _is_list_of_fields(fields: object) -> bool:
    return isinstance(fields, list) and all(
        isinstance(f, dict) and isinstance(f.get("name"), str) and isinstance(f.get("type"), str) for f in fields
    )


def _flat(field: Mapping[str, Any], prefix: str, required: bool, remarks: Remarks) -> Iterator[DeclaredField]:
    """The field, or the fields of a record, named by their paths; `required`: whether the records around it are."""
    name, kind = prefix + field["name"], field["type"].upper()
    mode = _mode(field, name)
    for key in sorted(set(field) - _USED - _WORDS):
        remarks.add(key, name)
    if kind not in _RECORDS:
        yield _field(field, name, kind, mode, required, remarks)
        return
    if mode == "REPEATED":
        raise UsageError(
            f"--schema: column {name!r} is a list of records, which Examples cannot hold. Leave it out of the schema, "
            "and of the dataset with --drop_columns."
        )
    if not _is_list_of_fields(field.get("fields")):
        raise UsageError(f"--schema: column {name!r} is a {kind} without fields. List them, each with a name and type.")
    for inner in field["fields"]:
        yield from _flat(inner, f"{name}.", required and mode == "REQUIRED", remarks)


def _mode(field: Mapping[str, Any], name: str) -> str | None:
    mode = field.get("mode")
    if mode is None:
        return None
    if not isinstance(mode, str) or mode.upper() not in _MODES:
        raise UsageError(f"--schema: column {name!r} has mode {mode}; it must be NULLABLE, REQUIRED or REPEATED.")
    return mode.upper()


def _field(
    field: Mapping[str, Any], name: str, kind: str, mode: str | None, outer: bool, remarks: Remarks
) -> DeclaredField:
    length, required = field.get("length"), field.get("required", False)
    if not isinstance(required, bool):
        raise UsageError(f"--schema: column {name!r} has required {required!r}; it must be true or false.")
    if length is not None and (isinstance(length, bool) or not isinstance(length, int)):
        raise UsageError(f"--schema: column {name!r} has length {length!r}; it must be a whole number of values.")
    required = required or mode == "REQUIRED"
    if required and not outer:
        remarks.add("REQUIRED inside records that may be missing", name)
    repeated = None if mode is None else mode == "REPEATED"
    return DeclaredField(
        name=name,
        type=kind,
        required=required and outer,
        repeated=None if length is not None and not repeated else repeated,
        length=length,
        default=_default(field, name, remarks),
    )


def _default(field: Mapping[str, Any], name: str, remarks: Remarks) -> Default | None:
    """`default`, or `defaultValueExpression` where that is a plain literal."""
    if field.get("default") is not None:
        try:
            return default_from_json(field["default"])
        except ValueError as error:
            raise UsageError(f"--schema: column {name!r}: the default {error}.") from error
    expression = str(field.get("defaultValueExpression") or "NULL").strip()
    if expression.upper() in ("TRUE", "FALSE", "NULL"):
        return {"TRUE": True, "FALSE": False, "NULL": None}[expression.upper()]
    if _NUMBER.match(expression):
        number: int | float = json.loads(expression) if "." not in expression else float(expression)
        return number
    text = _TEXT.match(expression)
    if text is None:
        remarks.add("defaultValueExpression that is no plain value", name)
        return None
    return text[1] if text[1] is not None else text[2]
