"""The plan: from what the source holds to what is kept, where it is cut, and into how many shards.

Pure arithmetic on class totals: no rows, no files, no Beam. `--plan_only` prints it.

The exact cut without another pass: of N rows with uniform 64-bit hashes u, the n smallest are
wanted. By Chernoff's bound the n-th smallest lies in a narrow band around n/N; rows below
the band are in, rows above are out, and only the few rows in it need their u gathered and ranked.
Fold j takes the j-th n smallest, so K folds have K cuts, each with a band of its own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

from tfrecord_io import labels
from tfrecord_io.errors import PlanError
from tfrecord_io.labels import Label, listed
from tfrecord_io.manifest import UNRESAMPLED_SPLITS
from tfrecord_io.rounding import round_half_up, scale_down
from tfrecord_io.strategy import Strategy
from tfrecord_io.weights import weight_factors

BAND_NATS = 30.0
"""The band misses the cut with a probability below 2 e**-30 a class; a miss is found and redone."""

_NEWTON_STEPS = 6

FULL_BAND = math.inf
_HASHES = 1 << 64


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

    Every row is kept `copies` times, and the `drawn` rows with the smallest u once more. Where rows
    are left over (`copies` is 0), the next `drawn` smallest make the next of `folds` folds. `cuts`
    holds (sure, never) of each fold's end: rows with u < sure lie before it, with u >= never after.

    `rows`, `factor` and `shards` are of one fold, `bytes` of all.
    """

    split: str
    label: Label
    source: Tally
    rows: int
    copies: int
    drawn: int
    folds: int
    cuts: tuple[tuple[int, int], ...]
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
    max_rows: int | None = None,
    folds: int = 1,
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
      max_rows: scales each resampled split down to that many rows, at the shares of the strategy.
      folds: disjoint samples wanted of each class that is not kept whole.
      band_nats: how wide the band around each cut is; FULL_BAND ranks every row.

    Raises:
      PlanError: the strategy does not fit the classes found, or a class of weight 0 is to be
        balanced.
    """
    found = sorted({label for _, label in tallies}, key=labels.sort_key)
    strata = []
    for split in splits:
        source = {label: tallies.get((split, label), Tally(0, Fraction(0), 0)) for label in found}
        kept = {label: tally.rows for label, tally in source.items()}
        mode = "none"
        if split not in UNRESAMPLED_SPLITS:
            kept = scale_down(strategy.sizes(kept, label_dtype, split), max_rows)
            mode = weights
        factors = _factors(mode, source, kept)
        for label in found:
            rows = kept[label]
            size = (row_bytes(label, source[label]) if rows else 0.0) * rows
            counts = _counts(source[label].rows, rows, folds, band_nats)
            strata.append(
                Stratum(
                    split=split,
                    label=label,
                    source=source[label],
                    rows=rows,
                    keep_weight=source[label].rows / rows if rows else None,
                    factor=factors[label],
                    shards=min(rows, max(1, round_half_up(Fraction(size) / shard_size))),
                    bytes=round(size * counts.folds),
                    **counts._asdict(),
                )
            )
    return Plan(strata=tuple(strata), shard_size=shard_size)


def band(rows: int, drawn: int, nats: float) -> tuple[int, int]:
    """The hashes between which the `drawn`-th smallest of `rows` lies: (sure, never).

    Misses with a probability below e**-nats on either side: Chernoff's bound for the number of rows
    with a smaller hash, which is binomial. See `_tail`.
    """
    if math.isinf(nats):
        return 0, _HASHES
    low, high = _tail(rows, drawn, nats, -1.0), _tail(rows, drawn, nats, 1.0)
    return int(low * _HASHES), min(_HASHES, math.ceil(high * _HASHES))


def _tail(rows: int, drawn: int, nats: float, side: float) -> float:
    """The t below (side -1) or above (1) the share q = drawn/rows at which rows * KL(q || t) is `nats`.

    KL(q || t) = q log(q/t) + (1-q) log((1-q)/(1-t)) rises away from q, ever steeper. So Newton's
    method, started outside the root, comes near it from there and never passes it: every step is a bound.
    """
    q = drawn / rows
    half = nats + math.sqrt(2 * nats * drawn * (1 - q) + nats * nats)
    t = (drawn + side * half) / rows
    if t >= 1 and drawn < rows:
        t = 1 - (1 - q) * math.exp(-nats / (rows - drawn) - 1)
    elif t <= 0:
        t = q * math.exp(-nats / drawn - 1)
    for _ in range(_NEWTON_STEPS):
        if not 0 < t < 1 or t == q:
            break
        rest = (1 - q) * (math.log1p(-q) - math.log1p(-t)) if q < 1 else 0.0
        excess = rows * (q * math.log(q / t) + rest) - nats
        t -= excess * t * (1 - t) / (rows * (t - q))
    return min(1.0, max(0.0, t))


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


class _Counts(NamedTuple):
    """The part of a Stratum that says which rows are in."""

    copies: int
    drawn: int
    folds: int
    cuts: tuple[tuple[int, int], ...]


def _counts(source_rows: int, rows: int, folds: int, nats: float) -> _Counts:
    copies, drawn = divmod(rows, source_rows) if source_rows else (0, 0)
    if not drawn:
        return _Counts(copies, 0, 1, ())
    ends = min(folds, source_rows // drawn) if not copies else 1
    cuts = [band(source_rows, end * drawn, nats) for end in range(1, ends + 1)]
    return _Counts(copies, drawn, ends, tuple(cuts))
