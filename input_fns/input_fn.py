"""InputFn: a published dataset as a tf.data.Dataset of mixed, weighted batches."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any

import tensorflow as tf

from input_fns import quotas, seeds, streams
from input_fns.parsing import FeatureSpec, Parser, feature_spec
from tfrecord_io import labels
from tfrecord_io.labels import Label
from tfrecord_io.reading import mixes, options
from tfrecord_io.reading.datasets import Paths
from tfrecord_io.reading.plan import plan_reading

_COMPRESSIONS = {"none": "", "gzip": "GZIP"}


class InputFn:
    """Reads a split of a dataset, or several as one, its classes mixed as asked.

    With `toy` a dataset whose training split keeps 6 of 60 rows of class 0 and all 2 of class 1:

    >>> import numpy as np
    >>> train = InputFn(toy, batch_size=4, mix="balanced", num_epochs=1, seed=1)
    >>> train.num_rows, train.steps_per_epoch, train.class_rows
    (8, 2, {0: 6, 1: 2})
    >>> for features, label, weight in train():
    ...     print(np.sort(label), np.sort(weight).round(2))
    [0 0 1 1] [0.06 0.06 1.94 1.94]
    [0 0 1 1] [0.06 0.06 1.94 1.94]

    (Class 1 is 2/62 of the source and 1/2 of the mix: its weight is 2/62 / (1/2) = 0.06.)

    Calling it returns a new `tf.data.Dataset`; two calls yield the same batches. The same options
    and seed give the same batches on any machine. No random op has state, so an iterator can be
    saved in a `tf.train.Checkpoint`.

    Construction opens manifest.json and nothing else, as do all attributes. Iterating costs about
    what reading the same shards without mixing does; memory is two windows of 8192 to 16384 raw
    records a class.

    Args:
      path: the dataset, or its manifest.json.
      split: train, eval, test: whichever there is; or a list of splits, which are read as one, with
        rows, shares, weights and priors of all together.
      batch_size: rows a batch, 1 to 1048576.
      mix: the classes' shares: "stored" (rows kept; an epoch is each row exactly once), "natural"
        (source rows), "balanced" (equal), or {label: share} naming every class. A class of share 0
        is not opened. Classes run in endless passes, reshuffled each time, across epochs.
      batching: "exact": at every batch each class has had its share of all rows so far to within
        one row; "sampled": the class of each row is drawn at random (at mix="stored" without
        replacement).
      weights: "auto": calibrated at this mix, mean 1: the weighted class shares are the source's.
        "stored": as on disk (after a 1:99 `balance` their mean is about 50, which scales Keras
        losses and gradients). "none": no weight is yielded.
      structure: "keras": (features, label, weight), without weights (features, label);
        "estimator": (features with the weight among them, label); "dict": all in one. Features are
        a dict; the weight's name is the manifest's (`weight` by default).
      shuffle: permute shards, then windows of at least 8192 rows, then the batch. If False: stored
        order, in each batch class after class, the same in every pass.
      num_epochs: None = without end.
      epoch_rows: rows an epoch; by default `num_rows`. With another number, or `drop_remainder`,
        the next epoch goes on where this one stopped.
      seed: any integer.
      drop_remainder: leave out the short last batch of each epoch; batches then have a static shape.
      features: a list of names; or name -> tf.io feature, to read them otherwise; None = all.
        Features absent from some rows are there what the dataset's schema declares, else NaN, -1 or
        b""; those with any number of values are SparseTensors. See `feature_spec`.
      map_fn: called with the structure's parts, on whole batches, as `Dataset.map` would.
      fold: None = a class's folds one after the other, one a pass; j = fold j in every pass. Classes
        that have but one fold repeat it.

    Attributes:
      num_rows: rows stored in the split, of all its classes; of one fold: `fold`, or the first.
      steps_per_epoch: batches in an epoch.
      class_rows, source_class_rows: {label: rows stored, of one fold}, {label: rows in the source}.
      feature_spec: name -> tf.io feature of the features (not of label and weight).
      element_spec: that of the Dataset.
      prior_correction: {label: log((N_k/N) / b_k)} for the classes in the mix: to be added to the
        logits of a model trained without weights; for one sigmoid, that of class 1 less that of 0.

    Raises:
      UsageError (a ValueError): an option that does not exist or contradicts another.
      ManifestError: no dataset there, or a damaged manifest.
    """

    def __init__(
        self,
        path: Paths,
        *,
        split: str | Iterable[str] = "train",
        batch_size: int,
        mix: mixes.Mix = "stored",
        batching: str = "exact",
        weights: str = "auto",
        structure: str = "keras",
        shuffle: bool = True,
        num_epochs: int | None = None,
        epoch_rows: int | None = None,
        seed: int = 0,
        drop_remainder: bool = False,
        features: Iterable[str] | FeatureSpec | None = None,
        map_fn: Callable[..., Any] | None = None,
        fold: int | None = None,
    ) -> None:
        options.check_choices(structure=structure)
        self._plan = plan_reading(
            path,
            split=split,
            batch_size=batch_size,
            mix=mix,
            batching=batching,
            weights=weights,
            shuffle=shuffle,
            num_epochs=num_epochs,
            epoch_rows=epoch_rows,
            seed=seed,
            drop_remainder=drop_remainder,
            fold=fold,
        )
        found = self._plan.datasets
        self._classes, self._shares, self._epochs = self._plan.classes, self._plan.shares, self._plan.epochs
        self._factors, self._seed, self._shuffle = self._plan.factors, self._plan.seed, self._plan.shuffle
        self._stored_order, self._sampled = self._plan.stored_order, self._plan.sampled
        self._drop_remainder = bool(drop_remainder)
        self._map_fn = map_fn

        self.class_rows: dict[Label, int] = self._plan.class_rows
        self.source_class_rows: dict[Label, int] = self._plan.source_class_rows
        self.num_rows: int = self._plan.num_rows
        self.steps_per_epoch: int = self._epochs.steps
        self.prior_correction: dict[Label, float] = mixes.prior_correction(self._shares, self._classes)
        self.feature_spec: dict[str, Any] = feature_spec(found, features)
        self._parser = Parser(
            features=self.feature_spec,
            label=found.label,
            label_dtype=found.schema[found.label]["dtype"],
            weight=None if weights == "none" else found.weight,
            structure=structure,
        )

    @functools.cached_property
    def element_spec(self) -> Any:
        """The `element_spec` of the Dataset; traces the parsing and `map_fn`, reads nothing."""
        block = tf.data.Dataset.from_tensors(b"").batch(self._epochs.batch_size)
        batch = tf.data.Dataset.zip((tf.data.Dataset.range(1), tf.data.Dataset.zip((block,))))
        return batch.map(functools.partial(self._finish, factors=[1.0])).element_spec

    def __call__(self) -> tf.data.Dataset:
        """A new Dataset, from the first batch on; its cardinality is known, or infinite."""
        opened = [k for k, share in enumerate(self._shares) if share]
        passes = [self._stream(k) for k in opened]
        raw = streams.mixed(passes, self._quotas(opened))
        finish = functools.partial(self._finish, factors=[stream.shards[0].factor for stream in passes])
        numbered = tf.data.Dataset.zip((quotas.batch_numbers(self._epochs), raw))
        batches = numbered.map(finish, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
        known = self._epochs.batches
        cardinality = tf.data.INFINITE_CARDINALITY if known is None else known
        counted = batches.apply(tf.data.experimental.assert_cardinality(cardinality))
        return counted.prefetch(tf.data.AUTOTUNE)

    def _quotas(self, opened: list[int]) -> tf.data.Dataset:
        shares = [self._shares[k] for k in opened]
        if not self._sampled:
            return quotas.exact(shares, self._epochs)
        key = seeds.key(self._seed, "classes")
        if self._stored_order:
            rows = [self._classes[k].rows for k in opened]
            return quotas.drawn_without_replacement(rows, self._epochs, key)
        return quotas.drawn(shares, self._epochs, key)

    def _stream(self, k: int) -> streams.ClassStream:
        name = repr(labels.to_json(self._classes[k].label))
        return streams.ClassStream(
            label=name,
            shards=tuple(
                streams.StreamShard(
                    path=shard.path,
                    rows=shard.rows,
                    fold=shard.fold,
                    folds=stratum.folds,
                    factor=factor,
                )
                for stratum, factor in zip(self._classes[k].strata, self._factors[k], strict=True)
                for shard in stratum.slices
            ),
            compression=_COMPRESSIONS[self._plan.datasets.manifests[0].compression],
            key=seeds.key(self._seed, "rows", name) if self._shuffle else None,
        )

    def _finish(self, number: tf.Tensor, blocks: tuple[streams.Block, ...], *, factors: list[float]) -> Any:
        """From the classes' raw records of one batch to what is yielded.

        Args:
          number: of the batch.
          blocks: one a class.
          factors: those of classes whose records bring none of their own.
        """
        records, factor = _joined(blocks, factors)
        if self._shuffle:
            key = seeds.key(self._seed, "batch")
            order = seeds.permutation(tf.size(records), seeds.fold(key, number))
            records, factor = tf.gather(records, order), tf.gather(factor, order)
        if self._drop_remainder:
            records = tf.ensure_shape(records, [self._epochs.batch_size])
        else:
            records = tf.ensure_shape(records, [None])
        element = self._parser.parse(records, factor)
        if self._map_fn is None:
            return element
        return self._map_fn(*element) if isinstance(element, tuple) else self._map_fn(element)


def _joined(blocks: tuple[streams.Block, ...], factors: list[float]) -> tuple[tf.Tensor, tf.Tensor]:
    """The records of all classes, and the factor of each."""
    records = [block[0] if isinstance(block, tuple) else block for block in blocks]
    sizes = [tf.size(block) for block in records]
    if not any(isinstance(block, tuple) for block in blocks):
        return tf.concat(records, axis=0), tf.repeat(tf.constant(factors, tf.float32), sizes)
    own = [
        block[1] if isinstance(block, tuple) else tf.fill([size], tf.constant(factor, tf.float32))
        for block, size, factor in zip(blocks, sizes, factors, strict=True)
    ]
    return tf.concat(records, axis=0), tf.concat(own, axis=0)
