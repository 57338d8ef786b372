"""What `rejected/` may show of a bad CSV line when columns are dropped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa

from beam_jobs.sources.block import RAW_LIMIT, Reject
from beam_jobs.sources.columns import MASK, Selection
from beam_jobs.sources.csv_lines import FIELDS, QUOTE, parse_lines
from beam_jobs.sources.text import Lines

_QUOTED = (b",", b'"', b"\n", b"\r")


def with_text(rejects: list[Reject], lines: Lines, header: Sequence[str], selection: Selection) -> list[Reject]:
    """Bad rows with the text of their lines: all of it, or with the dropped columns' values masked.

    Where the fields of a line cannot be told apart, its text is left out as soon as a column is dropped.

    Args:
      rejects: bad rows without text; their `row` indexes the lines.
      lines: n lines.
      header: every column's name, in order.
      selection: which columns are dropped.
    """
    if not selection.dropped:
        return [replace(reject, raw=lines.line(reject.row)[:RAW_LIMIT]) for reject in rejects]
    rows = np.unique([reject.row for reject in rejects if reject.reason not in (FIELDS, QUOTE)]).astype(np.int64)
    parsed = parse_lines(lines.take(rows), header, dict.fromkeys(header, pa.binary()))
    good = rows[parsed.good].tolist()
    columns = [
        [MASK.encode()] * len(good) if name in selection.dropped else parsed.table.column(name).to_pylist()
        for name in header
    ]
    texts = {row: b",".join(map(_field, values)) for row, values in zip(good, zip(*columns, strict=True), strict=True)}
    return [replace(reject, raw=texts.get(reject.row, b"")[:RAW_LIMIT]) for reject in rejects]


def _field(value: bytes | None) -> bytes:
    if value is None:
        return b""
    plain = value and not any(letter in value for letter in _QUOTED)
    return value if plain else b'"' + value.replace(b'"', b'""') + b'"'
