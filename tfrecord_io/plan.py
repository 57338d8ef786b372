"""The plan: from what the source holds to what is kept, where it is cut, and into how many shards.

Pure arithmetic on class totals: no rows, no files, no Beam. `--plan_only` prints it.

The exact cut without another pass: of N rows with uniform 64-bit hashes u, the n smallest are
wanted. By Bernstein's inequality the n-th smallest lies in a narrow band around n/N; rows below
the band are in, rows above are out, and only the few rows in it need their u gathered and ranked.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction

from tfrecord_io import labels
from tfrecord_io.errors import PlanError
from tfrecord_io.labels import Label
from tfrecord_io.manifest import UNRESAMPLED_SPLITS, weight_factors
from tfrecord_io.strategy import Strategy, listed, round_half_up

BAND_NATS = 42.0
"""The band misses the cut with a probability of about e**-42 a class; a miss is found and redone."""

FULL_BAND = math.inf
_HASHES = 1 << 64
_TINY_SHARE = Fraction(1, 100)


@dataclass(frozen=True)
class Tally:
    """Totals of one class in one split of the source. `weight` is exact; `bytes` is source text."""

    rows: int
    weight: Fraction
    bytes: int

    def __add__(self, other: Tally) -> Tally:
        return Tally(self.rows + other.rows, self.weight + other.weight, self.bytes + other.bytes)


@dataclass(frozen=True, kw_only=True)
class Stratum:
    """What is done with one class of one split.

    Every row is kept `copies` times, and the `drawn` rows with the smallest u once more: those
    with u < `sure`, and those of sure <= u < `never` that the exact cut takes.
    """

    split: str
    label: Label
    source: Tally
    rows: int
    copies: int
    drawn: int
    sure: int
    never: int
    keep_weight: float | None
    factor: float
    shards: int
    bytes: int


@dataclass(frozen=True, kw_only=True)
class Plan:
    """All strata, in the order of splits and labels; `filtered_rows` are those that `--where` left out."""

    strata: tuple[Stratum, ...]
    shard_size: int
    filtered_rows: int = 0

    def of_split(self, split: str) -> list[Stratum]:
        """The strata of one split."""
        return [stratum for stratum in self.strata if stratum.split == split]

    @property
    def bytes(self) -> int:
        """Expected size of all shards, uncompressed."""
        return sum(stratum.bytes for stratum in self.strata)


def make_plan(
    tallies: Mapping[tuple[str, Label], Tally],
    *,
    splits: tuple[str, ...],
    label_dtype: str,
    strategy: Strategy,
    weights: str,
    shard_size: int,
    row_bytes: Callable[[Label, Tally], float],
    band_nats: float = BAND_NATS,
) -> Plan:
    """Plans every class of every split.

    Args:
      tallies: (split, label) -> totals of the source.
      splits: in the order of the manifest; `eval` and `test` are kept whole.
      label_dtype: int64, float32, bytes or bool.
      strategy: sizes of the other splits' classes.
      weights: calibrated, balanced or none.
      shard_size: bytes aimed at for each shard.
      row_bytes: expected bytes of one stored row of a class.
      band_nats: how wide the band around each cut is; FULL_BAND ranks every row.

    Raises:
      PlanError: the strategy does not fit the classes found, or a class of weight 0 is to be
        balanced.
    """
    found = sorted({label for _, label in tallies}, key=labels.sort_key)
    strata = []
    for split in splits:
        source = {label: tallies.get((split, label), Tally(0, Fraction(0), 0)) for label in found}
        counts = {label: tally.rows for label, tally in source.items()}
        kept = counts if split in UNRESAMPLED_SPLITS else strategy.sizes(counts, label_dtype)
        mode = "none" if split in UNRESAMPLED_SPLITS else weights
        factors = _factors(mode, source, kept)
        for label in found:
            size = (row_bytes(label, source[label]) if kept[label] else 0.0) * kept[label]
            strata.append(
                _stratum(split, label, source[label], kept[label], factors[label], size, shard_size, band_nats)
            )
    return Plan(strata=tuple(strata), shard_size=shard_size)


def plan_warnings(strategy: Strategy, source_rows: Mapping[Label, int], kept_rows: Mapping[Label, int]) -> list[str]:
    """What a user should know about the training split's plan, a sentence each."""
    warnings = []
    absent = [label for label, rows in source_rows.items() if not rows]
    if absent:
        warnings.append(f"Class {listed(absent)} has no row in the training split and stays out of the strategy.")
    total, kept = sum(source_rows.values()), sum(kept_rows.values())
    if strategy.name == "balance" and kept < _TINY_SHARE * total:
        smallest = min((label for label in source_rows if source_rows[label]), key=lambda label: source_rows[label])
        warnings.append(
            f"balance keeps {kept} of {total} rows ({100 * kept / total:.2g} %), because class "
            f"{labels.to_text(smallest)} has only {source_rows[smallest]}. "
            "Consider --strategy ratio=M or max=N to keep more of the others."
        )
    return warnings


def band(rows: int, drawn: int, nats: float) -> tuple[int, int]:
    """The hashes between which the `drawn`-th smallest of `rows` lies: (sure, never).

    Misses with a probability of about e**-nats on either side (Bernstein).
    """
    if math.isinf(nats):
        return 0, _HASHES
    variance = drawn * (1 - drawn / rows)
    half = nats + math.sqrt(2 * nats * variance + nats * nats)
    low = max(0.0, (drawn - half) / rows)
    high = min(1.0, (drawn + half) / rows)
    return int(low * _HASHES), min(_HASHES, math.ceil(high * _HASHES))


def _factors(mode: str, source: Mapping[Label, Tally], kept: Mapping[Label, int]) -> dict[Label, float]:
    present = [label for label in source if kept[label]]
    weightless = [label for label in present if not source[label].weight]
    if mode == "balanced" and weightless:
        raise PlanError(
            f"--weights balanced gives every class the same total weight, but the weights of class "
            f"{listed(weightless)} add up to 0. Use --weights calibrated."
        )
    try:
        factors = weight_factors(
            mode, {label: (float(source[label].weight), source[label].rows / kept[label]) for label in present}
        )
    except OverflowError as error:
        raise PlanError("The weights of a class add up to more than a float64 holds. Scale them down.") from error
    return {label: factors.get(label, 0.0) for label in source}


def _stratum(
    split: str,
    label: Label,
    source: Tally,
    kept: int,
    factor: float,
    size: float,
    shard_size: int,
    nats: float,
) -> Stratum:
    copies, drawn = divmod(kept, source.rows) if source.rows else (0, 0)
    sure, never = band(source.rows, drawn, nats) if drawn else (0, 0)
    shards = min(kept, max(1, round_half_up(Fraction(size) / shard_size)))
    return Stratum(
        split=split,
        label=label,
        source=source,
        rows=kept,
        copies=copies,
        drawn=drawn,
        sure=sure,
        never=never,
        keep_weight=source.rows / kept if kept else None,
        factor=factor,
        shards=shards,
        bytes=round(size),
    )
