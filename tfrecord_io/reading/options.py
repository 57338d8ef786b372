"""Options: what readers accept, and what contradicts what."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Sequence
from typing import Any

from tfrecord_io.errors import UsageError
from tfrecord_io.reading import strata
from tfrecord_io.reading.datasets import Datasets
from tfrecord_io.reading.epochs import Epochs
from tfrecord_io.reading.strata import ReadClass

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


def split_names(split: object, datasets: Datasets) -> tuple[str, ...]:
    """The splits to read as one.

    Raises:
      UsageError: none, one that is in no dataset or one named twice; lists those there are.
    """
    names = tuple(split) if isinstance(split, Iterable) and not isinstance(split, str) else (split,)
    there = sorted({name for manifest in datasets.manifests for name in manifest.splits})
    what = "dataset has" if len(datasets.manifests) == 1 else "datasets have"
    has = f"the {what} {', '.join(there)}."
    if not names:
        raise UsageError(f"split is an empty list; name one split or more: {has}")
    unknown = [name for name in names if not isinstance(name, str) or name not in there]
    if unknown:
        raise UsageError(f"There is no split {', '.join(map(repr, unknown))}; {has}")
    twice = [name for name in dict.fromkeys(names) if names.count(name) > 1]
    if twice:
        raise UsageError(f"split names {', '.join(map(repr, twice))} more than once. Name each split once.")
    return names


def read_classes(datasets: Datasets, split: str | Iterable[str], fold: int | None) -> tuple[ReadClass, ...]:
    """The classes of the splits of all datasets, in all folds or in one.

    Raises:
      UsageError: no such split or fold, or one without rows.
      ManifestError: a class whose shards contradict its rows or folds.
    """
    names = split_names(split, datasets)
    found: list[strata.Stratum] = []
    for manifest, directory in zip(datasets.manifests, datasets.directories, strict=True):
        own = [name for name in names if name in manifest.splits]
        found += strata.read_strata(manifest, directory, own, named=len(datasets.manifests) > 1)
    if fold is not None:
        found = strata.one_fold(found, integer("fold", fold, 0))
    classes = strata.merged(found)
    if not any(one.rows for one in classes):
        held = {name for manifest in datasets.manifests for name, other in manifest.splits.items() if other.rows}
        what = "" if fold is None else f" in fold {fold}"
        verb = "holds" if len(names) == 1 else "hold"
        others = ", ".join(sorted(held)) or "none"
        raise UsageError(f"Split {', '.join(map(repr, names))} {verb} no row{what}. Splits with rows: {others}.")
    return classes


def epochs(
    rows: Sequence[int], worker_index: int, *, batch_size: int, num_epochs: int | None, drop_remainder: bool
) -> Epochs:
    """The epochs of one worker.

    Args:
      rows: of an epoch, of each worker; they differ by one at most.
      worker_index: of the worker.
      batch_size: rows a batch of one worker.
      num_epochs: None = without end.
      drop_remainder: leave out short batches.

    Raises:
      UsageError: a number that is none or too small or large; an epoch without a batch.
    """
    size = integer("batch_size", batch_size, 1)
    count = None if num_epochs is None else integer("num_epochs", num_epochs, 1)
    if size > _MAX_BATCH:
        raise UsageError(f"batch_size is {size}; it can be {_MAX_BATCH} at most.")
    steps = min(rows) // size if drop_remainder else -(-max(rows) // size)
    whose = f" of each of {len(rows)} workers" if len(rows) > 1 else ""
    if not steps:
        raise UsageError(
            f"drop_remainder=True leaves no batch: an epoch{whose} has {min(rows)} rows, a batch "
            f"{size}. Use a smaller batch_size, or set epoch_rows."
        )
    if min(rows) < steps and not drop_remainder:
        raise UsageError(
            f"An epoch has {sum(rows)} rows, which do not give every one of {len(rows)} workers a row in each of "
            f"{steps} batches. Use fewer workers."
        )
    own = steps * size if drop_remainder else rows[worker_index]
    return Epochs(rows=own, batch_size=size, steps=steps, count=count)


def worker(num_workers: int, worker_index: int) -> tuple[int, int]:
    """The number of workers, and which one this is.

    Raises:
      UsageError: numbers that are none, or an index that is not below the number.
    """
    workers, index = integer("num_workers", num_workers, 1), integer("worker_index", worker_index, 0)
    if index >= workers:
        raise UsageError(f"worker_index is {index}, but num_workers is {workers}: indices run from 0 to {workers - 1}.")
    return workers, index


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


def start(start_step: int, epochs: Epochs) -> int:
    """The batches to leave out.

    Raises:
      UsageError: no number, below 0, or more than there are batches.
    """
    step = integer("start_step", start_step, 0)
    if epochs.batches is not None and step > epochs.batches:
        raise UsageError(
            f"start_step is {step}, but {epochs.count} epochs have {epochs.batches} batches of {epochs.batch_size} "
            "rows. Use a smaller one, more num_epochs, or num_epochs=None."
        )
    return step
