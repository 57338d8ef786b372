"""The demo's model: one small Keras network, trained by the clock or by steps, and measured.

The same network, preprocessing and batches for every way of sampling, so that only the data differ.
Imports TensorFlow: import this module late.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from presample import demo_data

Array = npt.NDArray[Any]
CATEGORIES = ("month", "weekday")
"""Integers that are names: one-hot, like the strings."""

_MEASURES = tuple(name for name in demo_data.NUMBERS if name not in CATEGORIES)
_CLIP = 1e-7
_NO_LIMIT = 10**6


@dataclass(frozen=True, kw_only=True)
class Preprocessing:
    """What the network needs to know of the training data: values of each category, mean and spread.

    `spreads` are standard deviations, 1 where a feature does not vary.
    """

    vocabularies: Mapping[str, list[Any]]
    means: Mapping[str, float]
    spreads: Mapping[str, float]

    @classmethod
    def of(cls, batches: Iterable[tuple[Mapping[str, Any], Any, Any]]) -> Preprocessing:
        """From the batches of one pass over the training split; O(rows) memory.

        Each row counts with its weight, so that a sampled split gives the source's mean and spread.
        """
        parts = [({k: np.asarray(v) for k, v in x.items()}, np.asarray(w)) for x, _, w in batches]
        weights = np.concatenate([weight for _, weight in parts])
        columns = {name: np.concatenate([x[name] for x, _ in parts]) for name in parts[0][0]}
        vocabularies = {n: np.unique(columns[n]).tolist() for n in (*demo_data.STRINGS, *CATEGORIES)}
        moments = {name: _moments(columns[name], weights) for name in _MEASURES}
        return cls(
            vocabularies=vocabularies,
            means={name: mean for name, (mean, _) in moments.items()},
            spreads={name: spread for name, (_, spread) in moments.items()},
        )


@dataclass(frozen=True, kw_only=True)
class Fit:
    """How much training a model got."""

    steps: int
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Score:
    """How good predictions are on rows that no model has seen. `auc_error`: one standard error of it."""

    rows: int
    auc: float
    auc_error: float
    log_loss: float
    mean_predicted: float
    base_rate: float


def build(preprocessing: Preprocessing, *, seed: int) -> keras.Model:
    """The network: raw features in, one probability out; equal seeds give equal initial weights."""
    keras.utils.set_random_seed(seed)
    inputs: dict[str, Any] = {}
    encoded = []
    for name, vocabulary in preprocessing.vocabularies.items():
        text = isinstance(vocabulary[0], bytes)
        inputs[name] = keras.Input(shape=(), name=name, dtype="string" if text else "int64")
        lookup = keras.layers.StringLookup if text else keras.layers.IntegerLookup
        encoded.append(lookup(vocabulary=vocabulary, output_mode="one_hot")(inputs[name]))
    for name, mean in preprocessing.means.items():
        inputs[name] = keras.Input(shape=(), name=name, dtype="float32")
        encoded += _measure(inputs[name], mean, preprocessing.spreads[name])
    hidden = keras.layers.Concatenate()(encoded)
    for units in (64, 32):
        hidden = keras.layers.Dense(units, activation="relu")(hidden)
    model = keras.Model(inputs, keras.layers.Dense(1, activation="sigmoid")(hidden))
    # Weights averaged over the last fifty steps or so: what the last batch happened to hold should not show.
    adam = keras.optimizers.Adam(1e-3, use_ema=True, ema_momentum=0.98)
    model.compile(optimizer=adam, loss="binary_crossentropy")
    return model


def train(model: keras.Model, batches: Any, *, steps: int | None = None, seconds: float | None = None) -> Fit:
    """Trains on an endless dataset of (features, label, weight) for so many steps, or for so long."""
    clock = _Clock(seconds)
    model.fit(batches, steps_per_epoch=steps or _NO_LIMIT, verbose=0, shuffle=False, callbacks=[clock])
    return Fit(steps=clock.steps, seconds=clock.elapsed())


def evaluate(model: keras.Model, batches: Iterable[tuple[Mapping[str, Any], Any]]) -> Score:
    """Predicts every row of the batches of (features, label), and scores the predictions."""
    labels, predicted = [], []
    for features, label in batches:
        labels.append(np.asarray(label))
        predicted.append(np.asarray(model.predict_on_batch(features))[:, 0])
    return score(np.concatenate(labels), np.concatenate(predicted))


def score(labels: Array, predicted: Array) -> Score:
    """AUC (the chance that a positive ranks above a negative, ties half), log loss and means."""
    positive = labels == 1
    _, inverse, counts = np.unique(predicted, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    ones, zeros = int(positive.sum()), int((~positive).sum())
    auc = float((ranks[positive].sum() - ones * (ones + 1) / 2) / (ones * zeros))
    clipped = np.clip(predicted.astype(np.float64), _CLIP, 1 - _CLIP)
    return Score(
        rows=len(labels),
        auc=auc,
        auc_error=_auc_error(auc, ones, zeros),
        log_loss=float(-np.where(positive, np.log(clipped), np.log1p(-clipped)).mean()),
        mean_predicted=float(predicted.mean(dtype=np.float64)),
        base_rate=ones / len(labels),
    )


def _auc_error(auc: float, ones: int, zeros: int) -> float:
    """Standard error of an AUC (Hanley and McNeil, Radiology 143, 1982)."""
    both_ones, both_zeros = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    variance = auc * (1 - auc) + (ones - 1) * (both_ones - auc**2) + (zeros - 1) * (both_zeros - auc**2)
    return float(np.sqrt(variance / (ones * zeros)))


def _measure(value: Any, mean: float, spread: float) -> list[Any]:
    """A number as two: its distance from the mean (0 where it is missing), and whether it is missing."""
    missing = keras.ops.isnan(value)
    scaled = keras.ops.where(missing, 0.0, (value - mean) / spread)
    return [keras.ops.expand_dims(part, -1) for part in (scaled, keras.ops.cast(missing, "float32"))]


def _moments(values: Array, weights: Array) -> tuple[float, float]:
    known = ~np.isnan(values.astype(np.float64))
    mean = np.average(values[known], weights=weights[known])
    variance = np.average((values[known] - mean) ** 2, weights=weights[known])
    return float(mean), float(np.sqrt(variance)) or 1.0


class _Clock(keras.callbacks.Callback):
    """Counts steps and the time since training began, and stops when that is up."""

    def __init__(self, limit: float | None) -> None:
        super().__init__()
        self.steps = 0
        self._limit = limit
        self._start = time.perf_counter()

    def elapsed(self) -> float:
        return time.perf_counter() - self._start

    def on_train_batch_end(self, batch: int, logs: object = None) -> None:
        self.steps += 1
        if self._limit is not None and self.elapsed() >= self._limit:
            self.model.stop_training = True
