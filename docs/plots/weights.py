"""Draws docs/weights.svg and prints the tables of docs/weights.md.

python -m docs.plots.weights
"""

from __future__ import annotations

import math
import tempfile
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from docs.plots import logistic
from docs.plots.environments import ENVIRONMENTS, MIXES, Source, write_source
from docs.plots.logistic import Array, Model

_HEAD = (
    "| sample balance | weighting | threshold that gives the same decisions | probability there, measured | "
    "decided as the true probabilities decide |"
)
_LOOKS = {"stored": ("#0072b2", "o", 8), "balanced": ("#d55e00", "s", 5), "{0: 0.8, 1: 0.2}": ("#009e73", "^", 3)}
_BIN = 0.5  # of true log-odds
_FEWEST = 20  # rows of a bin that is drawn
_SHOWN = [0.0001, 0.001, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999]


def table(source: Source) -> list[str]:
    """The lines of the table: theory, and what was measured with the stored mix."""
    lines = [_HEAD, "|---|---|---|---|---|"]
    for one in ENVIRONMENTS:
        model, logit = source.untouched(one, "stored"), one.threshold_logit(source.x)
        at = source.boundary[None, :]
        error = 2 * model.standard_errors(at)[0]
        low, there, high = (float(logistic.probability(model.logits(at)[0] + by)) for by in (-error, 0, error))
        threshold = float(logistic.probability(logit))
        name = f"1/(1+x) = {threshold:.4f}" if one.threshold == "prior" else f"{threshold:g}"
        digits = 4 if one.threshold == "prior" else 2
        measured = f"{there:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"
        lines.append(
            f"| {one.balance} | {one.weighting} | {name} | {measured} | {source.same_decisions(model, logit):.1%} |"
        )
    return lines


def precision(source: Source) -> list[str]:
    """The lines of the table of standard errors."""
    lines = ["| trained on | standard error of the slopes |", "|---|---|"]
    for name, strategy, weights in (
        ("every row", "none", "none"),
        ("1:1, without weights, then `prior_correction`", "balance", "none"),
        ("1:1, calibrated weights", "balance", "auto"),
    ):
        model = source.train(strategy, "calibrated", "stored", weights).model
        errors = np.sqrt(np.diag(model.covariance))[1:]
        lines.append(f"| {name} | {', '.join(f'{error:.3f}' for error in errors)} |")
    return lines


def draw(source: Source, path: Path) -> None:
    """Predicted by true probability: a column each environment, a row before and one after correction."""
    mpl.rcParams.update({"svg.hashsalt": "presample", "svg.fonttype": "none", "font.size": 9, "path.simplify": False})
    figure = Figure(figsize=(11, 6), layout="constrained")
    for row, axes in enumerate(figure.subplots(2, len(ENVIRONMENTS), sharex=True, sharey=True)):
        for panel, one in zip(axes, ENVIRONMENTS, strict=True):
            for mix in MIXES:
                model = source.corrected(one, mix) if row else source.untouched(one, mix)
                _points(panel, source, model, mix)
            if row:
                panel.set_title("prior_correction added" if one.untouched == "none" else 'weights="auto"', fontsize=9)
                panel.set_xlabel("true probability")
            else:
                panel.set_title(f"sample {one.balance}, weighting {one.weighting}", fontsize=9)
                _threshold(panel, source.x, one.threshold_logit(source.x))
            _frame(panel)
        axes[0].set_ylabel(f"predicted, {'corrected' if row else 'as trained'}")
    figure.axes[len(ENVIRONMENTS) - 1].legend(title="mix", loc="upper left", fontsize=8, title_fontsize=8)
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else {}, facecolor="white")


def _points(panel: Axes, source: Source, model: Model, mix: str) -> None:
    """The mean log-odds, true and predicted, of the rows in each bin of true log-odds."""
    rows = logistic.design(source.features)
    true, predicted = rows @ source.truth, model.logits(rows)
    bins = np.floor((true - true.min()) / _BIN).astype(int)
    counts = np.bincount(bins)
    kept = counts >= _FEWEST

    def mean(values: Array) -> Array:
        return np.bincount(bins, values)[kept] / counts[kept]

    colour, marker, size = _LOOKS[mix]
    panel.plot(
        mean(true), mean(predicted), marker, color=colour, markersize=size, markerfacecolor="none", label=mix, zorder=3
    )


def _threshold(panel: Axes, x: float, logit: float) -> None:
    panel.axvline(-math.log(x), color="0.6", linewidth=0.8, linestyle=":")
    panel.axhline(logit, color="0.6", linewidth=0.8, linestyle=":")


def _frame(panel: Axes) -> None:
    ticks = [math.log(p / (1 - p)) for p in _SHOWN]
    panel.set_xticks(ticks, [f"{p:g}" for p in _SHOWN], rotation=45)
    panel.set_yticks(ticks, [f"{p:g}" for p in _SHOWN])
    panel.set_xlim(-10.5, 1)
    panel.axline((0, 0), slope=1, color="0.4", linewidth=0.8)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        source = write_source(Path(folder))
        draw(source, Path(__file__).parents[1] / "weights.svg")
        print(f"{len(source.label)} rows, x = {source.x:.1f}")
        print("\n".join([*table(source), "", *precision(source)]))


if __name__ == "__main__":
    main()
