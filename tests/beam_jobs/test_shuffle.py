"""Kept rows through files or through the runner: the same bytes, and nothing is left behind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.beam_jobs.conftest import Presample, csv_text
from tfrecord_io.errors import UsageError

PROCESSES = ("--direct_running_mode=multi_processing", "--direct_num_workers=2")
OPTIONS: list[dict[str, Any]] = [
    {"strategy": "none", "splits": "train=0.7,eval=0.3"},
    {"strategy": "max=40", "folds": 3, "shard_size": 4_000},
    {"strategy": "rates:A=0.5,B=2.5,C=1", "compression": "gzip", "row_id": ("id",)},
]


@pytest.mark.parametrize("options", OPTIONS, ids=["none", "folds", "gzip"])
@pytest.mark.parametrize("beam_args", [(), PROCESSES], ids=["one process", "processes"])
def test_both_ways_give_the_same_bytes(
    presample: Presample, three_classes: Path, options: dict[str, Any], beam_args: tuple[str, ...]
) -> None:
    files = presample(three_classes, beam_args, **options, shuffle="files", block_size=1_000)
    runner = presample(three_classes, **options, shuffle="runner")
    assert files.manifest.dataset_id == runner.manifest.dataset_id
    assert files.files() == runner.files()
    assert not any(name.startswith(".") for name in files.files())


def test_columns_may_have_the_names_that_the_job_uses_itself(presample: Presample, tmp_path: Path) -> None:
    names = "y,shard,order,file,position,stratum,u,payload"
    (tmp_path / "rows.csv").write_text(csv_text(names, [(i % 2, *[f"{i}-{k}" for k in range(7)]) for i in range(100)]))
    for shuffle in ("files", "runner"):
        rows = presample(tmp_path / "rows.csv", strategy="max=30", shuffle=shuffle).rows()
        assert len(rows) == 60
        for row in rows:
            number = row["shard"][0].split(b"-")[0].decode()
            assert [row[name] for name in names.split(",")[1:]] == [[f"{number}-{k}".encode()] for k in range(7)]


def test_another_way_is_refused(presample: Presample, three_classes: Path) -> None:
    with pytest.raises(UsageError, match="--shuffle 'disk' is not one of auto, files, runner"):
        presample(three_classes, shuffle="disk")
