"""Strata: what is read of each class, from one split or several, of one dataset or several, as one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from tfrecord_io import labels
from tfrecord_io.errors import ManifestError, UsageError
from tfrecord_io.labels import Label
from tfrecord_io.manifest import ClassEntry, Manifest, Shard


@dataclass(frozen=True, kw_only=True)
class ShardSlice:
    """Rows `first` to `first + rows` of a file of `file_rows` rows and `bytes` bytes; read in pass j
    of its stratum if j modulo the stratum's folds is `fold`.
    """

    path: str
    first: int
    rows: int
    file_rows: int
    bytes: int
    fold: int


@dataclass(frozen=True, kw_only=True)
class Stratum:
    """One class of one split, as it is read: pass j reads its fold j modulo `folds`.

    `factor` is what a stored weight is as a multiple of the row's original one; `name` is of the
    split, for messages; `compression` is none or gzip.
    """

    name: str
    label: Label
    source_rows: int
    source_weight: float
    folds: int
    factor: float
    compression: str
    slices: tuple[ShardSlice, ...]

    @property
    def rows(self) -> int:
        """Rows of the first fold."""
        return self.rows_of_fold(0)

    def rows_of_fold(self, fold: int) -> int:
        """Rows of that fold."""
        return sum(one.rows for one in self.slices if one.fold == fold)

    @property
    def mean_rows(self) -> Fraction:
        """Rows a pass: folds differ where drawn rows were rejected."""
        return Fraction(sum(one.rows for one in self.slices), self.folds)


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


def read_strata(manifest: Manifest, directory: str, splits: Sequence[str], *, named: bool = False) -> list[Stratum]:
    """The strata of some splits of a dataset, in the order of the splits and labels.

    Args:
      manifest: of the dataset.
      directory: of the dataset, ending in a slash.
      splits: names of splits that it has.
      named: name the dataset in messages, as there are others.

    Raises:
      ManifestError: a class whose shards contradict its rows or folds.
    """
    strata = []
    for split in splits:
        factors = manifest.stored_factors(split)
        name = f"{split!r} of {directory.rstrip('/')}" if named else repr(split)
        for entry in manifest.splits[split].classes:
            _check_shards(name, entry)
            strata.append(
                Stratum(
                    name=name,
                    label=entry.label,
                    source_rows=entry.source_rows,
                    source_weight=entry.source_weight,
                    folds=entry.folds,
                    factor=factors.get(entry.label, 1.0),
                    compression=manifest.compression,
                    slices=tuple(_whole(directory, shard) for shard in entry.shards),
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
            f"There is no fold {fold}: class {fewest.label!r} of split {fewest.name} has {fewest.folds} folds. "
            f"Choose one of {', '.join(map(str, range(fewest.folds)))}, or leave fold out to read one after the other."
        )

    def chosen(stratum: Stratum) -> Stratum:
        number = fold if stratum.folds > 1 else 0
        slices = tuple(replace(one, fold=0) for one in stratum.slices if one.fold == number)
        return replace(stratum, folds=1, slices=slices)

    return [chosen(stratum) for stratum in strata]


def merged(strata: Sequence[Stratum]) -> tuple[ReadClass, ...]:
    """The classes of all strata together, in the order of their labels."""
    found: dict[Label, list[Stratum]] = {}
    for stratum in strata:
        found.setdefault(stratum.label, []).append(stratum)
    return tuple(ReadClass(label=label, strata=tuple(found[label])) for label in sorted(found, key=labels.sort_key))


def _whole(directory: str, shard: Shard) -> ShardSlice:
    return ShardSlice(
        path=directory + shard.path,
        first=0,
        rows=shard.rows,
        file_rows=shard.rows,
        bytes=shard.bytes,
        fold=shard.fold,
    )


def _check_shards(split: str, entry: ClassEntry) -> None:
    where = f"class {entry.label!r} of split {split}"
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
