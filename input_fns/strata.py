"""Strata: what is read of each class, from one split or several, as one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from tfrecord_io import labels
from tfrecord_io.errors import ManifestError, UsageError
from tfrecord_io.labels import Label
from tfrecord_io.manifest import ClassEntry, Manifest, Shard


@dataclass(frozen=True, kw_only=True)
class Stratum:
    """One class of one split, as it is read: pass j reads its fold j modulo `folds`.

    `directory` ends in a slash; `factor` is what a stored weight is as a multiple of the row's
    original one; `split` is for messages.
    """

    directory: str
    split: str
    label: Label
    source_rows: int
    source_weight: float
    folds: int
    factor: float
    shards: tuple[Shard, ...]

    @property
    def rows(self) -> int:
        """Rows of the first fold."""
        return sum(shard.rows for shard in self.shards if shard.fold == 0)

    @property
    def mean_rows(self) -> Fraction:
        """Rows a pass: folds differ where drawn rows were rejected."""
        return Fraction(sum(shard.rows for shard in self.shards), self.folds)


@dataclass(frozen=True, kw_only=True)
class ReadClass:
    """One class of everything that is read; a pass reads one fold of each stratum."""

    label: Label
    strata: tuple[Stratum, ...]

    @property
    def rows(self) -> int:
        """Rows of the first pass."""
        return sum(stratum.rows for stratum in self.strata)

    @property
    def held(self) -> tuple[Stratum, ...]:
        """The strata that hold rows."""
        return tuple(stratum for stratum in self.strata if stratum.mean_rows)

    @property
    def source_rows(self) -> int:
        """Rows in the source, N_k."""
        return sum(stratum.source_rows for stratum in self.strata)


def read_strata(manifest: Manifest, directory: str, splits: Sequence[str]) -> list[Stratum]:
    """The strata of some splits of a dataset, in the order of the splits and labels.

    Raises:
      ManifestError: a class whose shards contradict its rows or folds.
    """
    strata = []
    for split in splits:
        factors = manifest.stored_factors(split)
        for entry in manifest.splits[split].classes:
            _check_shards(split, entry)
            strata.append(
                Stratum(
                    directory=directory,
                    split=split,
                    label=entry.label,
                    source_rows=entry.source_rows,
                    source_weight=entry.source_weight,
                    folds=entry.folds,
                    factor=factors.get(entry.label, 1.0),
                    shards=entry.shards,
                )
            )
    return strata


def one_fold(strata: Sequence[Stratum], fold: int) -> list[Stratum]:
    """The strata with that fold alone; those that have but one are in every fold.

    Raises:
      UsageError: no such fold; says which there are.
    """
    several = [stratum for stratum in strata if stratum.folds > 1]
    fewest = min(several, key=lambda stratum: stratum.folds, default=None)
    if fewest is None and fold > 0:
        raise UsageError(f"There is no fold {fold}: every class has one fold, 0. Leave fold out.")
    if fewest is not None and fold >= fewest.folds:
        raise UsageError(
            f"There is no fold {fold}: class {fewest.label!r} of split {fewest.split!r} has {fewest.folds} folds. "
            f"Choose one of {', '.join(map(str, range(fewest.folds)))}, or leave fold out to read one after the other."
        )

    def chosen(stratum: Stratum) -> Stratum:
        number = fold if stratum.folds > 1 else 0
        shards = tuple(replace(shard, fold=0) for shard in stratum.shards if shard.fold == number)
        return replace(stratum, folds=1, shards=shards)

    return [chosen(stratum) for stratum in strata]


def merged(strata: Sequence[Stratum]) -> tuple[ReadClass, ...]:
    """The classes of all strata together, in the order of their labels."""
    found: dict[Label, list[Stratum]] = {}
    for stratum in strata:
        found.setdefault(stratum.label, []).append(stratum)
    return tuple(ReadClass(label=label, strata=tuple(found[label])) for label in sorted(found, key=labels.sort_key))


def _check_shards(split: str, entry: ClassEntry) -> None:
    where = f"class {entry.label!r} of split {split!r}"
    beyond = sorted({shard.fold for shard in entry.shards if shard.fold >= entry.folds})
    if beyond:
        raise ManifestError(
            f"The manifest gives {where} {entry.folds} folds, but it has shards of fold {beyond[0]}. "
            "The manifest is damaged: write the dataset again."
        )
    found = sum(shard.rows for shard in entry.shards if shard.fold == 0)
    if found != entry.rows:
        raise ManifestError(
            f"The manifest gives {where} {entry.rows} rows, but its shards {found}. "
            "The manifest is damaged: write the dataset again."
        )
