"""Resampling: class shares changed on the fly, for data that was not sampled beforehand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from input_fns import seeds
from input_fns.class_numbers import check_labels, class_numbers
from input_fns.rates import ClassRates, Source, Target, class_rates, source_shares
from tfrecord_io.errors import UsageError
from tfrecord_io.reading import options

_PIECE = 8192
_PARTS = (tf.TensorSpec, tf.RaggedTensorSpec, tf.SparseTensorSpec)


def resample(
    dataset: tf.data.Dataset,
    class_fn: Callable[..., tf.Tensor],
    target: Target = "balanced",
    *,
    source: Source,
    batch_size: int | None,
    split: str | None = None,
    soften: tuple[float, float] = (1.0, 1.0),
    replicate: bool = True,
    weights: str = "auto",
    batched: bool = False,
    window: int = 8192,
    seed: int = 0,
    drop_remainder: bool = False,
) -> tf.data.Dataset:
    """Batches of the dataset's elements, in other class shares, with weights that undo it.

    Of 990 rows below 990 and 10 others, one class is thinned out and the other repeated:

    >>> import numpy as np, tensorflow as tf
    >>> rows = tf.data.Dataset.range(1000)
    >>> def positive(row):
    ...     return row >= 990
    >>> shares = {False: 0.99, True: 0.01}
    >>> for row, weight in resample(rows, positive, "balanced", source=shares, batch_size=500):
    ...     print(row.shape, int(tf.reduce_sum(tf.cast(positive(row), tf.int32))), np.unique(weight))
    (500,) 250 [0.02 1.98]
    (500,) 241 [0.02 1.98]
    (22,) 9 [0.02 1.98]

    Class k has the share s_k of the source and t_k of the target. Each of its rows is yielded
    (t_k / s_k)^c times on average: that number rounded down, and once more with the chance of the
    remainder. So a row of an over-represented class is kept with the chance (t_k / s_k)^c. With
    soften=(1, 1) the target's shares are met in expectation; with (0, 0) every row is yielded once.
    Weights are inverse to these rates, with mean 1 over what is yielded.

    Rows are read in windows; all that happens to a window, one vectorised step does. It is yielded
    in random order, in which two of c copies of a row lie at least about 1/(2c) of the window apart.
    Raw records are the fastest to pass: class_fn parses their label alone, and the rest is parsed of
    what is yielded, in whole batches.

    Every random choice is a pure function of (seed, number of the window): the same input and seed
    give the same batches, in every iteration, and an iterator can be saved in a
    `tf.train.Checkpoint`. For other draws in each pass repeat what goes in: resample(dataset.repeat(), ...).

    Cost: memory of a few windows, one being yielded and one for each core, with about 60 bytes for each
    row that they yield; the first batch waits for the first window. Every pass reads every row.

    Args:
      dataset: any structure of dense, ragged and sparse tensors; its rows in random order, or nearly.
      class_fn: called as `Dataset.map` would, but on many rows at once, [rows, ...]; returns their
        labels, [rows].
      target: "balanced", {label: share} or a list of the shares of the classes 0, 1, ...; shares need
        not add up to 1; 0 leaves a class out.
      source: the class shares of `dataset`: the path of a presample dataset or its Manifest (its
        source rows, not those it kept), {label: share or rows}, or a list. Nothing is counted.
      batch_size: rows a batch; None = single elements, at the price of speed.
      split: of the manifest; train if left out.
      soften: the exponents c of the classes that get rarer, and of those that get more frequent.
      replicate: if False all rates are divided by the largest, so that no row is yielded twice: what
        `Dataset.rejection_resample` does.
      weights: "auto": (features, label) is yielded as (features, label, weight), a weight that is
        there as third is multiplied, and any other element is yielded as (element, weight).
        "none": elements stay as they are.
      batched: the dataset yields batches, of any size.
      window: rows that are read and shuffled together.
      seed: any integer.
      drop_remainder: leave out the short last batch; batches then have a static shape.

    Raises:
      UsageError (a ValueError): an option that does not exist or contradicts another, or a class_fn
        that does not return a label a row.
      ManifestError: no dataset there, or a damaged manifest.
      InvalidArgumentError: when reached: a label that source gives no share; names it.
    """
    if weights not in ("auto", "none"):
        raise UsageError(f"There is no weights {weights!r}; weights is one of auto, none.")
    size = None if batch_size is None else options.integer("batch_size", batch_size, 1)
    if size is None and drop_remainder:
        raise UsageError("drop_remainder=True leaves out a short batch, but batch_size=None yields no batches.")
    rates = class_rates(source_shares(source, split), target, soften, replicate)
    windows = _windows(dataset, options.integer("window", window, 1), batched)
    check_labels(windows.map(class_fn).element_spec, rates.labels)
    weighted = weights == "auto"
    if weighted:
        _check_weight(windows.element_spec)
    key = seeds.key(options.integer("seed", seed, None), "resample")

    def drawn(number: tf.Tensor, element: Any) -> tuple[Any, tf.Tensor, tf.Tensor]:
        found = class_fn(*element) if type(element) is tuple else class_fn(element)
        classes = class_numbers(found, rates.labels, _row_count(tf.nest.flatten(element)[0]))
        return element, classes, _rows(tf.gather(tf.constant(rates.rates, tf.float64), classes), key, number)

    def pieces(element: Any, classes: tf.Tensor, rows: tf.Tensor) -> tf.data.Dataset:
        starts = tf.data.Dataset.range(0, tf.size(rows, tf.int64), _PIECE)
        return starts.map(lambda start: _piece(element, classes, rows[start : start + _PIECE], rates, weighted))

    numbered = windows.enumerate().map(drawn, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    yielded = numbered.flat_map(pieces)
    return yielded.unbatch() if size is None else yielded.rebatch(size, drop_remainder=drop_remainder)


def _windows(dataset: Any, rows: int, batched: bool) -> tf.data.Dataset:
    """The dataset in batches of `rows`."""
    if not isinstance(dataset, tf.data.Dataset):
        raise UsageError(f"dataset is {dataset!r}; give a tf.data.Dataset.")
    parts = tf.nest.flatten(dataset.element_spec)
    strange = [str(spec) for spec in parts if not isinstance(spec, _PARTS)]
    if strange:
        raise UsageError(f"The dataset yields {', '.join(strange)}. Dense, ragged and sparse tensors can be resampled.")
    if not batched:
        return dataset.batch(rows)
    if any(spec.shape.rank == 0 for spec in parts):
        raise UsageError(f"batched=True, but the dataset yields single elements: {dataset.element_spec}.")
    return dataset.rebatch(rows)


def _check_weight(spec: Any) -> None:
    if type(spec) is not tuple or len(spec) != 3:
        return
    third = spec[2]
    if not isinstance(third, tf.TensorSpec) or third.shape.rank not in (1, None) or not third.dtype.is_floating:
        raise UsageError(
            "Elements of three parts are (features, label, weight), the weight one float a row, but the third part "
            f"of the dataset's is {third}. Use weights='none', or a dict in place of the tuple."
        )


def _row_count(part: Any) -> tf.Tensor:
    if isinstance(part, tf.RaggedTensor):
        return tf.cast(part.nrows(), tf.int32)
    return tf.cast(part.dense_shape[0], tf.int32) if isinstance(part, tf.SparseTensor) else tf.shape(part)[0]


def _rows(rates: tf.Tensor, key: seeds.Key, number: tf.Tensor) -> tf.Tensor:
    """The rows that a window yields, in the order in which it does; int64.

    Args:
      rates: float64 of shape [rows].
      key: of the random choices.
      number: of the window.
    """

    def uniform(shape: Any, purpose: int) -> tf.Tensor:
        seed = seeds.fold(key, number, tf.constant(purpose, tf.int64))
        return tf.random.stateless_uniform(shape, seed, dtype=tf.float64)

    whole = tf.floor(rates)
    copies = tf.cast(whole, tf.int64) + tf.cast(uniform(tf.shape(rates), 0) < rates - whole, tf.int64)
    ends = tf.cumsum(copies)
    numbers = tf.range(tf.reduce_sum(copies))
    rows = tf.searchsorted(ends, numbers, side="right")  # tf.repeat takes memory of rows x most copies
    copy = numbers - tf.gather(ends - copies, rows)
    # On a circle: a row's first copy lies anywhere, the others in equal steps from it, each moved by
    # up to half a step.
    steps = tf.cast(copy, tf.float64) + uniform(tf.shape(rows), 2) / 2
    place = tf.gather(uniform(tf.shape(rates), 1), rows) + steps / tf.cast(tf.gather(copies, rows), tf.float64)
    return tf.gather(rows, tf.argsort(place - tf.floor(place)))


def _piece(element: Any, classes: tf.Tensor, rows: tf.Tensor, rates: ClassRates, weighted: bool) -> Any:
    """Some rows of a window, and their weights."""
    taken = tf.nest.map_structure(lambda part: _take(part, rows), element)
    if not weighted:
        return taken
    weight = tf.gather(tf.constant(rates.weights, tf.float32), tf.gather(classes, rows))
    if type(taken) is tuple and len(taken) == 3:
        features, label, before = taken
        return features, label, before * tf.cast(weight, before.dtype)
    return (*taken, weight) if type(taken) is tuple and len(taken) == 2 else (taken, weight)


def _take(part: Any, rows: tf.Tensor) -> Any:
    if not isinstance(part, tf.SparseTensor):
        return tf.gather(part, rows)
    part = tf.sparse.reorder(part)
    places = tf.range(tf.size(part.values, tf.int64))
    of_row = tf.RaggedTensor.from_value_rowids(places, part.indices[:, 0], nrows=part.dense_shape[0], validate=False)
    taken = tf.gather(of_row, rows)
    indices = tf.concat([taken.value_rowids()[:, tf.newaxis], tf.gather(part.indices[:, 1:], taken.values)], axis=1)
    shape = tf.concat([tf.size(rows, tf.int64)[tf.newaxis], part.dense_shape[1:]], axis=0)
    return tf.SparseTensor(indices, tf.gather(part.values, taken.values), shape)
