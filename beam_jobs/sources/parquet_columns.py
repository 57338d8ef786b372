"""Which columns of a Parquet schema are stored, and how: by their own types, or as `--schema` declares them.

A field of a nested column is a column of its own once `--schema` declares any of them: `address.city`.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from beam_jobs.sources.arrow_types import ArrowColumn, is_list, natural_dtype, value_type
from beam_jobs.sources.columns import suggest
from beam_jobs.sources.declared import DeclaredField
from tfrecord_io.errors import SourceError, UsageError


def column_types(schema: pa.Schema, names: Collection[str]) -> dict[str, pa.DataType]:
    """The columns of a file: name -> type.

    Args:
      schema: the file's.
      names: columns asked for; a nested column of which some field is among them is taken apart.
    """
    found: dict[str, pa.DataType] = {}
    for field in schema:
        fields = dict(_leaves(field.name, field.type))
        apart = pa.types.is_struct(field.type) and any(name in fields for name in names if name not in schema.names)
        found |= {n: t for n, t in fields.items() if n not in schema.names} if apart else {field.name: field.type}
    return found


def flatten(batch: pa.RecordBatch, names: Sequence[str]) -> pa.RecordBatch:
    """The columns of these names, and no others; fields of nested columns by their paths."""
    return pa.RecordBatch.from_arrays([_column(batch, name) for name in names], names=list(names))


def map_columns(
    schema: pa.Schema, declared: Sequence[DeclaredField], path: str, wanted: Collection[str] | None = None
) -> dict[str, ArrowColumn]:
    """How each column of a Parquet schema is stored.

    Args:
      schema: the file's.
      declared: the fields of `--schema`.
      path: the file, for errors.
      wanted: the columns that are stored or read; None = all. The others need no mapping.

    Raises:
      UsageError: `--schema` names a column that is not there, or contradicts the type it has.
      SourceError: a column has a type without a mapping.
    """
    fields = {field.name: field for field in declared}
    types = column_types(schema, fields)
    for name in fields:
        if name not in types:
            raise UsageError(
                f"--schema: {path} has no column {name!r}. {suggest(name, list(types))}"
                f"Its columns are {', '.join(types)}."
            )
    columns: dict[str, ArrowColumn] = {}
    unknown: dict[str, pa.DataType] = {}
    for name, kind in types.items():
        if wanted is not None and name not in wanted:
            continue
        natural = natural_dtype(value_type(kind)) if name in schema.names else None
        if name in fields:
            columns[name] = _declared_column(fields[name], kind)
        elif natural:
            shape = [kind.list_size] if pa.types.is_fixed_size_list(kind) else None if is_list(kind) else []
            columns[name] = ArrowColumn(kind, natural, shape)
        else:
            unknown[name] = kind
    if unknown:
        raise _no_mapping(unknown, path)
    return columns


def refuse_nested(columns: Mapping[str, pa.DataType], path: str) -> None:
    """Refuses key columns that hold more than one value a row.

    Raises:
      SourceError: names the first.
    """
    for name, kind in columns.items():
        if pa.types.is_nested(kind):
            what = "lists" if is_list(kind) else "nested values"
            raise SourceError(
                f"{path}: column {name!r} holds {what} ({kind}). A label, weight, split, id or --where column holds "
                "one value a row. Name another column."
            )


def _leaves(name: str, kind: pa.DataType) -> Iterator[tuple[str, pa.DataType]]:
    if not pa.types.is_struct(kind):
        yield name, kind
        return
    for field in kind:
        yield from _leaves(f"{name}.{field.name}", field.type)


def _column(batch: pa.RecordBatch, name: str) -> pa.Array:
    if name in batch.schema.names:
        return batch.column(name)
    for field in batch.schema:
        if pa.types.is_struct(field.type) and name.startswith(f"{field.name}."):
            found = _inner(batch.column(field.name), name.removeprefix(f"{field.name}."))
            if found is not None:
                return found
    raise KeyError(name)


def _inner(column: pa.Array, path: str) -> pa.Array | None:
    """A field of a struct by its path; missing where the struct is."""
    for field in column.type:
        if field.name == path:
            return pc.struct_field(column, [field.name])
        if pa.types.is_struct(field.type) and path.startswith(f"{field.name}."):
            found = _inner(pc.struct_field(column, [field.name]), path.removeprefix(f"{field.name}."))
            if found is not None:
                return found
    return None


def _declared_column(field: DeclaredField, kind: pa.DataType) -> ArrowColumn:
    lists = is_list(kind)
    fixed = kind.list_size if pa.types.is_fixed_size_list(kind) else None
    contradicts = field.repeated is not None and field.repeated != lists
    if contradicts or field.length not in (None, fixed or (field.length if lists else 1)):
        raise UsageError(f"--schema: column {field.name!r} has {field.values_a_row}, but is {kind} in the file.")
    length = field.length or fixed
    if field.default is not None and lists and length is None:
        raise UsageError(
            f"--schema: column {field.name!r} has a default, but is {kind} in the file. Only lists of a fixed length "
            'can have one: declare "length".'
        )
    shape = [length] if length else None if lists else []
    column = ArrowColumn(kind, field.stored, shape, field)
    try:
        column.convert(pa.nulls(0, kind))
    except pa.ArrowNotImplementedError as error:
        raise UsageError(
            f"--schema: column {field.name!r} is {field.type}, but {kind} in the file. {_way_out(field, kind)}"
        ) from error
    return column


def differing(
    schema: pa.Schema, expected: Mapping[str, pa.DataType], columns: Collection[str] | None = None
) -> list[str]:
    """The columns of a file that are not of the expected types, or not there: of some, or of all."""
    types = column_types(schema, expected)
    names = {*expected, *types} if columns is None else columns
    return [name for name in names if expected.get(name) != types.get(name)]


def _way_out(field: DeclaredField, kind: pa.DataType) -> str:
    if pa.types.is_struct(kind):
        return f"Declare its fields by their paths: {_example(field.name, kind)}."
    if pa.types.is_nested(value_type(kind)):
        return "Examples hold no lists of lists or records. Leave the column out with --drop_columns."
    return f"Declare it {'INTEGER' if field.dtype == 'bool' else 'STRING, or as what it is'}."


def _example(name: str, kind: pa.DataType) -> str:
    return ", ".join(json.dumps({"name": path, "type": "STRING"}) for path, _ in _leaves(name, kind))


def _no_mapping(unknown: Mapping[str, pa.DataType], path: str) -> SourceError:
    """The error that names all columns, and the way out for each kind of them."""
    structs = [_example(name, kind) for name, kind in unknown.items() if pa.types.is_struct(kind)]
    ways = ["Declare in --schema what to store of dates, times and decimals: INTEGER, FLOAT or STRING."]
    if structs:
        ways.append(f"Declare fields of nested columns by their paths: [{', '.join(structs)}].")
    ways.append("Leave the others out (--drop_columns, or --columns without them).")
    listed = ", ".join(f"{name} ({kind})" for name, kind in unknown.items())
    return SourceError(f"{path}: no mapping for {listed}. {' '.join(ways)}")
