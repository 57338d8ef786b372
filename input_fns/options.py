"""Options: what InputFn accepts, and what contradicts what."""

from __future__ import annotations

import operator
from collections.abc import Iterable
from typing import Any

from input_fns import strata
from input_fns.epochs import Epochs
from input_fns.strata import ReadClass
from tfrecord_io.errors import UsageError
from tfrecord_io.manifest import Manifest

CHOICES = {
    "batching": ("exact", "sampled"),
    "weights": ("auto", "stored", "none"),
    "structure": ("keras", "estimator", "dict"),
}

_MAX_BATCH = 2**20


def check_choices(**chosen: str) -> None:
    """Refuses values that an option does not have.

    Raises:
      UsageError: lists those it has.
    """
    for option, value in chosen.items():
        if value not in CHOICES[option]:
            raise UsageError(f"There is no {option} {value!r}; {option} is one of {', '.join(CHOICES[option])}.")


def check_order(*, batching: str, shuffle: bool) -> None:
    """Refuses a random order of classes where none is wanted.

    Raises:
      UsageError: sampled batches without shuffling.
    """
    if batching == "sampled" and not shuffle:
        raise UsageError(
            "batching='sampled' draws classes at random, which shuffle=False rules out. "
            "Use batching='exact', or shuffle=True."
        )


def split_names(split: object, manifest: Manifest) -> tuple[str, ...]:
    """The splits to read as one.

    Raises:
      UsageError: none, one that is not there or one named twice; lists those there are.
    """
    names = tuple(split) if isinstance(split, Iterable) and not isinstance(split, str) else (split,)
    has = ", ".join(sorted(manifest.splits))
    if not names:
        raise UsageError(f"split is an empty list; name one split or more. The dataset has {has}.")
    unknown = [name for name in names if not isinstance(name, str) or name not in manifest.splits]
    if unknown:
        raise UsageError(f"There is no split {', '.join(map(repr, unknown))}; the dataset has {has}.")
    twice = [name for name in dict.fromkeys(names) if names.count(name) > 1]
    if twice:
        raise UsageError(f"split names {', '.join(map(repr, twice))} more than once. Name each split once.")
    return names


def read_classes(
    manifest: Manifest, directory: str, split: str | Iterable[str], fold: int | None
) -> tuple[ReadClass, ...]:
    """The classes of the splits, in all folds or in one.

    Raises:
      UsageError: no such split or fold, or one without rows.
      ManifestError: a class whose shards contradict its rows or folds.
    """
    names = split_names(split, manifest)
    found = strata.read_strata(manifest, directory, names)
    if fold is not None:
        found = strata.one_fold(found, integer("fold", fold, 0))
    classes = strata.merged(found)
    if not any(one.rows for one in classes):
        others = ", ".join(sorted(name for name, other in manifest.splits.items() if other.rows)) or "none"
        what = "" if fold is None else f" in fold {fold}"
        verb = "holds" if len(names) == 1 else "hold"
        raise UsageError(f"Split {', '.join(map(repr, names))} {verb} no row{what}. Splits with rows: {others}.")
    return classes


def epochs(
    num_rows: int, batch_size: int, epoch_rows: int | None, num_epochs: int | None, drop_remainder: bool
) -> Epochs:
    """The epochs asked for.

    Raises:
      UsageError: a number that is none or too small or large; an epoch without a batch.
    """
    asked = Epochs(
        rows=num_rows if epoch_rows is None else integer("epoch_rows", epoch_rows, 1),
        batch_size=integer("batch_size", batch_size, 1),
        drop_remainder=bool(drop_remainder),
        count=None if num_epochs is None else integer("num_epochs", num_epochs, 1),
    )
    if asked.batch_size > _MAX_BATCH:
        raise UsageError(f"batch_size is {batch_size}; it can be {_MAX_BATCH} at most.")
    if not asked.steps:
        raise UsageError(
            f"drop_remainder=True leaves no batch: an epoch has {asked.rows} rows, a batch "
            f"{asked.batch_size}. Use a smaller batch_size, or set epoch_rows."
        )
    return asked


def integer(option: str, value: Any, least: int | None) -> int:
    """The value as an int; True is none.

    Raises:
      UsageError: no integer, or below `least`.
    """
    try:
        number = operator.index(value)
    except TypeError:
        number = None
    if number is None or isinstance(value, bool) or (least is not None and number < least):
        bound = "" if least is None else f", {least} or more"
        raise UsageError(f"{option} is {value!r}; give an integer{bound}.")
    return number
