"""What a job counts about itself, and what it reads and moves: as whoever watches it sees it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from beam_jobs import PresampleOptions, driver
from beam_jobs.class_counters import READ, WRITTEN, class_of, counter_name
from beam_jobs.options import RUN_PREFIX
from beam_jobs.output import Output
from tfrecord_io import Manifest

_ROWS, _COLUMNS = 200_000, 26


@pytest.fixture(scope="module")
def parquet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """26 columns, 1 % of the rows of class 1."""
    random = np.random.default_rng(0)
    columns = {f"c{i}": random.random(_ROWS) for i in range(_COLUMNS - 1)}
    path = tmp_path_factory.mktemp("parquet") / "rows.parquet"
    pq.write_table(
        pa.table({"y": (random.random(_ROWS) < 0.01).astype(np.int64), **columns}), path, row_group_size=50_000
    )
    return path


def _counted(output: Path, **options: Any) -> tuple[Manifest, Counter[tuple[str, str]]]:
    """Runs a job as one that is submitted; returns the manifest and (stage, counter) -> value."""
    result = driver.submit(PresampleOptions(output=str(output), **options))
    result.wait_until_finish()
    found: Counter[tuple[str, str]] = Counter()
    for metric in result.metrics().query()["counters"]:
        found[metric.key.metric.namespace.removeprefix("presample."), metric.key.metric.name] += metric.result
    return Manifest.load(output), found


def test_pass_1_reads_the_key_columns_and_kept_rows_alone_are_moved(parquet: Path, tmp_path: Path) -> None:
    manifest, found = _counted(tmp_path / "out", input=(str(parquet),), label="y")
    size = parquet.stat().st_size
    assert 0 < found["profile", "bytes_read"] < 0.1 * size
    assert size <= found["draw", "bytes_read"] < 1.1 * size
    written = sum(shard.bytes for shard in manifest.shards())
    assert found["write", "bytes_written"] == written
    assert 0 < found["draw", "bytes_shuffled"] < 1.2 * written
    assert found["profile", "rows_read"] == found["draw", "rows_read"] == _ROWS


def test_classes_are_counted_as_the_manifest_has_them(three_classes: Path, tmp_path: Path) -> None:
    options = {"input": (str(three_classes),), "label": "y", "splits": "train=0.7,eval=0.3", "strategy": "max=50"}
    manifest, found = _counted(tmp_path / "out", **options, folds=2)
    read, written = {}, {}
    for name, split in manifest.splits.items():
        for entry in split.classes:
            read["profile", counter_name(READ, name, entry.label)] = entry.source_rows
            written["write", counter_name(WRITTEN, name, entry.label)] = sum(shard.rows for shard in entry.shards)
    assert {key: value for key, value in found.items() if class_of(key[1])} == read | written


def test_many_classes_are_counted_together_only(tmp_path: Path) -> None:
    source = tmp_path / "a.csv"
    source.write_text("y,x\n" + "".join(f"c{i % 101},{i}\n" for i in range(1_010)))
    _, found = _counted(tmp_path / "out", input=(str(source),), label="y")
    assert not [name for _, name in found if class_of(name)]
    assert found["write", "rows_written"] == found["profile", "rows_read"] == 1_010


def test_a_submitted_job_cleans_up_by_itself(three_classes: Path, tmp_path: Path) -> None:
    first, _ = _counted(tmp_path / "out", input=(str(three_classes),), label="y")
    second, _ = _counted(tmp_path / "out", input=(str(three_classes),), label="y", seed=1, overwrite="purge")
    assert second.dataset_id != first.dataset_id
    assert Output(str(tmp_path / "out")).folders(RUN_PREFIX) == []
    there = {str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert there == {"manifest.json", *second.files()}


def test_names_of_counters() -> None:
    assert counter_name(READ, "train", True) == "class_rows_read/train/true"
    assert class_of("class_rows_written/eval/a/b") == (WRITTEN, "eval", "a/b")
    assert class_of("rows_written") is None
    longest = {counter_name(READ, "train", "x" * length) for length in (200, 300)}
    assert len(longest) == 2
    assert max(map(len, longest)) < 110
