"""Options: what InputFn accepts, and what contradicts what."""

from __future__ import annotations

import operator
from typing import Any

from input_fns.epochs import Epochs
from tfrecord_io.errors import ManifestError, UsageError
from tfrecord_io.manifest import ClassEntry, Manifest

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


def readable_classes(manifest: Manifest, split: str) -> tuple[ClassEntry, ...]:
    """The classes of a split that this reader can read as they are.

    Raises:
      UsageError: no such split, an empty one, or one with several folds.
      ManifestError: a class whose shards do not add up to its rows.
    """
    if split not in manifest.splits:
        raise UsageError(f"There is no split {split!r}; the dataset has {', '.join(sorted(manifest.splits))}.")
    classes = manifest.splits[split].classes
    if not any(entry.rows for entry in classes):
        others = sorted(name for name, other in manifest.splits.items() if other.rows)
        raise UsageError(f"Split {split!r} holds no row. Splits with rows: {', '.join(others) or 'none'}.")
    folded = [entry.label for entry in classes if entry.folds > 1]
    if folded:
        raise UsageError(
            f"Split {split!r} holds several folds of the classes {', '.join(map(repr, folded))}, which "
            "this version of InputFn does not read."
        )
    for entry in classes:
        found = sum(shard.rows for shard in entry.shards)
        if found != entry.rows:
            raise ManifestError(
                f"The manifest gives class {entry.label!r} of split {split!r} {entry.rows} rows, but its "
                f"shards {found}. The manifest is damaged: write the dataset again."
            )
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
