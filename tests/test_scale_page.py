"""docs/scale.md: its table is the model's, its constants are the code's."""

from __future__ import annotations

import re

import pytest

from beam_jobs import cost
from beam_jobs.cost import RATES, Work, estimate
from tests.page import page
from tfrecord_io.summary import readable_bytes

_KEPT_SHARE, _RECORD_BYTES, _SHARD_BYTES, _CORES = 0.02, 486, 128_000_000, 128
_SOURCES = {"csv": (227, 64 * 2**20, 1.0), "parquet": (98, 98_000_000, 0.002)}
"""Bytes a row, bytes a worker reads at a time, and the share that pass 1 reads: of the page's example."""


def _rows(heading: str) -> list[list[str]]:
    """The cells of the first table under a heading."""
    text = page("scale.md").partition(f"## {heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[1:]]


def _line(kind: str, rows: int) -> list[str]:
    width, unit, share = _SOURCES[kind]
    kept = int(rows * _KEPT_SHARE * _RECORD_BYTES)
    shards = max(2, round(kept / _SHARD_BYTES))
    units = rows * width // unit + 1
    work = Work(
        format=kind, rows=rows, bytes=rows * width, units=units, key_share=share, kept_bytes=kept, shards=shards
    )
    found = estimate(work)
    power = len(str(rows)) - 1
    return [
        f"10^{power}, {kind}",
        readable_bytes(work.bytes),
        f"{found.core_hours:.2g}" if found.core_hours < 100 else f"{found.core_hours:.0f}",
        _time(found.core_hours / _CORES),
        readable_bytes(found.read_bytes),
        readable_bytes(found.shuffled_bytes),
        f"{found.reads:,}, {found.writes:,}",
    ]


def _time(hours: float) -> str:
    for unit, a_unit in (("h", 1), ("min", 60)):
        if hours * a_unit >= 1:
            return f"{hours * a_unit:.2g} {unit}"
    return f"{hours * 3600:.2g} s"


def test_the_table_is_the_models() -> None:
    expected = [_line(kind, 10**power) for kind in _SOURCES for power in (8, 10, 12)]
    assert _rows("What it comes to") == expected


@pytest.mark.parametrize("kind", ["csv", "parquet", "tfrecord"])
def test_the_constants_are_the_codes(kind: str) -> None:
    rates = RATES[kind]
    (row,) = [row for row in _rows("The constants, and where they come from") if row[0] == kind]
    counting = f"{rates.count_rows:g} a 10^9 rows" if rates.count_rows else f"{rates.count_gb:g} a GB"
    assert row[1:] == [counting, f"{rates.draw_gb:g} a GB", f"{rates.write_gb:g} a GB"]


def test_bytes_that_are_moved() -> None:
    assert re.search(rf"{cost.NOTES_BYTES:g} bytes x source rows  \+  {cost.SHUFFLED:g} x kept bytes", page("scale.md"))
