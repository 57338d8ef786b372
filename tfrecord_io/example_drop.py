"""Takes features out of serialized Examples; all else in them stays as it was."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import pyarrow as pa

from tfrecord_io.example_entries import Entries
from tfrecord_io.example_fields import FIELD_1, IntArray, fields_of
from tfrecord_io.example_proto import parse_message
from tfrecord_io.example_walk import walk
from tfrecord_io.examples import concatenate, varints
from tfrecord_io.slices import bounds_of, padded, slices


def drop_features(payloads: pa.LargeBinaryArray, names: Collection[str]) -> pa.LargeBinaryArray:
    """The Examples [n] without some features.

    The bytes of the other entries and of fields unknown to an Example stay, in their order. An odd
    record (see `example_walk`) is written anew, its features sorted by name. Records that have none of
    the features stay as they were. The same record gives the same bytes whatever its neighbours.

    Raises:
      SourceError: a record is no Example.

    Cost: about a million records of 26 features a second; odd records one by one.
    """
    data, starts, stops = padded(payloads)
    return cut_features(payloads, data, starts, stops, walk(data, starts, stops), names)


def cut_features(
    payloads: pa.LargeBinaryArray,
    data: pa.Buffer,
    starts: IntArray,
    stops: IntArray,
    entries: Entries,
    names: Collection[str],
) -> pa.LargeBinaryArray:
    """The same for Examples [n] that were walked before; `data`, `starts` and `stops` are `padded(payloads)`."""
    unwanted = np.array([name in names for name in entries.names], bool)[entries.name]
    rows = np.unique(entries.record[unwanted])
    odd = np.flatnonzero(entries.odd)
    cut = _without(data, starts[rows], stops[rows], entries.take(~unwanted)) if len(rows) else payloads[:0]
    written = pa.array([_written_anew(payloads[row].as_py(), names) for row in odd.tolist()], pa.large_binary())
    places = np.arange(len(payloads))
    places[rows] = len(payloads) + np.arange(len(rows))
    places[odd] = len(payloads) + len(rows) + np.arange(len(odd))
    return pa.concat_arrays([payloads, cut, written]).take(pa.array(places))


def _without(data: pa.Buffer, starts: IntArray, stops: IntArray, kept: Entries) -> pa.LargeBinaryArray:
    """Records [n] made of their fields, with these entries alone in their features."""
    record, tag, content, stop = fields_of(data, starts, stops)
    mine = tag == FIELD_1
    inside = np.searchsorted(content[mine], kept.start, side="right") - 1
    within = (inside >= 0) & (kept.start < stop[mine][inside])  # the others are of records that stay
    owner = np.concatenate([np.flatnonzero(mine)[inside[within]], np.flatnonzero(~mine)])
    start = np.concatenate([kept.start[within], content[~mine]])
    order = np.argsort(start, kind="stable")
    pieces = slices(data, start[order], np.concatenate([kept.stop[within], stop[~mine]])[order])
    bodies = _grouped(pieces, np.bincount(owner, minlength=len(tag)))
    lengths = np.diff(bounds_of(bodies))
    tags = pa.LargeBinaryArray.from_buffers(
        pa.large_binary(), len(tag), [None, pa.py_buffer(np.arange(len(tag) + 1)), pa.py_buffer(tag.astype(np.uint8))]
    )
    fields = concatenate(concatenate(tags, varints(lengths)), bodies)
    return _grouped(fields, np.bincount(record, minlength=len(starts)))


def _grouped(pieces: pa.LargeBinaryArray, counts: IntArray) -> pa.LargeBinaryArray:
    """The next counts[i] pieces as one, for each i [n]."""
    ends = np.zeros(len(counts) + 1, np.int64)
    np.cumsum(counts, out=ends[1:])
    bounds = bounds_of(pieces)[ends] if len(pieces) else ends
    buffers = [None, pa.py_buffer(np.ascontiguousarray(bounds)), pieces.buffers()[2]]
    return pa.LargeBinaryArray.from_buffers(pa.large_binary(), len(counts), buffers)


def _written_anew(payload: bytes, names: Collection[str]) -> bytes:
    """The same by protobuf, for one record.

    Raises:
      SourceError: it is no Example.
    """
    message = parse_message(payload)
    found = [name for name in names if name in message.features.feature]
    for name in found:
        del message.features.feature[name]
    return bytes(message.SerializeToString(deterministic=True)) if found else payload
