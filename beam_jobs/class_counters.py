"""Counters of single classes: how they are named, and when there are too many of them.

A counter is a line in a runner's metrics, and runners bear thousands of lines badly. So a class has
counters of its own only while a part holds few; totals are always counted.
"""

from __future__ import annotations

import hashlib

from tfrecord_io import labels
from tfrecord_io.labels import Label

MOST_CLASSES = 100
"""Parts with more classes count none of them singly."""

READ, WRITTEN = "class_rows_read", "class_rows_written"
"""Kinds of counters of a class: rows of the source, in `presample.profile`; rows of all folds, in `presample.write`."""

_LONGEST = 80


def counter_name(kind: str, split: str, label: Label) -> str:
    """The name of a class's counter, like `class_rows_read/train/0`."""
    text = labels.to_text(label)
    if len(text) > _LONGEST:
        text = text[: _LONGEST - 17] + "~" + hashlib.sha256(text.encode()).hexdigest()[:16]
    return f"{kind}/{split}/{text}"


def class_of(name: str) -> tuple[str, str, str] | None:
    """(kind, split, label in words) of a counter of a class; None of any other."""
    kind, _, rest = name.partition("/")
    split, _, text = rest.partition("/")
    return (kind, split, text) if text and kind in (READ, WRITTEN) else None
