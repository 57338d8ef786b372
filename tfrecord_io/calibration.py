"""Calibration: what a model that was trained without weights would have said with them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tfrecord_io import labels
from tfrecord_io.errors import UsageError
from tfrecord_io.manifest import Manifest
from tfrecord_io.reading import datasets, mixes, options
from tfrecord_io.reading.datasets import Datasets, Paths
from tfrecord_io.reading.strata import ReadClass

FloatArray = npt.NDArray[np.float64]

_SUM_TOLERANCE = 2**-8
"""How far from 1 a row may add up to: bfloat16 rounds each probability to within 2^-9 of itself."""

_SHOWN = 3


def calibrate(
    probabilities: npt.ArrayLike,
    manifest: Manifest | Paths,
    *,
    split: str | list[str] | tuple[str, ...] = "train",
    mix: mixes.Mix = "stored",
    fold: int | None = None,
) -> FloatArray:
    """The source's probabilities, from those of a model that was trained without weights at some mix.

    Such a model says p_k, the probability of class k where its share is b_k. Where its share is
    N_k/N, the source's, it is

        p_k (N_k/N) / b_k  /  sum over j of p_j (N_j/N) / b_j

    which is `prior_correction` added to the logits. Not for models trained with weights: these say
    the source's probabilities themselves.

    With `toy` a dataset that keeps 6 of 60 rows of class 0 and both of class 1:

    >>> from tfrecord_io import calibrate
    >>> calibrate([0.0, 0.5, 0.9, 1.0], toy, mix="balanced").round(3)
    array([0.   , 0.032, 0.231, 1.   ])
    >>> calibrate([[0.5, 0.5], [0.1, 0.9]], toy, mix="balanced").round(3)
    array([[0.968, 0.032],
           [0.769, 0.231]])

    Args:
      probabilities: of each class [n, classes], in the order of the manifest's classes, rows adding
        up to 1; or, of two classes, of the second [n] or [n, 1].
      manifest: of the dataset that the model was trained on, or the path of that dataset; or the
        paths of several that were read as one.
      split: which was read; several are a list.
      mix: at which it was read, as `InputFn` and `read_examples` take it. A class of share 0 is one
        that the model has never seen: it gets probability 0.
      fold: which was read; None = all.

    Returns:
      float64 of the same shape; rows add up to 1. 0 stays 0 and 1 stays 1.

    Raises:
      UsageError: probabilities of another shape, outside 0 to 1 or not adding up to 1; or an option
        that does not exist.
      ManifestError: no dataset there, or a damaged manifest.

    Source: Saerens, Latinne and Decaestecker, "Adjusting the Outputs of a Classifier to New a Priori
    Probabilities", Neural Computation 14 (2002), equation 2.4; of two classes, Elkan, "The
    Foundations of Cost-Sensitive Learning", IJCAI 2001, theorem 2.

    Cost: opens the manifest alone; some 20 million probabilities a second.
    """
    found = _datasets(manifest)
    classes = options.read_classes(found, split, fold)
    ratios = _ratios(mix, classes)
    given = _numbers(probabilities)
    single = given.ndim == 1 or (given.ndim == 2 and given.shape[1] == 1 and len(classes) == 2)
    _check_shape(given, single, classes)
    _check_range(given)
    if single:
        second = given.reshape(-1)
        of_all = np.stack([1 - second, second], axis=1)
    else:
        of_all = given
        _check_sums(of_all)
    corrected = of_all * ratios
    totals = corrected.sum(axis=1, keepdims=True)
    _check_seen(totals[:, 0], classes, ratios)
    corrected /= totals
    return corrected[:, 1].reshape(given.shape) if single else corrected


def _datasets(manifest: Manifest | Paths) -> Datasets:
    if not isinstance(manifest, Manifest):
        return datasets.load(manifest)
    return Datasets(
        manifests=(manifest,), directories=("",), label=manifest.label, weight=manifest.weight, schema=manifest.schema
    )


def _ratios(mix: mixes.Mix, classes: tuple[ReadClass, ...]) -> FloatArray:
    """(N_k/N) / b_k of each class [classes], all times one number so that none lies between 0 and 1:
    a probability times its ratio is then never too small for a float.
    """
    correction = mixes.prior_correction(mixes.shares(mix, classes), classes)
    least = min(correction.values())
    return np.array([np.exp(correction[one.label] - least) if one.label in correction else 0.0 for one in classes])


def _numbers(probabilities: npt.ArrayLike) -> FloatArray:
    try:
        given = np.asarray(probabilities)
    except (TypeError, ValueError) as error:
        raise UsageError(f"The probabilities are no array of numbers: {error}.") from error
    if given.dtype.kind not in "fiub":
        raise UsageError(f"The probabilities are of type {given.dtype}; give an array of numbers.")
    return given.astype(np.float64)


def _check_shape(given: FloatArray, single: bool, classes: tuple[ReadClass, ...]) -> None:
    named = labels.listed([one.label for one in classes])
    if single and len(classes) != 2:
        raise UsageError(
            f"The probabilities have shape {list(given.shape)}, which is of one class of two, but there are "
            f"{len(classes)} classes: {named}. Give the probability of each class, [n, {len(classes)}]."
        )
    if not single and (given.ndim != 2 or given.shape[1] != len(classes)):
        wanted = f"[n, {len(classes)}]" + (", or [n] or [n, 1] of the second class" if len(classes) == 2 else "")
        raise UsageError(
            f"The probabilities have shape {list(given.shape)}, but there are {len(classes)} classes: {named}. "
            f"Give one probability for each, in this order: {wanted}."
        )


def _check_range(given: FloatArray) -> None:
    wrong = ~((given >= 0) & (given <= 1))  # NaN is neither
    if wrong.any():
        raise UsageError(
            f"Probabilities lie between 0 and 1; not so {_shown(wrong, given)}. Give what comes out of the sigmoid or "
            "softmax; to logits, add `prior_correction`."
        )


def _check_sums(given: FloatArray) -> None:
    sums = given.sum(axis=1)
    wrong = abs(sums - 1) > _SUM_TOLERANCE
    if wrong.any():
        raise UsageError(
            f"The probabilities of a row add up to 1; those of these rows do not: {_shown(wrong, sums)}. Give what "
            "comes out of the softmax."
        )


def _check_seen(totals: FloatArray, classes: tuple[ReadClass, ...], ratios: FloatArray) -> None:
    wrong = totals == 0
    if wrong.any():
        unseen = labels.listed([one.label for one, ratio in zip(classes, ratios.tolist(), strict=True) if not ratio])
        raise UsageError(
            f"{np.count_nonzero(wrong)} rows, the first of them row {np.flatnonzero(wrong)[0]}, give all their "
            f"probability to classes that have no share in the mix: {unseen}. Name the mix that the model was "
            "trained at."
        )


def _shown(wrong: npt.NDArray[np.bool_], values: FloatArray) -> str:
    """The first of the values that are wrong, and how many others there are."""
    places = np.argwhere(wrong)
    shown = [f"{values[tuple(place)]:.6g} at [{', '.join(map(str, place.tolist()))}]" for place in places[:_SHOWN]]
    more = len(places) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")
