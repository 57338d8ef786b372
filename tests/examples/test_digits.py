"""The example is run as it stands."""

import runpy
from pathlib import Path


def test_a_balanced_sample_trains_a_calibrated_model() -> None:
    example = runpy.run_path(str(Path(__file__).parents[2] / "examples" / "digits.py"))
    predicted, true = example["main"]()
    assert 0.07 < true < 0.13
    assert abs(predicted - true) < 0.05  # a model of the balanced sample itself would say 0.5
