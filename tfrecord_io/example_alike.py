"""Examples that hold the same features in the same order, as most writers make them: the fast way through.

The k-th entry of each record is compared with what it must be if it has the k-th key of a model record:
its first bytes are known but for the four lengths in them, and these all follow from one. Records in which
an entry is something else drop out, and are walked like any other.
"""

from __future__ import annotations

import functools
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tfrecord_io.example_entries import FLOAT32, INT64, Entries, check_entries
from tfrecord_io.example_fields import FIELD_1, FIELD_2, fields_of
from tfrecord_io.varints import field_at

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

FEWEST_ALIKE = 8
"""Records for which looking for a model pays."""

Model = Sequence[Sequence[tuple[str, int]]]
"""The names and kinds of the entries of each `features` message of a record."""

_MOST_SHORT = 129
"""Bytes of an entry whose length takes one byte."""

_HIGH_BITS = np.int64(-0x7F7F7F7F7F7F7F80)  # 0x8080808080808080
_WIDTHS = np.arange(256)
_IN_WIDTH = np.array([(1 << 8 * w) - 1 if w < 8 else -1 for w in _WIDTHS.tolist()], np.int64) & _HIGH_BITS
_ONE_VARINT = np.where((_WIDTHS > 0) & (_WIDTHS <= 8), np.roll(_IN_WIDTH, 1), 1)
"""The high bits of one varint of each width, and 1, which no high bits are, where a word cannot hold it."""


@dataclass(frozen=True)
class Pattern:
    """What an entry looks like that has one short value of n bytes.

    `head` bytes lie in front of the value: word j of them is base[j] + step[j] * n, where mask[j] has bits.
    `key` are words and masks of the key's field, which starts 2 bytes into the entry.
    """

    head: int
    base: Sequence[int]
    step: Sequence[int]
    mask: Sequence[int]
    key: Sequence[tuple[int, int]]

    @classmethod
    @functools.lru_cache(4_096)
    def of(cls, name: str, kind: int) -> Pattern:
        """For a feature of a kind."""
        key = name.encode()
        size = len(key)
        parts = [FIELD_1, size + 8, FIELD_1, size, *key, FIELD_2, 4, kind << 3 | 2, 2, FIELD_1, 0]
        steps = [0, 1, 0, 0, *[0] * size, 0, 1, 0, 1, 0, 1]
        masks = [_as_words([0xFF] * len(each)) for each in (parts, parts[2 : 4 + size])]
        field = zip(_as_words(parts[2 : 4 + size]), masks[1], strict=True)
        return cls(len(parts), _as_words(parts), _as_words(steps), masks[0], list(field))


def model_of(entries: Entries, data: bytes | pa.Buffer, start: int, stop: int) -> Model | None:
    """What one walked record is a model of; None where it is odd or holds fields unknown to an Example."""
    _, tag, content, end = fields_of(data, np.array([start]), np.array([stop]))
    if entries.odd[0] or (tag != FIELD_1).any():
        return None
    messages = []
    for first, last in zip(content.tolist(), end.tolist(), strict=True):
        inside = np.flatnonzero((entries.start >= first) & (entries.start < last))
        inside = inside[np.argsort(entries.start[inside])]
        messages.append([(entries.names[entries.name[i]], int(entries.kind[i])) for i in inside.tolist()])
    return messages


def walk_alike(
    words: IntArray, starts: IntArray, stops: IntArray, model: Model, names: Collection[str] | None
) -> tuple[IntArray, Entries]:
    """The records like the model among n, and their entries that have these names."""
    walk = _Walk(words, starts)
    for message in model:
        walk.open_message(stops)
        for name, kind in message:
            walk.read_entry(name, kind, names is None or name in names)
        walk.keep(walk.at == walk.limit)
    walk.keep(walk.at == stops[walk.rows])
    return walk.rows, walk.entries(len(starts))


