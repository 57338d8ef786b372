"""The structure of many serialized Examples at once, without protobuf.

An Example is `features` (field 1), which holds map entries (field 1), which hold a key (field 1) and a
value (field 2): each a tag, a length and so many bytes, end to end. So one numpy step reads the k-th entry
of every record, and all entries are then checked together.

The walk answers only where it is sure. A record of any other shape is `odd`, and protobuf must read it:
fields in another order or of another type, keys that are there twice, kinds that are merged, numbers that
are not packed, keys over 127 bytes, more than `MOST_ITEMS` entries, and what is no Example at all. What
makes a record odd lies in itself, never in its neighbours.
Source: protobuf's encoding guide, `tensorflow/core/example/*.proto`.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tfrecord_io.example_alike import FEWEST_ALIKE, model_of, walk_alike
from tfrecord_io.example_entries import Entries, check_entries
from tfrecord_io.example_fields import FIELD_1, tile
from tfrecord_io.example_find import find
from tfrecord_io.varints import low_bytes, words_of

IntArray = npt.NDArray[np.int64]

_AT_ONCE = 16_384


def walk(data: bytes | pa.Buffer, starts: IntArray, stops: IntArray, names: Collection[str] | None = None) -> Entries:
    """Finds the features of n serialized Examples.

    Args:
      data: goes on for `slices.PADDING` bytes behind the last record.
      starts: where each record starts in it [n].
      stops: where it ends [n].
      names: the features to find, all by default. What the values of others hold is then looked at
        only in records that are not plain.

    Cost: a quarter to 3 million records of 26 features a second on one core, most where their features are
    in the same order; with a few names about a million in any order.
    """
    left = np.arange(len(starts))
    parts = []
    if names is not None and len(left):
        plain, left = find(data, starts, stops, names)
        parts.append(plain)
    while len(left) >= FEWEST_ALIKE:
        row = left[len(left) // 2]
        model = model_of(_walk_any(data, starts[[row]], stops[[row]]), data, starts[row], stops[row])
        if model is None:
            break
        alike, found = walk_alike(words_of(data), starts[left], stops[left], model, names)
        parts.append(found.of_rows(left, len(starts)))
        tried, left = len(left), np.delete(left, alike)
        if 4 * len(alike) < tried:
            break
    found = _walk_any(data, starts[left], stops[left])
    if names is not None:
        found = found.take(np.array([name in names for name in found.names], bool)[found.name])
    return Entries.join([*parts, found.of_rows(left, len(starts))])


def _walk_any(data: bytes | pa.Buffer, starts: IntArray, stops: IntArray) -> Entries:
    """The same for records of any order of features."""
    words = words_of(data)
    odd = np.zeros(len(starts), bool)
    record, tag, _, content, stop = tile(words, starts, stops, odd)
    mine = np.flatnonzero(tag == FIELD_1)  # other fields are unknown to an Example, and harmless
    record = record[mine]
    wrong = np.zeros(len(mine), bool)
    message, tag, start, content, stop = tile(words, content[mine], stop[mine], wrong)
    wrong[message[tag != FIELD_1]] = True
    odd[record[wrong]] = True
    pieces = [slice(first, first + _AT_ONCE) for first in range(0, max(len(start), 1), _AT_ONCE)]
    checked = [
        check_entries(words, content[piece], stop[piece]) for piece in pieces
    ]  # they stay in the processor's cache
    fine, value, kind, count = (np.concatenate(column) for column in zip(*checked, strict=True))
    record = record[message]
    odd[record[~fine]] = True
    if odd.any():
        keep = np.flatnonzero(~odd[record])
        record, start, content, stop, value, kind, count = (
            column[keep] for column in (record, start, content, stop, value, kind, count)
        )
    names, name = _names(data, words, content)
    found = Entries(names, odd, record, name, start, stop, value, kind, count)
    bad = record[name < 0]
    if len(bad):
        odd[bad] = True
        found = found.take(~odd[record])
    twice = _repeated(found)
    if len(twice):
        odd[twice] = True
        found = found.take(~odd[found.record])
    return found


def _names(data: bytes | pa.Buffer, words: IntArray, starts: IntArray) -> tuple[list[str], IntArray]:
    """The distinct keys of map entries [m], and which of them each has; -1 where it is not UTF-8."""
    head = words[starts]
    size = (head >> 8 & 0xFF) + 2
    codes, found = _codes(low_bytes(head, np.minimum(size, 8)))
    for at in range(8, int(size.max(initial=0)), 8):
        rows = np.flatnonzero(size > at)
        more, distinct = _codes(low_bytes(words[starts[rows] + at], np.minimum(size[rows] - at, 8)))
        codes[rows] = found + codes[rows] * distinct + more  # keys of one code are of one size
        codes, found = _codes(codes)
    place = np.zeros(found, np.int64)
    place[codes] = np.arange(len(codes))
    view = memoryview(data)
    names, renumber = [], np.full(found, -1, np.int64)
    for code, at in enumerate(place.tolist()):
        try:
            names.append(str(view[starts[at] + 2 : starts[at] + size[at]], "utf-8"))
        except UnicodeDecodeError:
            continue
        renumber[code] = len(names) - 1
    return names, renumber[codes]


def _codes(values: IntArray) -> tuple[IntArray, int]:
    """A number from 0 on for each distinct value [m], and how many there are; fast where equal ones are neighbours."""
    if not len(values):
        return values, 0
    heads = np.flatnonzero(np.concatenate([[True], values[1:] != values[:-1]]))
    encoded = pa.array(values[heads]).dictionary_encode()
    codes = encoded.indices.to_numpy().astype(np.int64)
    return np.repeat(codes, np.diff(heads, append=len(values))), len(encoded.dictionary)


def _repeated(found: Entries) -> IntArray:
    """The records that have two entries of one name."""
    if not found.names:
        return found.record
    key = found.record * len(found.names) + found.name
    room = len(found.odd) * len(found.names)
    if room <= 4 * len(key) + _AT_ONCE:
        seen = np.zeros(room, bool)
        seen[key] = True
        if np.count_nonzero(seen) == len(key):
            return key[:0]
    key = np.sort(key)
    twice: IntArray = key[1:][key[1:] == key[:-1]] // len(found.names)
    return twice
