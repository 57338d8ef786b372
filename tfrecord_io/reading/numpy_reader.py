"""Reading without TensorFlow: numpy batches, mixed and weighted as `InputFn` does."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np

from tfrecord_io.labels import Label
from tfrecord_io.reading import datasets, mixes
from tfrecord_io.reading.chances import keys_for, permutations
from tfrecord_io.reading.datasets import Paths
from tfrecord_io.reading.feature_columns import Decoder, FeatureColumn
from tfrecord_io.reading.feature_names import feature_names
from tfrecord_io.reading.listing import check_shards
from tfrecord_io.reading.numpy_streams import Streams
from tfrecord_io.reading.plan import ReadPlan, plan_reading
from tfrecord_io.reading.quotas import batch_quotas
from tfrecord_io.reading.row_store import RowStore

Batch: TypeAlias = tuple[Any, ...]
"""(features, label, weight), or without weights (features, label)."""


class ExampleBatches(Iterator[Batch]):
    """Batches, once; and what is known of them beforehand, from the manifest alone.

    Attributes:
      num_rows: rows stored in the split, of all its classes; of one fold.
      steps_per_epoch: batches in an epoch.
      class_rows, source_class_rows: {label: rows stored, of one fold}, {label: rows in the source}.
      prior_correction: {label: log((N_k/N) / b_k)} for the classes in the mix: to be added to the
        logits of a model trained without weights. See `calibrate`.
    """

    def __init__(self, batches: Iterator[Batch], plan: ReadPlan) -> None:
        self._batches = batches
        self.num_rows: int = plan.num_rows
        self.steps_per_epoch: int = plan.epochs.steps
        self.class_rows: dict[Label, int] = plan.class_rows
        self.source_class_rows: dict[Label, int] = plan.source_class_rows
        self.prior_correction: dict[Label, float] = plan.prior_correction

    def __next__(self) -> Batch:
        return next(self._batches)


def read_examples(
    path: Paths,
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
    features: Iterable[str] | None = None,
    label_ids: bool = False,
    fold: int | None = None,
) -> ExampleBatches:
    """Reads a split of a dataset, or several as one, its classes mixed as asked: numpy batches, no TensorFlow.

    With `toy` a dataset whose training split keeps 6 of 60 rows of class 0 and all 2 of class 1:

    >>> from tfrecord_io import read_examples
    >>> for features, label, weight in read_examples(toy, batch_size=4, mix="balanced", num_epochs=1):
    ...     print(sorted(features), features["id"].shape, np.sort(label), np.sort(weight).round(2))
    ['id'] (4,) [0 0 1 1] [0.06 0.06 1.94 1.94]
    ['id'] (4,) [0 0 1 1] [0.06 0.06 1.94 1.94]

    The options are those of `input_fns.InputFn`, and mean the same: epochs, passes, folds, workers,
    weights and, with `batching="exact"`, the number of rows of each class in every batch are equal.
    Which rows these are, and their order, is drawn in another way. The same options and seed give
    the same batches on any machine. Options are checked at the call; shards are opened when batches
    are asked for.

    Cost: 100 000 to 200 000 rows of 26 features a second on one core. Memory: a window of up to
    16384 decoded rows a class. A class of fewer rows is read once and kept. No file stays open: any
    number of classes and shards needs one descriptor at a time. Decoding happens in the caller's
    thread; for more, run a reader a process, with `num_workers` and `worker_index`.

    Args:
      path: a dataset, or its manifest.json; or several, which are read as one.
      split: train, eval, test: whichever there is; or a list of splits.
      batch_size: rows a batch (of one worker).
      mix: "stored" (an epoch is each row exactly once), "natural", "balanced", or {label: share}.
      batching: "exact": at every batch each class has had its share to within one row; "sampled":
        the class of each row is drawn at random.
      weights: "auto": calibrated at this mix, mean 1; "stored": as on disk; "none".
      shuffle: permute shards, then windows of at least 8192 rows, then the batch. If False: stored
        order, in each batch class after class.
      num_epochs: None = without end.
      epoch_rows: rows an epoch, of all workers; by default those stored.
      seed: any integer.
      start_step: batches to leave out, counted over all epochs; only shards that later ones lie in
        are opened.
      num_workers: how many readers share the rows.
      worker_index: which of them this is, from 0.
      drop_remainder: leave out the short last batch of each epoch.
      features: names, a subset; None = all.
      label_ids: labels are numbers from 0 on in the order of the manifest's classes.
      fold: None = a class's folds one after the other, one a pass; j = fold j in every pass.

    Returns:
      An iterator, which knows `num_rows`, `steps_per_epoch` and more before it reads. It yields
      (features, label, weight), or without weights (features, label). Features are a dict: float32,
      int64, or object arrays of bytes, [rows] or, of n values each, [rows, n]. Those with any number
      of values are object arrays [rows] of read-only arrays [values]. Missing values are what the
      dataset's schema declares, else NaN, -1 or b"". Label is [rows]; weight float32 [rows]. What is
      yielded is the caller's own.

    Raises:
      UsageError (a ValueError): an option that does not exist or contradicts another.
      ManifestError: no dataset there, or a damaged manifest.
      CorruptShardError: a shard that is missing or has another size than the manifest says, before
        anything is read; one that is damaged, when it is reached; names shard and record.
    """
    found = datasets.load(path)
    plan = plan_reading(
        found,
        split=split,
        batch_size=batch_size,
        mix=mix,
        batching=batching,
        weights=weights,
        shuffle=shuffle,
        num_epochs=num_epochs,
        epoch_rows=epoch_rows,
        seed=seed,
        start_step=start_step,
        num_workers=num_workers,
        worker_index=worker_index,
        drop_remainder=drop_remainder,
        fold=fold,
    )
    check_shards(plan)
    names = feature_names(found, features)
    columns = [FeatureColumn.of(name, found.schema[name]) for name in (*names, found.label)]
    weight = None if weights == "none" else found.weight
    if weight is not None:
        columns.append(FeatureColumn.of(weight, {"dtype": "float32", "shape": []}))
    decoder = Decoder(columns, found.label, weight, stored=len(found.schema) + 1)
    label = None if label_ids else found.label
    return ExampleBatches(_batches(plan, decoder, names, label, weight), plan)


def _batches(
    plan: ReadPlan, decoder: Decoder, names: Sequence[str], label: str | None, weight: str | None
) -> Iterator[Batch]:
    store = RowStore(decoder)
    before, quotas = batch_quotas(plan)
    streams = Streams(plan, store, before)
    keys = keys_for(plan, "batch")
    for number, quota in enumerate(quotas, plan.start_step):
        rows = int(quota.sum())
        first = plan.epochs.rows_before(number)
        order = permutations(first, 1, rows, keys)[0] if plan.shuffle else np.arange(rows)
        columns = streams.take(quota, order)
        features = {name: columns[name] for name in names}
        labels = np.repeat(np.array(plan.opened), quota)[order] if label is None else columns[label]
        yield (features, labels) if weight is None else (features, labels, columns[weight])
