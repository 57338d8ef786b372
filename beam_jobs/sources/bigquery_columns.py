"""Which columns of a table or query are exported, and what they are declared as: BigQuery knows more than Parquet."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from beam_jobs.schema_json import parse_json
from beam_jobs.schema_remarks import Remarks
from beam_jobs.sources.bigquery_rows import ROW_BYTES
from beam_jobs.sources.bigquery_sql import ROW
from beam_jobs.sources.block import KeyColumns
from beam_jobs.sources.columns import Selection, check_columns, suggest
from beam_jobs.sources.declared import DeclaredField
from tfrecord_io.errors import SourceError, UsageError

Field = Mapping[str, Any]
"""A field as the API gives it: name, type, mode, and fields of a record."""

_RECORDS = ("RECORD", "STRUCT")
_RECORD_LIST = "REPEATED RECORD"
_SAID = ("name", "type", "mode", "fields")
_WAYS_OUT = {
    "JSON": "TO_JSON_STRING({0}) AS {0}",
    "INTERVAL": "CAST({0} AS STRING) AS {0}",
    "RANGE": "RANGE_START({0}) AS start, RANGE_END({0}) AS stop",
    _RECORD_LIST: "ARRAY(SELECT field FROM UNNEST({0})) AS {0}",
}
"""Types that an export to Parquet or an Example does not hold, and what does in a query."""


@dataclass(frozen=True)
class ExportedColumns:
    """What is exported.

    `names` are columns of the table; `declared` their fields, those of `--schema` first of all;
    `dropped` the fields among them that `--drop_columns` names.
    """

    names: tuple[str, ...]
    declared: tuple[DeclaredField, ...]
    dropped: tuple[str, ...]


def choose_columns(
    fields: Sequence[Field],
    name: str,
    keys: KeyColumns,
    weight_out: str,
    selection: Selection,
    declared: Sequence[DeclaredField],
    whole: bool,
) -> ExportedColumns:
    """Settles, before BigQuery reads anything, what it will be asked for.

    Args:
      fields: of the table or query.
      name: what to call it in errors.
      keys: the columns that pass 1 reads.
      weight_out: the weight column to write.
      selection: the columns to store.
      declared: the fields of `--schema`.
      whole: whether columns that nobody asks for are exported too, as those of a query are.

    Raises:
      SourceError: a column is not there, or of a type that cannot be exported.
      UsageError: `--schema` names a column that is not there.
    """
    found = {field["name"]: dict(_leaves(field, "")) for field in fields}
    leaves = [leaf for inner in found.values() for leaf in inner]
    dropped = [leaf for column in selection.dropped for leaf in found.get(column, [column])]
    stored = Selection(selection.columns, tuple(dropped))
    check_columns(keys, weight_out, leaves, name, stored)
    _refuse_own_names(found, name)
    _refuse_unknown(declared, leaves, name)
    read = {*stored.stored(leaves), *keys.names}
    names = [top for top, inner in found.items() if whole or read.intersection(inner)]
    exported = {leaf: kind for top in names for leaf, kind in found[top].items()}
    _refuse_types({leaf: kind for leaf, kind in exported.items() if kind in _WAYS_OUT}, name, whole)
    types = {field.name: field for field in _declared([field for field in fields if field["name"] in names])}
    _refuse_lists([column for column in keys.names if types[column].repeated], name)
    types |= {field.name: field for field in declared if field.name in exported}
    return ExportedColumns(tuple(names), tuple(types.values()), tuple(leaf for leaf in exported if leaf in dropped))


def _leaves(field: Field, prefix: str) -> Iterator[tuple[str, str]]:
    """The fields of a record by their paths, or the field itself: name and type."""
    name, kind = prefix + field["name"], field["type"].upper()
    if kind not in _RECORDS:
        yield name, kind
    elif field.get("mode", "").upper() == "REPEATED":
        yield name, _RECORD_LIST
    else:
        for inner in field["fields"]:
            yield from _leaves(inner, f"{name}.")


def _refuse_own_names(names: Collection[str], name: str) -> None:
    for column in names:
        if column.lower() in (ROW, ROW_BYTES):
            raise SourceError(f"{name}: column {column} has a name that the export uses. Rename it in a --query.")


def _refuse_unknown(declared: Sequence[DeclaredField], names: Sequence[str], name: str) -> None:
    for field in declared:
        if field.name not in names:
            raise UsageError(
                f"--schema: {name} has no column {field.name!r}. {suggest(field.name, names)}"
                f"Its columns are {', '.join(names)}."
            )


def _refuse_lists(names: Sequence[str], name: str) -> None:
    if names:
        raise SourceError(
            f"{name}: column {names[0]!r} is an ARRAY. A label, weight, split, id or --where column holds one value a "
            "row. Name another column."
        )


def _refuse_types(wrong: Mapping[str, str], name: str, query: bool) -> None:
    if not wrong:
        return
    listed = ", ".join(f"{column} ({kind})" for column, kind in wrong.items())
    column, kind = next(iter(wrong.items()))
    ways = "In the query, leave them out" if query else "Leave them out with --drop_columns"
    ways += " or write them" if query else ", or write them in a --query"
    raise SourceError(
        f"{name}: no mapping for {listed}. {ways} as what Examples hold: {_WAYS_OUT[kind].format(column)}."
    )


def _declared(fields: Sequence[Field]) -> list[DeclaredField]:
    """What the table says of its columns' types. Its defaults are for rows to insert, not for missing values."""
    return parse_json(json.dumps([_said(field) for field in fields]), "the table's schema", Remarks())


def _said(field: Field) -> dict[str, Any]:
    said = {key: field[key] for key in _SAID if key in field}
    return said | {"fields": [_said(inner) for inner in field["fields"]]} if "fields" in field else said
