"""Real workers of a MultiWorkerMirroredStrategy, in a training loop of one's own."""

from __future__ import annotations

import numpy as np
import pytest

from tests.input_fns.processes import TWO, run_workers

STEPS = 4
"""63 rows in batches of 8 rows on each of two workers."""


def test_two_workers_share_the_rows_and_end_with_one_model(dataset, tmp_path):
    path, mixes = dataset(TWO), ("stored", "balanced")
    jobs = [{"path": path, "batch_size": 8, "mix": mix, "num_epochs": 2, "seed": 1} for mix in mixes]
    one, other = run_workers(tmp_path, "custom", jobs)
    for mix, own, others in zip(mixes, one, other, strict=True):
        assert len(own["batches"]) == len(others["batches"]) == 2 * STEPS
        assert own["model"] == others["model"]
        assert own["model"][1] != [0.0]
        pairs = [*zip(own["batches"], others["batches"], strict=True)]
        for epoch in (pairs[:STEPS], pairs[STEPS:]):
            ids, labels, weights = (
                np.concatenate([part[name] for pair in epoch for part in pair]) for name in ("ids", "labels", "weights")
            )
            if mix == "stored":
                assert sorted(ids) == [*range(45), *range(1000, 1018)]
            else:
                assert abs(labels.mean() - 0.5) < 3 / 63
            shares = np.bincount(labels, weights) / weights.sum()
            assert shares == pytest.approx(np.array([450, 18]) / 468, abs=0.01)