class _Walk:
    """Some records on the way through a model: `at` is where each of `rows` stands, `limit` where its message ends."""

    def __init__(self, words: IntArray, starts: IntArray) -> None:
        self._words = words
        self.rows = np.arange(len(starts))
        self.at = self.limit = starts
        self._found: list[tuple[str, IntArray, tuple[IntArray, ...]]] = []

    def keep(self, which: BoolArray) -> None:
        """Lets the others drop out."""
        if not which.all():
            self.rows, self.at, self.limit = self.rows[which], self.at[which], self.limit[which]

    def open_message(self, stops: IntArray) -> None:
        """Reads the tag and the length of `features`."""
        self.keep(self.at < stops[self.rows])
        word, self.at, self.limit = field_at(self._words, self.at)
        self.keep((word & 0xFF == FIELD_1) & (self.limit <= stops[self.rows]))

    def read_entry(self, name: str, kind: int, wanted: bool) -> None:
        """Reads the next entry, which must have that name; fast where it has one short value of that kind."""
        self.keep(self.at < self.limit)
        pattern = Pattern.of(name, kind)
        fits, value, stop = self._match(pattern, kind)
        kinds = count = None
        if not fits.all():
            other = np.flatnonzero(~fits)
            kinds, count = np.full(len(fits), kind), np.ones(len(fits), np.int64)
            fits[other], value[other], stop[other], kinds[other], count[other] = self._read_any(pattern, other)
        start, self.at = self.at, stop
        if wanted:
            size = len(start)
            kinds = np.full(size, kind) if kinds is None else kinds
            count = np.ones(size, np.int64) if count is None else count
            self._found.append((name, self.rows, (start, stop, value, kinds, count)))
        self.keep(fits)

    def entries(self, count: int) -> Entries:
        """What was found of the records that are still there."""
        index = {name: code for code, (name, *_) in enumerate(self._found)}
        there = np.zeros(count, bool)
        there[self.rows] = True
        columns = []
        for name, rows, values in self._found:
            piece = (rows, np.full(len(rows), index[name]), *values)
            columns.append(piece if len(rows) == len(self.rows) else [each[there[rows]] for each in piece])
        nothing = (np.zeros(0, np.int64),) * 7
        return Entries(list(index), np.zeros(count, bool), *map(np.concatenate, zip(nothing, *columns, strict=True)))

    def _match(self, pattern: Pattern, kind: int) -> tuple[BoolArray, IntArray, IntArray]:
        """Whether each record's entry is as the pattern says, and where its value starts and stops if it is."""
        words, at = self._words, self.at
        word = words[at]
        width = (word >> 8 & 0xFF) - (pattern.head - 2)
        most = _MOST_SHORT - pattern.head if kind else -1
        fits = (width == 4) & (most >= 4) if kind == FLOAT32 else (width >= 0) & (width <= most)
        for index, (base, step, mask) in enumerate(zip(pattern.base, pattern.step, pattern.mask, strict=True)):
            if index:
                word = words[at + 8 * index]
            wanted = base + 4 * step if kind == FLOAT32 else base + step * width if step else base
            fits &= word & mask == wanted
        value = at + pattern.head
        if kind == INT64:
            width &= 0xFF
            fits &= words[value] & _IN_WIDTH[width] == _ONE_VARINT[width]
        return fits, value, value + width

    def _read_any(self, pattern: Pattern, which: IntArray) -> tuple[BoolArray, IntArray, IntArray, IntArray, IntArray]:
        """Reads the entries of some records, of any kind and length, if they have the pattern's key.

        Returns:
          Whether they have it and are as they should be, where the values start and stop, kind and count.
        """
        words, at, limit = self._words, self.at[which], self.limit[which]
        word, start, stop = field_at(words, at)
        fits = (word & 0xFF == FIELD_1) & (stop <= limit)
        start, stop = np.where(fits, start, at), np.where(fits, stop, at)
        for index, (key, mask) in enumerate(pattern.key):
            fits &= words[start + 8 * index] & mask == key
        fine, value, kind, count = check_entries(words, start, stop)
        return fits & fine, value, stop, kind, count


def _as_words(content: Sequence[int]) -> list[int]:
    words: list[int] = np.frombuffer(bytes(content) + bytes(-len(content) % 8), "<i8").tolist()
    return words
