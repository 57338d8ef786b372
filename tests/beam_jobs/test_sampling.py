"""The draw as statistics see it: uniform, independent, nested, tied to the row and not to its place.

What the hashes say is kept is computed here for a thousand seeds; for some of them the job runs
and must keep exactly those rows. Seeds are fixed, so no test fails by chance.
"""

from __future__ import annotations

import gzip
import itertools
import math
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest
from scipy import stats

from tests.beam_jobs.conftest import Presample, csv_text
from tfrecord_io import hashing
from tfrecord_io.errors import SourceError

ROWS, KEPT, SEEDS = 40, 10, 1000
LINES = [(0, i, "x" * (i % 3), 10.0 ** (i % 4)) for i in range(ROWS)]
WEIGHTS = np.array([line[3] for line in LINES])


def _positions() -> npt.NDArray[np.uint64]:
    text = csv_text("y,id,pad,w", LINES)
    return np.array([i + 1 for i, c in enumerate(text[:-1]) if c == "\n"], np.uint64)


def _kept(seed: int, identities: npt.NDArray[np.uint64], path: str, kept: int = KEPT) -> npt.NDArray[np.int64]:
    """The rows with the smallest u."""
    u = hashing.hash_positions(identities, hashing.derive_keys(seed, "draw", path))
    return np.argsort(u, kind="stable")[:kept]


def _draws(kind: str) -> npt.NDArray[np.bool_]:
    """Which rows [SEEDS, ROWS] are kept."""
    by_id = hashing.digest_values(pa.array([str(i).encode() for i in range(ROWS)], pa.binary()))
    identities, path = {"position": (_positions(), "rows.csv"), "row_id": (by_id, "")}[kind]
    drawn = np.zeros((SEEDS, ROWS), bool)
    for seed in range(SEEDS):
        drawn[seed, _kept(seed, identities, path)] = True
    return drawn


@pytest.fixture(params=["position", "row_id"])
def draws(request: pytest.FixtureRequest) -> npt.NDArray[np.bool_]:
    return _draws(request.param)


def test_every_row_is_as_likely_to_be_kept(draws: npt.NDArray[np.bool_]) -> None:
    share = KEPT / ROWS
    counts = draws.sum(axis=0)
    # Counts of draws without replacement: chi-square with ROWS - 1 degrees of freedom. Level 0.001 on either side.
    statistic = ((counts - SEEDS * share) ** 2).sum() / (SEEDS * share * (1 - share)) * (ROWS - 1) / ROWS
    assert 0.001 < stats.chi2.sf(statistic, ROWS - 1) < 0.999


def test_pairs_of_rows_are_kept_independently(draws: npt.NDArray[np.bool_]) -> None:
    together = (draws.T.astype(int) @ draws.astype(int))[np.triu_indices(ROWS, 1)]
    chance = KEPT * (KEPT - 1) / (ROWS * (ROWS - 1))
    z = (together - SEEDS * chance) / math.sqrt(SEEDS * chance * (1 - chance))
    # Level 0.001 for the largest of 780 pairs (Bonferroni), and for their spread (chi-square).
    assert np.abs(z).max() < stats.norm.isf(0.001 / len(z) / 2)
    assert 0.8 < z.var() < 1.2


def test_neighbouring_seeds_are_independent(draws: npt.NDArray[np.bool_]) -> None:
    overlap = (draws[1:] & draws[:-1]).sum(axis=1)
    law = stats.hypergeom(ROWS, KEPT, KEPT)
    assert abs(overlap.mean() - law.mean()) < 4 * law.std() / math.sqrt(len(overlap))
    assert overlap.var() == pytest.approx(law.var(), rel=0.2)


def test_weights_are_unbiased(draws: npt.NDArray[np.bool_]) -> None:
    # Mean of SEEDS independent estimates of W; 4 standard errors: 6 in 100 000 for random seeds.
    totals = (draws * WEIGHTS * ROWS / KEPT).sum(axis=1)
    assert abs(totals.mean() - WEIGHTS.sum()) < 4 * totals.std() / math.sqrt(SEEDS)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("small") / "rows.csv"
    path.write_text(csv_text("y,id,pad,w", LINES))
    return path


