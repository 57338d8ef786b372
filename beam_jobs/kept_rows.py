"""Kept rows between the draw and the writers: Arrow record batches."""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa

_PAYLOAD = [
    ("order", pa.uint64()),  # v: where in the shard
    ("file", pa.int32()),
    ("position", pa.uint64()),
    ("weight", pa.float32()),
    ("example", pa.large_binary()),
]
KEPT = pa.schema([("shard", pa.int64()), *_PAYLOAD])
UNSURE = pa.schema([("stratum", pa.int64()), ("u", pa.uint64()), *_PAYLOAD])
"""Copies that the exact cuts decide about."""


def pack(table: pa.Table) -> bytes:
    """Some rows as one element of a PCollection."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


def unpack(elements: Iterable[bytes], schema: pa.Schema) -> pa.Table:
    """The inverse, for several elements."""
    batches: list[pa.RecordBatch] = []
    for element in elements:
        batches += list(pa.ipc.open_stream(pa.py_buffer(element)))
    return pa.Table.from_batches(batches, schema)
