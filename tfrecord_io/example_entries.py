"""The features of serialized Examples as map entries, and what lies in them: a key, and a list of some kind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tfrecord_io.example_fields import FIELD_1, FIELD_2, tile
from tfrecord_io.varints import count_varints, lengths_at, words_of

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

KINDS = (None, "bytes", "float32", "int64")
"""The manifest's dtype for each `Entries.kind`; None for a feature without a kind, which counts as missing."""

FLOAT32, INT64 = 2, 3
_SHORT_MASK = 0xFFFF_FF00_FFFF
_SHORT = FIELD_2 | 4 << 8 | 2 << 24 | FIELD_1 << 32
_SHORT_STEP = 1 << 8 | 1 << 24 | 1 << 40
_SHORT_MOST = 123


@dataclass(frozen=True)
class Entries:
    """Features of n Examples: m map entries, those of one record in the order in which they lie in it.

    Entry i is data[start[i]:stop[i]]: feature `names[name[i]]` of record `record[i]`, of `KINDS[kind[i]]`
    with `count[i]` values. Its packed numbers or its one byte string are data[value[i]:stop[i]]; where
    there are several byte strings these are their fields. `odd` [n] marks the records that have no
    entries here since protobuf must read them.
    """

    names: list[str]
    odd: BoolArray
    record: IntArray
    name: IntArray
    start: IntArray
    stop: IntArray
    value: IntArray
    kind: IntArray
    count: IntArray

    def take(self, entries: IntArray | BoolArray) -> Entries:
        """Some of the entries."""
        columns = [getattr(self, column.name)[entries] for column in fields(self)[2:]]
        return Entries(self.names, self.odd, *columns)

    def of_rows(self, rows: IntArray, count: int) -> Entries:
        """The same, where record i is one of `count`: number rows[i]."""
        odd = np.zeros(count, bool)
        odd[rows] = self.odd
        return replace(self, odd=odd, record=rows[self.record])

    @classmethod
    def join(cls, parts: Sequence[Entries]) -> Entries:
        """The entries of parts that have different records of n."""
        if len(parts) == 1:
            return parts[0]
        index: dict[str, int] = {}
        for part in parts:
            for name in part.names:
                index.setdefault(name, len(index))
        names = [np.array([index[name] for name in part.names], np.int64)[part.name] for part in parts]
        odd = np.logical_or.reduce([part.odd for part in parts])
        others = [np.concatenate([getattr(part, column.name) for part in parts]) for column in fields(cls)[4:]]
        return cls(list(index), odd, np.concatenate([part.record for part in parts]), np.concatenate(names), *others)

    def of(self, name: str) -> Entries:
        """The entries of one feature, at most one a record, in the order of the records."""
        at = self.names.index(name) if name in self.names else -1
        found = np.flatnonzero(self.name == at)
        return self.take(found[np.argsort(self.record[found], kind="stable")])


def check_entries(words: IntArray, starts: IntArray, stops: IntArray) -> tuple[BoolArray, IntArray, IntArray, IntArray]:
    """Whether the content of each map entry [m] is as it should be, where its values start, kind and count."""
    head = words[starts]
    size = head >> 8 & 0xFF
    fine = (head & 0x80FF == FIELD_1) & (starts + 2 + size < stops)
    at = np.minimum(starts + 2 + size, stops)
    word = words[at]
    width = stops - at - 6
    short = (width >= 0) & (width <= _SHORT_MOST) & (word & _SHORT_MASK == _SHORT + width * _SHORT_STEP)
    value = at + 6
    kind = word >> 16 & 0xFF
    short &= _is_kind(kind)
    count = np.ones(len(starts), np.int64)
    other = np.flatnonzero(fine & ~short)
    if len(other):
        fine[other], value[other], kind[other], count[other] = _long_value(words, at[other], stops[other])
    kind >>= 3
    _count(words, value, stops, kind, count, fine)
    return fine, value, kind, count


def _long_value(words: IntArray, starts: IntArray, stops: IntArray) -> tuple[BoolArray, IntArray, IntArray, IntArray]:
    """What `_check` finds for values of any length: fine, value, kind's tag; a count of -1 for several strings."""

    def field(at: IntArray) -> tuple[IntArray, IntArray, IntArray]:
        word = words[np.minimum(at, stops)]
        length, width = lengths_at(word >> 8)
        return word & 0xFF, at + 1 + width, at + 1 + width + length

    tag, feature, end = field(starts)
    fine = (tag == FIELD_2) & (end == stops)
    kind, values, end = field(feature)
    bare = feature == stops
    fine &= bare | (end == stops) & _is_kind(kind)
    kind[bare] = 0
    tag, value, end = field(values)
    empty = bare | (values == stops)
    several = (kind == FIELD_1) & ~empty & (end != stops)
    fine &= empty | several | ((tag == FIELD_1) & (end == stops))
    count = np.where(empty, 0, np.where(several, -1, 1))
    return fine, np.where(empty, stops, np.where(several, values, value)), kind, count


def _is_kind(tag: IntArray) -> BoolArray:
    """Whether each tag [m] is of a BytesList, a FloatList or an Int64List."""
    found: BoolArray = (tag & 0xE7 == 2) & (tag != 2)
    return found


def _count(words: IntArray, value: IntArray, stops: IntArray, kind: IntArray, count: IntArray, fine: BoolArray) -> None:
    """Counts the values of entries [m] in `count`, and unmarks in `fine` those that hold anything else."""
    floats = kind == FLOAT32
    width = stops - value
    np.copyto(count, width >> 2, where=floats)
    fine &= ~floats | (width & 3 == 0)
    ints = np.flatnonzero((kind == INT64) & fine & (width > 0))
    if len(ints):
        count[ints], fine[ints] = count_varints(words, value[ints], stops[ints])
    count[(kind == INT64) & (width == 0)] = 0
    several = np.flatnonzero((count < 0) & fine)
    if len(several):
        wrong = np.zeros(len(several), bool)
        owner, tag, *_ = tile(words, value[several], stops[several], wrong)
        wrong[owner[tag != FIELD_1]] = True
        count[several] = np.bincount(owner, minlength=len(several))
        fine[several[wrong]] = False


def strings_in(data: bytes | pa.Buffer, entries: Entries) -> tuple[IntArray, IntArray]:
    """Where each string starts and stops in entries of bytes that ascend, one after the other."""
    single, several = np.flatnonzero(entries.count == 1), np.flatnonzero(entries.count > 1)
    lists = entries.value[several], entries.stop[several]
    *_, content, stop = tile(words_of(data), *lists, np.zeros(len(several), bool))
    starts = np.concatenate([entries.value[single], content])
    order = np.argsort(starts, kind="stable")
    return starts[order], np.concatenate([entries.stop[single], stop])[order]
