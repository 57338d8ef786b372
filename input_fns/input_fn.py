"""InputFn: a published dataset as a tf.data.Dataset of mixed, weighted batches."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any

import tensorflow as tf

from input_fns.counted import counted
from input_fns.mixing import mixer_of
from input_fns.parsing import FeatureSpec, Parser, feature_spec
from input_fns.quotas import quotas_of
from input_fns.shards import in_order
from input_fns.storage import opener
from tfrecord_io.errors import UsageError
from tfrecord_io.labels import Label
from tfrecord_io.reading import datasets, mixes, options
from tfrecord_io.reading.datasets import Paths
from tfrecord_io.reading.listing import check_shards
from tfrecord_io.reading.plan import ReadPlan, plan_reading


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
    saved in a `tf.train.Checkpoint`; `start_step` resumes without one.

    Construction opens manifest.json and nothing else, as do all attributes. Rows of small classes
    are read once and kept (KEPT_ROWS a class, KEPT_BYTES of shards in all); of each other class two
    windows of 8192 to 16384 rows are in memory and one file is open, up to MAX_OPEN of them: see
    `input_fns.kept` and `input_fns.streams`. Iterating costs about what reading the same shards
    without mixing does. TensorFlow's autotuning is off in the Dataset, as it costs more than it finds.

    Args:
      path: the dataset, or its manifest.json; or several, which are read as one: rows, shares,
        weights and priors are those of all together. Labels and sampling rates may differ, features
        not. Local, or on any file system that TensorFlow reads (gs://...).
      split: train, eval, test: whichever there is; or a list of splits, which are read as one too.
      batch_size: rows a batch, 1 to 1048576; of one worker.
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
      epoch_rows: rows an epoch, of all workers; by default `num_rows`. With another number, or
        `drop_remainder`, the next epoch goes on where this one stopped.
      seed: any integer.
      start_step: leave out so many batches, counted over all epochs; opens only the shards that the
        others lie in.
      num_workers, worker_index: read one worker's part, as a `tf.distribute.InputContext` also says.
        With mix="stored" each row is on exactly one worker; with others every worker sees every
        class. All have as many batches.
      drop_remainder: leave out the short last batch of each epoch; batches then have a static shape.
      features: a list of names; or name -> tf.io feature, to read them otherwise; None = all.
        Features absent from some rows are there what the dataset's schema declares, else NaN, -1 or
        b""; those with any number of values are SparseTensors. See `feature_spec`.
      map_fn: called with the structure's parts, on whole batches, as `Dataset.map` would.
      label_ids: yield int64 ids from 0 instead of labels: places in the order of `class_rows`.
      fold: None = a class's folds one after the other, one a pass; j = fold j in every pass. Classes
        that have but one fold repeat it.

    Attributes:
      num_rows: rows stored in the split, of all its classes and workers; of one fold: `fold`, or the
        first.
      steps_per_epoch: batches in an epoch, of one worker.
      class_rows, source_class_rows: {label: rows stored, of one fold}, {label: rows in the source}.
      feature_spec: name -> tf.io feature of the features (not of label and weight).
      element_spec: that of the Dataset.
      prior_correction: {label: log((N_k/N) / b_k)} for the classes in the mix: to be added to the
        logits of a model trained without weights; for one sigmoid, that of class 1 less that of 0.

    Raises:
      UsageError (a ValueError): an option that does not exist or contradicts another, or datasets
        that cannot be read as one.
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
        start_step: int = 0,
        num_workers: int = 1,
        worker_index: int = 0,
        drop_remainder: bool = False,
        features: Iterable[str] | FeatureSpec | None = None,
        map_fn: Callable[..., Any] | None = None,
        label_ids: bool = False,
        fold: int | None = None,
    ) -> None:
        options.check_choices(structure=structure)
        asked: dict[str, Any] = {
            "split": split,
            "batch_size": batch_size,
            "mix": mix,
            "batching": batching,
            "weights": weights,
            "shuffle": shuffle,
            "num_epochs": num_epochs,
            "epoch_rows": epoch_rows,
            "seed": seed,
            "start_step": start_step,
            "drop_remainder": drop_remainder,
            "fold": fold,
        }
        self._datasets = datasets.load(path, opener)
        self._plan_for = functools.partial(plan_reading, self._datasets, **asked)
        self._plan = self._plan_for(num_workers=num_workers, worker_index=worker_index)
        self._map_fn = map_fn
        self._whole = bool(drop_remainder)

        self.class_rows: dict[Label, int] = self._plan.class_rows
        self.source_class_rows: dict[Label, int] = self._plan.source_class_rows
        self.num_rows: int = self._plan.num_rows
        self.steps_per_epoch: int = self._plan.epochs.steps
        self.prior_correction: dict[Label, float] = self._plan.prior_correction
        self.feature_spec: dict[str, Any] = feature_spec(self._datasets, features)
        self._parser = Parser(
            features=self.feature_spec,
            label=self._datasets.label,
            label_dtype=self._datasets.schema[self._datasets.label]["dtype"],
            labels=tuple(one.label for one in self._plan.classes),
            label_ids=bool(label_ids),
            weight=None if weights == "none" else self._datasets.weight,
            structure=structure,
        )

    @functools.cached_property
    def element_spec(self) -> Any:
        """The `element_spec` of the Dataset; traces it, reads nothing."""
        return self._dataset(self._plan).element_spec

    def __call__(self, input_context: tf.distribute.InputContext | None = None) -> tf.data.Dataset:
        """A new Dataset, from batch `start_step` on; its cardinality is known, or infinite.

        Args:
          input_context: of `tf.distribute`; says which worker this is, of how many.

        Raises:
          UsageError: the context contradicts `num_workers` and `worker_index`.
          CorruptShardError: a shard is missing or has another size than the manifest says; names it.
            Looks at local files only: elsewhere that is found when the shard is reached.
        """
        plan = self._plan if input_context is None else self._plan_of(input_context)
        check_shards(plan)
        return self._dataset(plan)

    def _plan_of(self, context: tf.distribute.InputContext) -> ReadPlan:
        workers = (context.num_input_pipelines, context.input_pipeline_id)
        given = (self._plan.num_workers, self._plan.worker_index)
        if given == workers:
            return self._plan
        if given != (1, 0):
            raise UsageError(
                f"The input context is of worker {workers[1]} of {workers[0]}, but worker_index is {given[1]} and "
                f"num_workers {given[0]}. Leave these out: the context says which worker this is."
            )
        return self._plan_for(num_workers=workers[0], worker_index=workers[1])

    def _dataset(self, plan: ReadPlan) -> tf.data.Dataset:
        mixer = mixer_of(plan, self._parser, whole=self._whole)
        known = plan.epochs.batches
        batches = counted(_unconverted(mixer.batches)(quotas_of(plan)), known and known - plan.start_step)
        if not self._parser.parses_blocks:
            batches = in_order(batches, _unconverted(self._parser.element))
        if self._map_fn is not None:
            batches = in_order(batches, self._map_fn)
        options = tf.data.Options()
        options.autotune.enabled = False  # To time every record takes a quarter of the speed, and finds nothing here.
        return batches.prefetch(_READY_BATCHES).with_options(options)


_READY_BATCHES = 4

_unconverted = tf.autograph.experimental.do_not_convert
"""Our functions are plain TensorFlow: to have autograph rewrite them would take most of the time to the first batch."""
