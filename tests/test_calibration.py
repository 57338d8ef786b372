"""Weights stay right: models of rows whose true probabilities are known, at any sample balance, weighting and mix.

Every bound is 5 standard errors of the model in question, which hold the noise of the labels and of the draw, in
whichever direction it is furthest off: a right one fails with a probability of 2e-5 (chi-squared, 3 degrees), and the
rows are the same every time.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from docs.plots import logistic, weights
from docs.plots.environments import ENVIRONMENTS, MIXES, Environment, Source, write_source
from tests.page import program
from tfrecord_io import calibrate

BOUND = 5.0
_DOCS = Path(__file__).parents[1] / "docs"
_PAGE = (_DOCS / "weights.md").read_text()

environments = pytest.mark.parametrize("environment", ENVIRONMENTS, ids=lambda one: f"{one.balance} {one.weighting}")
mixes = pytest.mark.parametrize("mix", MIXES)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Source:
    """60 000 rows of 1:100: the data of docs/weights.md."""
    return write_source(tmp_path_factory.mktemp("source"))


@environments
def test_the_threshold_of_the_table_gives_the_true_decisions(source: Source, environment: Environment) -> None:
    assert source.x > 100
    model = source.untouched(environment, "stored")
    by = environment.threshold_logit(source.x) + math.log(source.x)
    assert model.worst_z(source.truth + np.array([by, 0, 0])) < BOUND  # so its boundary is the true one
    other = 0.0 if environment.threshold == "prior" else -math.log(source.x)
    assert source.same_decisions(model, environment.threshold_logit(source.x)) > 0.93
    assert source.same_decisions(model, other) < 0.75


@environments
@mixes
def test_corrected_models_give_true_probabilities(source: Source, environment: Environment, mix: str) -> None:
    model = source.corrected(environment, mix)
    assert model.worst_z(source.truth) < BOUND
    assert model.standard_errors(source.boundary[None, :])[0] < 0.15  # of log-odds: the bound is a narrow one
    assert source.same_decisions(model, -math.log(source.x)) > 0.93


@mixes
def test_models_without_weights_need_the_correction(source: Source, mix: str) -> None:
    for strategy in ("none", "balance"):
        away = source.train(strategy, "calibrated", mix, "none").model.worst_z(source.truth)
        assert away < BOUND if (strategy, mix) == ("none", "stored") else away > 20


@pytest.mark.parametrize(
    ("strategy", "mix"), [("ratio=10", "stored"), ("ratio=10", "balanced"), ("soften:0.5,0.5", "{0: 0.8, 1: 0.2}")]
)
def test_weights_are_right_whatever_the_strategy(source: Source, strategy: str, mix: str) -> None:
    assert source.train(strategy, "calibrated", mix, "auto").model.worst_z(source.truth) < BOUND


@pytest.mark.parametrize("strategy", ["none", "balance"])
@mixes
def test_calibrate_is_prior_correction_for_probabilities(source: Source, strategy: str, mix: str) -> None:
    plain = source.train(strategy, "calibrated", mix, "none")
    rows = logistic.design(source.features[:1000])
    predicted = logistic.probability(plain.model.logits(rows))
    right = logistic.probability(plain.corrected.logits(rows))
    path = source.dataset(strategy)
    assert calibrate(predicted, path, mix=MIXES[mix]) == pytest.approx(right, rel=1e-9)
    of_two = np.column_stack([1 - predicted, predicted])
    assert calibrate(of_two, path, mix=MIXES[mix])[:, 1] == pytest.approx(right, rel=1e-9)


@pytest.mark.parametrize("lines", [weights.table, weights.precision])
def test_the_tables_of_the_page_are_what_was_measured(source: Source, lines: object) -> None:
    assert callable(lines)
    assert "\n".join(lines(source)) in _PAGE


def test_the_plot_shows_every_environment_and_mix(source: Source, tmp_path: Path) -> None:
    weights.draw(source, tmp_path / "weights.svg")
    drawn = (tmp_path / "weights.svg").read_text()
    kept = (_DOCS / "weights.svg").read_text()
    for text in [*(f"sample {one.balance}, weighting {one.weighting}" for one in ENVIRONMENTS), *MIXES]:
        assert drawn.count(f">{text}<") == kept.count(f">{text}<") > 0


def test_the_page_runs_as_it_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    exec(compile(program(_PAGE), "docs/weights.md", "exec"), {"__name__": "page"})
    lines = dict(line.split(": ") for line in capsys.readouterr().out.splitlines() if ": " in line)
    found = {name: float(value) for name, value in lines.items()}
    assert set(found) == {"true", "weighted", "plain", "corrected", "calibrated"}
    positives = found["true"] * 100_000
    error = math.sqrt(3 / positives)  # of log-odds: of either class's rows in the sample, and of the source's positives
    assert found["plain"] > 0.3
    for name in ("weighted", "corrected", "calibrated"):
        assert found[name] == pytest.approx(found["true"], rel=BOUND * error)
    assert found["corrected"] == pytest.approx(found["calibrated"], rel=1e-6)
