"""`read_examples`: the mixes, epochs, folds, workers and steps of `InputFn`, in numpy."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from input_fns import InputFn
from tests.input_fns.conftest import ClassData, Data, write
from tfrecord_io import read_examples
from tfrecord_io.reading import passes

THREE = Data(
    classes=[
        ClassData(label=0, rows=40, source_rows=400, shards=3, weight_in=[1.0, 3.0] * 20, source_weight=800.0),
        ClassData(label=1, rows=9, first_id=100, shards=2),
        ClassData(label=2, rows=2, source_rows=6, first_id=200),
    ]
)
TWO = Data(classes=[ClassData(label=0, rows=31, source_rows=400), ClassData(label=1, rows=8, first_id=100)])
FOLDED = Data(
    classes=[
        ClassData(label=0, rows=6, more_folds=(5, 6), source_rows=60, shards=2),
        ClassData(label=1, rows=4, first_id=100),
    ]
)
EVAL = Data(
    classes=[ClassData(label=0, rows=15, first_id=1000), ClassData(label=1, rows=2, first_id=1100)], split="eval"
)


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    folder = tmp_path_factory.mktemp("datasets")
    return {
        "three": write(folder / "three", THREE, EVAL),
        "two": write(folder / "two", TWO),
        "folded": write(folder / "folded", FOLDED),
    }


@pytest.fixture
def small_windows(monkeypatch):
    monkeypatch.setattr(passes, "MIN_WINDOW", 4)


def ids_of(batches):
    return [batch[0]["id"].tolist() for batch in batches]


def counts_of(batch):
    return Counter(batch[1].tolist())


def weights_of(batches):
    """The weight of each row, by its id."""
    return {row: weight for batch in batches for row, weight in zip(batch[0]["id"].tolist(), batch[2], strict=True)}


OPTIONS = [
    ("three", {"mix": "balanced"}),
    ("three", {"mix": "natural", "batch_size": 1}),
    ("three", {"mix": {0: 6, 1: 6, 2: 2}, "weights": "stored"}),
    ("three", {"mix": {0: 1, 1: 0, 2: 3}, "drop_remainder": True}),
    ("three", {"mix": "balanced", "epoch_rows": 23, "weights": "none"}),
    ("three", {"split": ["eval", "train"], "drop_remainder": True, "batch_size": 5}),
    ("two", {"batch_size": 7}),
    ("folded", {"batch_size": 3}),
    ("folded", {"fold": 1, "mix": "balanced"}),
]


@pytest.mark.parametrize(("name", "options"), OPTIONS)
def test_input_fn_yields_the_same(paths, name, options, small_windows):
    """In stored order the same rows and weights; shuffled, the same number of rows of each class in every batch."""
    options = {"batch_size": 8, "num_epochs": 3} | options
    theirs = list(InputFn(paths[name], shuffle=False, **options)().as_numpy_iterator())
    ours = list(read_examples(paths[name], shuffle=False, **options))
    assert ids_of(ours) == ids_of(theirs)
    assert len(ours) > 2
    for own, other in zip(ours, theirs, strict=True):
        for mine, wanted in zip(own[1:], other[1:], strict=True):
            assert mine.dtype == wanted.dtype
            np.testing.assert_array_equal(mine, wanted)
    shuffled = list(read_examples(paths[name], seed=5, **options))
    assert [counts_of(batch) for batch in shuffled] == [counts_of(batch) for batch in ours]
    assert ids_of(shuffled) != ids_of(ours)
    if options.get("weights") != "none":
        ordered, others = weights_of(ours), weights_of(shuffled)
        assert {row: ordered.get(row, others[row]) for row in others} == others


@pytest.mark.parametrize("batching", ["exact", "sampled"])
@pytest.mark.parametrize("batch_size", [3, 51, 64])
def test_a_stored_epoch_is_each_row_once(paths, batching, batch_size, small_windows):
    batches = ids_of(read_examples(paths["three"], batch_size=batch_size, batching=batching, num_epochs=4, seed=1))
    rows = np.concatenate(batches).reshape(4, 51)
    for epoch in rows:
        assert sorted(epoch.tolist()) == [*range(40), *range(100, 109), 200, 201]
    assert len({tuple(epoch) for epoch in rows.tolist()}) == 4
    assert {len(batch) for batch in batches} == {min(batch_size, 51)}


@pytest.mark.parametrize(
    "options",
    [
        {"mix": "balanced"},
        {"mix": "balanced", "batching": "sampled"},
        {"batching": "sampled", "epoch_rows": 30},
        {"batch_size": 4, "drop_remainder": True},
        {"shuffle": False, "mix": "natural"},
        {"num_workers": 2, "worker_index": 1, "mix": {0: 1, 1: 1, 2: 0}},
        {"label_ids": True, "split": ["train", "eval"]},
    ],
)
@pytest.mark.parametrize("window", [4, 8192])
@pytest.mark.parametrize("name", ["three", "folded"])
def test_every_step_goes_on_where_it_was_left(paths, options, window, name, monkeypatch):
    monkeypatch.setattr(passes, "MIN_WINDOW", window)
    options = {"batch_size": 7, "num_epochs": 3, "seed": 2} | options
    if name == "folded":
        options = {key: value for key, value in options.items() if key not in ("split", "mix")}
    whole = list(read_examples(paths[name], **options))
    for step in range(len(whole) + 1):
        rest = list(read_examples(paths[name], start_step=step, **options))
        assert ids_of(rest) == ids_of(whole[step:])
        for one, other in zip(rest, whole[step:], strict=True):
            np.testing.assert_array_equal(one[1], other[1])
            np.testing.assert_array_equal(one[2], other[2])


def test_a_later_start_opens_only_the_shards_it_needs(tmp_path):
    path = write(tmp_path, Data(classes=[ClassData(label=0, rows=40, shards=4)]))
    options = {"batch_size": 10, "shuffle": False, "num_epochs": 1}
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(passes, "MIN_WINDOW", 5)
        batches = read_examples(path, start_step=2, **options)
        (tmp_path / "train/label=0/part-00001.tfrecord").unlink()
        assert ids_of(batches) == [list(range(20, 30)), list(range(30, 40))]


@pytest.mark.parametrize("batching", ["exact", "sampled"])
def test_passes_go_through_the_folds(paths, batching, small_windows):
    batches = read_examples(
        paths["folded"], batch_size=1, mix={0: 1, 1: 0}, batching=batching, epoch_rows=34, num_epochs=1
    )
    rows = [int(features["id"][0]) for features, _, _ in batches]
    for first in (0, 17):
        folds = [rows[first : first + 6], rows[first + 6 : first + 11], rows[first + 11 : first + 17]]
        assert [sorted(fold) for fold in folds] == [[*range(6)], [*range(6, 11)], [*range(11, 17)]]
    assert rows[:17] != rows[17:]


def test_shards_are_permuted_anew_in_each_pass(tmp_path, monkeypatch):
    monkeypatch.setattr(passes, "MIN_WINDOW", 4)
    path = write(tmp_path, Data(classes=[ClassData(label=0, rows=32, shards=8)]))
    rows = ids_of(read_examples(path, batch_size=4, num_epochs=3, seed=1))  # a window is a shard, and a batch
    assert [{row // 4 for row in batch} for batch in rows] == [{batch[0] // 4} for batch in rows]
    orders = [tuple(batch[0] // 4 for batch in rows[first : first + 8]) for first in (0, 8, 16)]
    assert [sorted(order) for order in orders] == [list(range(8))] * 3
    assert len(set(orders)) == 3


def test_workers_draw_apart(paths):
    options = {"batch_size": 9, "mix": "balanced", "batching": "sampled", "epoch_rows": 36, "num_epochs": 2}
    first, second = (
        list(read_examples(paths["three"], num_workers=2, worker_index=index, **options)) for index in (0, 1)
    )
    assert [len(batch[1]) for batch in first] == [len(batch[1]) for batch in second]
    assert [counts_of(batch) for batch in first] != [counts_of(batch) for batch in second]


@pytest.mark.parametrize("mix", ["stored", "balanced"])
def test_workers_share_the_rows(paths, mix, small_windows):
    parts = [
        list(read_examples(paths["three"], batch_size=4, mix=mix, num_epochs=2, num_workers=3, worker_index=index))
        for index in range(3)
    ]
    assert len({len(part) for part in parts}) == 1
    rows = [Counter(np.concatenate(ids_of(part)).tolist()) for part in parts]
    if mix == "stored":
        assert sum(rows, Counter()) == Counter(dict.fromkeys([*range(40), *range(100, 109), 200, 201], 2))
        assert sum(map(len, rows)) == 51  # each on one of them
    else:
        assert all({200, 201} <= set(part) for part in rows)  # fewer rows than workers: every one has them
        assert ids_of(parts[0]) != ids_of(parts[1])


def test_the_same_seed_gives_the_same_batches_and_another_one_others(paths):
    options = {"batch_size": 16, "mix": "balanced", "num_epochs": 2}
    batches = [ids_of(read_examples(paths["three"], seed=seed, **options)) for seed in (1, 1, 2, -(10**20))]
    assert batches[0] == batches[1]
    assert batches[0] != batches[2] != batches[3]


@pytest.mark.parametrize(
    ("window", "batching", "expected"),
    [
        (8192, "exact", [[101, 30, 108, 200, 201, 27], [201, 200, 23, 5, 105, 103]]),
        (8192, "sampled", [[101, 30, 108, 200, 201, 27], [201, 201, 23, 105, 103, 200]]),
        (4, "exact", [[103, 1, 101, 200, 201, 3], [201, 200, 0, 2, 100, 102]]),
    ],
)
def test_batches_are_pinned(paths, monkeypatch, window, batching, expected):
    """The same on any machine, with any version of numpy, and in the next release: a resumed job relies on it."""
    monkeypatch.setattr(passes, "MIN_WINDOW", window)
    batches = read_examples(paths["three"], batch_size=6, mix="balanced", seed=7, batching=batching)
    assert [next(batches)[0]["id"].tolist() for _ in range(2)] == expected


@settings(max_examples=25)
@given(st.lists(st.integers(1, 9), min_size=3, max_size=3), st.integers(1, 20), st.integers(0, 10), st.booleans())
def test_any_mix_in_any_batches(paths, shares, batch_size, step, sampled):
    """Shares hold to within one row at every batch, passes run one after the other, and any step can be the first."""
    options = {
        "batch_size": batch_size,
        "mix": dict(enumerate(shares)),
        "batching": "sampled" if sampled else "exact",
        "num_epochs": 2,
    }
    batches = list(read_examples(paths["three"], **options))
    assert (
        ids_of(read_examples(paths["three"], start_step=min(step, len(batches)), **options)) == ids_of(batches)[step:]
    )
    seen, rows = Counter(), Counter()
    for features, label, _ in batches:
        rows.update(label.tolist())
        seen.update(features["id"].tolist())
        for k, share in enumerate(shares):
            assert sampled or abs(rows[k] - rows.total() * share / sum(shares)) < 1
    for low, high, count in ((0, 40, 40), (100, 109, 9), (200, 202, 2)):
        times = [seen[i] for i in range(low, high)]
        assert len(times) == count
        assert max(times) - min(times) <= 1


def test_sampled_batches_have_the_asked_shares(paths):
    options = {"mix": {0: 3, 1: 1, 2: 0}, "batching": "sampled", "epoch_rows": 20000, "num_epochs": 1}
    labels = np.stack([batch[1] for batch in read_examples(paths["three"], batch_size=100, **options)])
    # Binomial(20000, 1/4): 6 standard deviations are 367 rows, a false alarm in 10^9 seeds.
    assert abs(labels.sum() - 5000) < 367
    # The counts vary as independent draws do: variance 18.75 a batch.
    assert 12 < labels.sum(axis=1).var() < 27


def test_an_option_that_does_not_fit_is_refused_at_the_call(paths):
    with pytest.raises(ValueError, match=r"There is no mix 'equal'"):
        read_examples(paths["three"], batch_size=4, mix="equal")
    with pytest.raises(ValueError, match=r"no feature 'ids' \(did you mean 'id'\?\)"):
        read_examples(paths["three"], batch_size=4, features=["ids"])


@pytest.mark.parametrize("options", [{}, {"mix": "balanced"}, {"fold": 1, "epoch_rows": 7, "drop_remainder": True}])
@pytest.mark.parametrize("name", ["three", "folded"])
def test_numbers_that_need_no_read(paths, name, options):
    if name == "three":
        options = {key: value for key, value in options.items() if key != "fold"}
    theirs = InputFn(paths[name], batch_size=4, **options)
    whole = read_examples(paths[name], batch_size=4, **options)
    for known in ("num_rows", "steps_per_epoch", "class_rows", "source_class_rows", "prior_correction"):
        assert getattr(whole, known) == getattr(theirs, known)
    part = read_examples(paths[name], batch_size=2, num_workers=2, worker_index=1, **options)
    assert (part.num_rows, part.prior_correction) == (whole.num_rows, whole.prior_correction)


def test_neither_tensorflow_nor_beam_is_imported(paths):
    code = (
        "import sys; from tfrecord_io import read_examples; "
        f"print(len(list(read_examples({paths['three']!r}, batch_size=17, num_epochs=1)))); "
        "print([name for name in ('tensorflow', 'apache_beam') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n") == ["3", "[]", ""]


def test_several_datasets_are_read_as_one(paths, tmp_path):
    other = write(tmp_path / "other", Data(classes=[ClassData(label=0, rows=3, source_rows=30, first_id=300)]))
    batches = list(read_examples([paths["two"], other], batch_size=42, num_epochs=1, seed=3))
    ((features, label, weight),) = batches
    assert sorted(features["id"].tolist()) == [*range(31), *range(100, 108), *range(300, 303)]
    # Weighted class shares are the source's: 430 of class 0, 8 of class 1.
    assert weight.mean() == pytest.approx(1)
    assert weight[label == 1].sum() / weight.sum() == pytest.approx(8 / 438)
