"""The Python of docs/python.md, run as it stands there; what it analyses is compared with numpy."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_transform as tft

from tests.beam_jobs.conftest import Dataset
from tests.page import program
from tfrecord_io import Manifest, verify

_PAGE = (Path(__file__).parents[1] / "docs" / "python.md").read_text()


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the page takes for granted: data/*.csv with a column `clicked`."""
    folder = tmp_path_factory.mktemp("python")
    (folder / "data").mkdir()
    rows = "".join(f"{i},{i % 7 / 7},{int(i % 10 == 0)}\n" for i in range(2_000))
    (folder / "data/part.csv").write_text("id,age,clicked\n" + rows)
    return folder


def test_the_page_runs_as_it_stands(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(home)
    names: dict[str, object] = {"__name__": "page"}
    exec(compile(program(_PAGE), "docs/python.md", "exec"), names)
    printed = [line for line in capsys.readouterr().out.splitlines() if line]
    assert printed[:3] == ["train 0 1800 -> 400", "train 1 200 -> 200", "600 rows in 2 files"]
    made = Dataset(home / "from_pipeline", Manifest.load("from_pipeline"))
    assert printed[3:] == [f"{made.manifest.split('train').rows} rows to train on", "[b'DE']"]
    assert verify(made.folder).whole
    _check_transform(made)


def _check_transform(made: Dataset) -> None:
    rows = made.rows()
    age, weight = (np.array([row[name][0] for row in rows]) for name in ("age", "weight"))
    assert len(set(weight.tolist())) == 2  # weighted or not is not the same
    mean = float((age * weight).sum() / weight.sum())
    raw = {
        "age": tf.constant([0.0, 50.0]),
        "weight": tf.constant([1.0, 1.0]),
        "clicked": tf.constant([0, 1], tf.int64),
        "country": tf.sparse.from_dense([["DE"], ["FR"]]),
    }
    made_of = tft.TFTransformOutput("transform").transform_raw_features(raw)
    assert made_of["age"].numpy().tolist() == pytest.approx([-mean, 50 - mean], rel=1e-5)
    assert made_of["age_scaled"].numpy().tolist() == pytest.approx(
        [(value - age.mean()) / age.std() for value in (0, 50)], rel=1e-5
    )
    assert made_of["country"].values.numpy().tolist() == [0, -1]
    assert Counter(row["country"][0] for row in rows if "country" in row).keys() == {b"DE"}
