"""The plan of one reader: its rows, shares, weight factors, epochs and seeds, from the manifests alone."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from dataclasses import dataclass

from tfrecord_io.labels import Label
from tfrecord_io.reading import mixes, options, workers
from tfrecord_io.reading.datasets import Datasets
from tfrecord_io.reading.epochs import Epochs
from tfrecord_io.reading.strata import ReadClass


@dataclass(frozen=True, kw_only=True)
class ReadPlan:
    """What one worker reads, and how.

    Attributes:
      all_classes, classes: every row's, and this worker's; in the order of their labels.
      shares: whole numbers whose ratios are the classes' shares in this worker's batches; 0 = not read.
      prior_correction: {label: log((N_k/N) / b_k)} of the classes in the mix.
      factors: for each class, and each of its strata, what its stored weights are multiplied with.
      epochs: of this worker.
      start_step: batches to leave out, from all epochs.
      seed, shuffle, sampled, stored_order: as asked; stored_order is mix="stored".
      num_workers, worker_index: of how many workers this is which.
    """

    all_classes: tuple[ReadClass, ...]
    classes: tuple[ReadClass, ...]
    shares: tuple[int, ...]
    prior_correction: dict[Label, float]
    factors: tuple[tuple[float, ...], ...]
    epochs: Epochs
    start_step: int
    seed: int
    shuffle: bool
    sampled: bool
    stored_order: bool
    num_workers: int
    worker_index: int

    @functools.cached_property
    def class_rows(self) -> dict[Label, int]:
        """Rows stored of each class, of one fold, on all workers."""
        return {one.label: one.rows for one in self.all_classes}

    @functools.cached_property
    def source_class_rows(self) -> dict[Label, int]:
        """Rows of each class in the source."""
        return {one.label: one.source_rows for one in self.all_classes}

    @property
    def num_rows(self) -> int:
        """Rows stored of all classes."""
        return sum(self.class_rows.values())

    @property
    def opened(self) -> list[int]:
        """The numbers of the classes that are read."""
        return [number for number, share in enumerate(self.shares) if share]

    @property
    def worker_purpose(self) -> tuple[str, ...]:
        """What sets this worker's random choices apart from the other workers'."""
        return () if self.num_workers == 1 else (f"worker {self.worker_index} of {self.num_workers}",)


def plan_reading(
    found: Datasets,
    *,
    split: str | Iterable[str] = "train",
    batch_size: int,
    mix: mixes.Mix = "stored",
    batching: str = "exact",
    weights: str = "auto",
    shuffle: bool = True,
    num_epochs: int | None = None,
    epoch_rows: int | None = None,
    seed: int = 0,
    start_step: int = 0,
    num_workers: int = 1,
    worker_index: int = 0,
    drop_remainder: bool = False,
    fold: int | None = None,
) -> ReadPlan:
    """Plans the reading of what `datasets.load` found; the options are those of InputFn.

    Raises:
      UsageError: an option that does not exist or contradicts another.
      ManifestError: a class whose shards contradict its rows or folds.
    """
    options.check_choices(batching=batching, weights=weights)
    options.check_order(batching=batching, shuffle=shuffle)
    seed = options.integer("seed", seed, None)
    num_workers, worker_index = options.worker(num_workers, worker_index)
    classes = options.read_classes(found, split, fold)
    stored_order = mix == "stored"
    all_shares = mixes.shares(mix, classes)
    own = tuple(workers.dealt(classes, num_workers, worker_index, every_class=not stored_order))
    total = sum(one.rows for one in classes) if epoch_rows is None else options.integer("epoch_rows", epoch_rows, 1)
    # As `dealt` deals all rows of an epoch: row i to worker i modulo their number.
    rows = [total // num_workers + (index < total % num_workers) for index in range(num_workers)]
    epochs = options.epochs(
        rows, worker_index, batch_size=batch_size, num_epochs=num_epochs, drop_remainder=drop_remainder
    )
    factors = tuple((1.0,) * len(one.strata) for one in classes)
    return ReadPlan(
        all_classes=classes,
        classes=own,
        shares=mixes.shares("stored", own) if stored_order else all_shares,
        prior_correction=mixes.prior_correction(all_shares, classes),
        factors=mixes.weight_factors(all_shares, classes) if weights == "auto" else factors,
        epochs=epochs,
        start_step=options.start(start_step, epochs),
        seed=seed,
        shuffle=bool(shuffle),
        sampled=batching == "sampled",
        stored_order=stored_order,
        num_workers=num_workers,
        worker_index=worker_index,
    )