@pytest.mark.parametrize("seed", [0, 1, 2, 999, -5, 2**63 + 1])
@pytest.mark.parametrize("row_id", [(), ("id",)])
def test_the_job_keeps_the_rows_that_the_hashes_say(
    presample: Presample, small: Path, seed: int, row_id: tuple[str, ...]
) -> None:
    made = presample(small, seed=seed, row_id=row_id, strategy=f"counts:0={KEPT}", weight_in="w")
    by_id = hashing.digest_values(pa.array([str(i).encode() for i in range(ROWS)], pa.binary()))
    expected = _kept(seed, by_id, "") if row_id else _kept(seed, _positions(), "rows.csv")
    assert made.ids() == dict.fromkeys(expected.tolist(), 1)
    total = sum(row["weight"][0] for row in made.rows())
    assert total == pytest.approx(WEIGHTS[expected].sum() * ROWS / KEPT, rel=1e-6)


def test_replication_adds_the_same_rows_once_more(presample: Presample, small: Path) -> None:
    made = presample(small, seed=3, strategy=f"counts:0={2 * ROWS + KEPT}")
    extra = set(_kept(3, _positions(), "rows.csv").tolist())
    assert made.ids() == {i: 3 if i in extra else 2 for i in range(ROWS)}


def test_samples_are_nested(presample: Presample, three_classes: Path) -> None:
    kept = [set(presample(three_classes, strategy=f"max={n}", seed=5).ids()) for n in (10, 50, 99, 250, 1000)]
    for smaller, larger in itertools.pairwise(kept):
        assert smaller < larger
    assert set(presample(three_classes, strategy="max=50", seed=6).ids()) != kept[1]


def test_rows_follow_v_in_their_shards(presample: Presample, three_classes: Path) -> None:
    made = presample(three_classes, strategy="max=250", seed=5, shard_size=2_000)
    text = three_classes.read_text()
    at = {int(line.split(",")[1]): text.index("\n" + line) + 1 for line in text.splitlines()[1:]}
    keys = hashing.derive_keys(5, "order", "rows.csv")
    for label in ("A", "B", "C"):
        shards = made.shard_rows(label)
        assert len(shards) > 2
        ids = [row["id"][0] for rows in shards for row in rows]
        v = hashing.hash_positions(np.array([at[i] for i in ids], np.uint64), keys)
        assert (np.diff(v.astype(float)) > 0).all()
        slices = (v >> np.uint64(32)) * np.uint64(len(shards)) >> np.uint64(32)
        assert slices.tolist() == [s for s, rows in enumerate(shards) for _ in rows]


def test_row_ids_tie_the_draw_to_the_row(presample: Presample, tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    rows = [(i % 10 // 9, f"user {i}", i) for i in range(2000)]
    options = {"row_id": ("user", "id"), "strategy": "ratio=1", "splits": "train=0.7,eval=0.3"}
    (tmp_path / "all.csv").write_text(csv_text("y,user,id", rows))
    made = presample(tmp_path / "all.csv", **options)
    shuffled = [rows[i] for i in rng.permutation(len(rows))]
    (tmp_path / "parts").mkdir()
    for part in range(3):
        content = csv_text("y,user,id", shuffled[part::3]).encode()
        (tmp_path / f"parts/{part}.csv").write_bytes(gzip.compress(content) if part else content)
    again = presample(tmp_path / "parts/*", **options)
    assert made.sizes() == again.sizes()
    assert made.files() == again.files()


def test_equal_ids_are_an_error_that_names_the_id(presample: Presample, tmp_path: Path) -> None:
    rows = [(i % 2, f"u{i}", i) for i in range(100)]
    path = tmp_path / "rows.csv"
    path.write_text(csv_text("y,user,id", [*rows, (0, "u42", 1000)]))
    with pytest.raises(SourceError, match=r"--row_id user: more than one row has the id u42\."):
        presample(path, row_id=("user",), strategy="none")
    assert presample(path, row_id=("user", "id"), strategy="none").sizes() == {0: 51, 1: 50}
    (tmp_path / "more.csv").write_text(csv_text("y,user,id", [(1, "u1", 1)]))
    with pytest.raises(SourceError, match=r"has the id u1, 1\."):
        presample([path, tmp_path / "more.csv"], row_id=("user", "id"), strategy="rates:0=1,1=2")
    assert [path.name for path in tmp_path.glob("dataset*")] == ["dataset1"]  # of the run between the two
