"""tf.distribute: what an InputContext says, and real workers of a MultiWorkerMirroredStrategy."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from input_fns import InputFn
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


@pytest.mark.parametrize("mix", ["stored", "balanced"])
def test_an_input_context_says_which_worker_this_is(dataset, mix):
    options = {"path": dataset(TWO), "batch_size": 8, "mix": mix, "num_epochs": 2, "seed": 1, "start_step": 3}
    for worker in range(2):
        context = tf.distribute.InputContext(num_input_pipelines=2, input_pipeline_id=worker)
        told = InputFn(**options, num_workers=2, worker_index=worker)
        datasets = InputFn(**options)(context), told(context), told()
        first, *others = [[ids["id"].tolist() for ids, _, _ in one.as_numpy_iterator()] for one in datasets]
        assert len(first) == 2 * STEPS - 3 == 2 * told.steps_per_epoch - 3
        assert others == [first, first]


def test_an_input_context_cannot_contradict_the_options(dataset):
    train = InputFn(dataset(TWO), batch_size=8, num_workers=2, worker_index=1)
    with pytest.raises(ValueError, match="The input context is of worker 0 of 2, but worker_index is 1"):
        train(tf.distribute.InputContext(num_input_pipelines=2, input_pipeline_id=0))
