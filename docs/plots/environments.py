"""Rows with known probabilities, sampled and weighted in the four ways of docs/weights.md, and models of them."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from beam_jobs import PresampleOptions, run
from docs.plots import logistic
from docs.plots.logistic import Array, Model
from input_fns import InputFn

SLOPES = (1.0, -0.7)
MIXES: Mapping[str, str | dict[int, float]] = {
    "stored": "stored",
    "balanced": "balanced",
    "{0: 0.8, 1: 0.2}": {0: 0.8, 1: 0.2},
}


@dataclass(frozen=True, kw_only=True)
class Environment:
    """A way to train: what the job keeps and writes, and which weights are read.

    `untouched` are the weights of the way as such, `threshold` which probability of its models to
    decide at, of a source with x negatives a positive: "prior" 1/(1+x), or "half".
    """

    balance: str
    weighting: str
    strategy: str
    written: str
    untouched: str
    threshold: str

    def threshold_logit(self, x: float) -> float:
        return -math.log(x) if self.threshold == "prior" else 0.0


ENVIRONMENTS = (
    Environment(
        balance="1:x",
        weighting="1:1",
        strategy="none",
        written="calibrated",
        untouched="none",
        threshold="prior",
    ),
    Environment(
        balance="1:1",
        weighting="1:1",
        strategy="balance",
        written="calibrated",
        untouched="none",
        threshold="half",
    ),
    Environment(
        balance="1:x",
        weighting="x:1",
        strategy="none",
        written="balanced",
        untouched="stored",
        threshold="half",
    ),
    Environment(
        balance="1:1",
        weighting="1:x",
        strategy="balance",
        written="calibrated",
        untouched="stored",
        threshold="prior",
    ),
)


@dataclass(frozen=True, kw_only=True)
class Trained:
    """A model, and the `prior_correction` of its logits, which is for models without weights."""

    model: Model
    correction: float

    @property
    def corrected(self) -> Model:
        return self.model.shifted(self.correction)


@dataclass(frozen=True, kw_only=True, eq=False)
class Source:
    """Rows whose log-odds are `truth` times (1, u, v), and the folder for what is made of them.

    Datasets and models are made once and kept.
    """

    folder: Path
    features: Array
    label: Array
    truth: Array
    trained: dict[tuple[str, ...], Trained] = field(default_factory=dict)

    @property
    def x(self) -> float:
        """Negatives a positive."""
        return float((1 - self.label).sum() / self.label.sum())

    @functools.cached_property
    def boundary(self) -> Array:
        """The row (1, u, v) nearest to the mean whose true probability is 1/(1+x)."""
        slopes = self.truth[1:]
        return np.array([1.0, *(slopes * (-math.log(self.x) - self.truth[0]) / (slopes @ slopes))])

    def dataset(self, strategy: str, written: str = "calibrated") -> str:
        """The folder of the dataset that the job makes."""
        output = self.folder / f"{strategy}-{written}".replace(":", "_")
        if not output.exists():
            options = PresampleOptions(
                input=(str(self.folder / "rows.parquet"),),
                output=str(output),
                label="clicked",
                strategy=strategy,
                weights=written,
            )
            run(options)
        return str(output)

    def train(self, strategy: str, written: str, mix: str, weights: str) -> Trained:
        """The model of one epoch."""
        key = (strategy, written, mix, weights)
        if key not in self.trained:
            path = self.dataset(strategy, written)
            data = InputFn(path, batch_size=4096, mix=MIXES[mix], weights=weights, num_epochs=1, seed=1)
            correction = data.prior_correction[1] - data.prior_correction[0]
            self.trained[key] = Trained(model=logistic.fit(*_distinct(data)), correction=correction)
        return self.trained[key]

    def untouched(self, environment: Environment, mix: str) -> Model:
        """The model of the environment, its rows mixed anew."""
        return self.train(environment.strategy, environment.written, mix, environment.untouched).model

    def corrected(self, environment: Environment, mix: str) -> Model:
        """The same with prior_correction where it has no weights, else with weights="auto"."""
        if environment.untouched == "none":
            return self.train(environment.strategy, environment.written, mix, "none").corrected
        return self.train(environment.strategy, environment.written, mix, "auto").model

    def same_decisions(self, model: Model, threshold_logit: float) -> float:
        """The fraction of all rows that the model decides as the true probabilities do at 1/(1+x)."""
        rows = logistic.design(self.features)
        true = rows @ self.truth > -math.log(self.x)
        return float(np.mean((model.logits(rows) > threshold_logit) == true))


def write_source(folder: Path, *, rows: int = 60_000, x: float = 100, seed: int = 1) -> Source:
    """Draws rows of which about one in 1 + x is positive, and writes them to rows.parquet."""
    random = np.random.default_rng(seed)
    features = random.normal(size=(rows, 2)).astype(np.float32)
    slopes = np.array(SLOPES)
    log_odds = features.astype(np.float64) @ slopes
    intercept = -math.log(x)
    for _ in range(50):  # the mean probability is 1/(1+x)
        intercept -= math.log(logistic.probability(intercept + log_odds).mean() * (1 + x))
    label = (random.random(rows) < logistic.probability(intercept + log_odds)).astype(np.int64)
    columns = {"id": np.arange(rows), "u": features[:, 0], "v": features[:, 1], "clicked": label}
    pq.write_table(pa.table(columns), folder / "rows.parquet")
    return Source(
        folder=folder,
        features=features.astype(np.float64),
        label=label.astype(np.float64),
        truth=np.array([intercept, *slopes]),
    )


def _distinct(data: InputFn) -> tuple[Array, Array, Array]:
    """Features, label and total weight of each distinct row of the epoch."""
    columns: list[tuple[Array, ...]] = []
    for features, label, *weight in data():
        ones = np.ones(len(label)) if not weight else weight[0].numpy()
        columns.append((features["id"].numpy(), features["u"].numpy(), features["v"].numpy(), label.numpy(), ones))
    ids, u, v, label, weight = (np.concatenate(column).astype(np.float64) for column in zip(*columns, strict=True))
    _, first, row = np.unique(ids, return_index=True, return_inverse=True)
    return np.column_stack([u, v])[first], label[first], np.bincount(row, weight)
