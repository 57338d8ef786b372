"""Tables of the BigQuery on loopback: their types in Arrow and in the API, and how they are exported."""

from __future__ import annotations

import datetime
import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from apache_beam.io.filesystems import FileSystems

_TYPES = {
    "INTEGER": pa.int64(),
    "FLOAT": pa.float64(),
    "NUMERIC": pa.decimal128(38, 9),
    "BIGNUMERIC": pa.decimal256(76, 38),
    "BOOLEAN": pa.bool_(),
    "STRING": pa.string(),
    "BYTES": pa.binary(),
    "DATE": pa.date32(),
    "DATETIME": pa.timestamp("us"),
    "TIME": pa.time64("us"),
    "TIMESTAMP": pa.timestamp("us"),
    "GEOGRAPHY": pa.binary(),
    "JSON": pa.string(),
    "INTERVAL": pa.string(),
    "RANGE": pa.string(),
}
"""The reference's "Parquet export details", as Arrow reads them: TIMESTAMP has no zone there."""

Field = Mapping[str, Any]


class TableError(Exception):
    """An error as the API gives it."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status, self.reason = status, reason

    def proto(self) -> dict[str, str]:
        """ErrorProto."""
        return {"reason": self.reason, "message": str(self), "location": "query"}


@dataclass
class StoredTable:
    """A table with its fields as the API has them, and its versions: the time of each, and the rows from then on."""

    fields: list[dict[str, Any]]
    versions: list[tuple[datetime.datetime, pa.Table]] = field(default_factory=list)
    kind: str = "TABLE"
    secret: bool = False

    @classmethod
    def of(cls, fields: Sequence[Field], columns: Mapping[str, Sequence[Any]], **options: Any) -> StoredTable:
        """A table that has been there for an hour."""
        table = cls([{"mode": "NULLABLE", **each} for each in fields], **options)
        table.change(columns, datetime.timedelta(hours=1))
        return table

    def change(self, columns: Mapping[str, Sequence[Any]], ago: datetime.timedelta) -> None:
        """Other rows, since a while ago."""
        arrays = [pa.array(columns[each["name"]], arrow_of(each)) for each in self.fields]
        rows = pa.table(arrays, names=[each["name"] for each in self.fields])
        self.versions.append((datetime.datetime.now(datetime.timezone.utc) - ago, rows))

    @property
    def latest(self) -> pa.Table:
        return self.versions[-1][1]

    def at(self, time: datetime.datetime, path: str) -> pa.Table:
        """The rows as of a time."""
        if time > datetime.datetime.now(datetime.timezone.utc) or time < self.versions[0][0]:
            raise TableError(400, "invalid", f"Invalid snapshot time {time} for table {path}. Cannot read before it.")
        return [rows for since, rows in self.versions if since <= time][-1]


def arrow_of(given: Field) -> pa.DataType:
    """The Arrow type of a field's column in an exported file."""
    if given["type"] == "RECORD":
        kind = pa.struct([(inner["name"], arrow_of(inner)) for inner in given["fields"]])
    else:
        kind = _TYPES[given["type"]]
    return pa.list_(kind) if given.get("mode") == "REPEATED" else kind


def fields_of(rows: pa.Table) -> list[dict[str, str]]:
    """The schema of a query's rows, as a dry run gives it."""
    names = {str(kind): name for name, kind in reversed(_TYPES.items())} | {"int32": "INTEGER", "string": "STRING"}
    return [{"name": each.name, "type": names[str(each.type)], "mode": "NULLABLE"} for each in rows.schema]


def row_bytes(rows: pa.Table) -> pa.Array:
    """BYTE_LENGTH(TO_JSON_STRING(row))."""
    texts = (json.dumps(row, default=str, separators=(",", ":"), ensure_ascii=False) for row in rows.to_pylist())
    return pa.array([len(text.encode()) for text in texts], pa.int64())


def write_files(rows: pa.Table, uri: str, files: int) -> None:
    """Writes the rows into files with a number in place of the `*`, without Arrow's own schema in them."""
    if FileSystems.match([uri])[0].metadata_list:
        raise TableError(400, "invalid", f"Invalid value: {uri} matches files, and overwrite is false.")
    ends = np.linspace(0, len(rows), files + 1).astype(int).tolist()
    for number, (start, end) in enumerate(itertools.pairwise(ends)):
        with FileSystems.create(uri.replace("*", f"{number:012d}"), compression_type="uncompressed") as file:
            pq.write_table(rows.slice(start, end - start), file, compression="snappy", store_schema=False)
