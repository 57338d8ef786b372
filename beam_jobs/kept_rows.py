"""Kept rows between the draw and the writer: Arrow record batches, packed."""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa

KEPT = pa.schema(
    [
        ("shard", pa.int64()),
        ("order", pa.uint64()),  # v: where in the shard
        ("file", pa.int32()),
        ("position", pa.uint64()),
        ("if_u", pa.uint64()),  # null: kept for sure; else kept if the exact cut takes this u
        ("weight", pa.float32()),
        ("example", pa.large_binary()),
    ]
)


def pack(batches: list[pa.RecordBatch]) -> bytes:
    """Some batches as one element of a PCollection."""
    whole = pa.Table.from_batches(batches, KEPT).combine_chunks().to_batches()
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, KEPT) as writer:
        for batch in whole:
            writer.write_batch(batch)
    return bytes(sink.getvalue())


def unpack(elements: Iterable[bytes]) -> pa.Table:
    """The inverse, for all elements of a bucket."""
    batches: list[pa.RecordBatch] = []
    for element in elements:
        batches += list(pa.ipc.open_stream(pa.py_buffer(element)))
    return pa.Table.from_batches(batches, KEPT)
