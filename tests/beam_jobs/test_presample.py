"""Strategies, weights and splits, end to end."""

from __future__ import annotations

import itertools
import math
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from beam_jobs.presample import main
from tests.beam_jobs.conftest import Dataset, Presample, csv_text
from tfrecord_io.manifest import Manifest
from tfrecord_io.verify import verify

SOURCE = {"A": 600, "B": 300, "C": 100}


@pytest.mark.parametrize(
    ("strategy", "kept"),
    [
        ("none", (600, 300, 100)),
        ("balance", (100, 100, 100)),
        ("not minority", (100, 100, 100)),
        ("auto", (100, 100, 100)),
        ("majority", (100, 300, 100)),
        ("ratio=1", (100, 100, 100)),
        ("ratio=2.5", (250, 250, 100)),
        ("ratio=100", (600, 300, 100)),
        ("max=1", (1, 1, 1)),
        ("max=150", (150, 150, 100)),
        ("counts:A=10,B=750,C=100", (10, 750, 100)),
        ("counts:A=0,B=1,C=0", (0, 1, 0)),
        ('counts:{"A": 600, "B": 301, "C": 1000}', (600, 301, 1000)),
        ("rates:A=0.05,B=1,C=3.5", (30, 300, 350)),
        ("rates:A=0.0025,B=0.005,C=2", (2, 2, 200)),  # 1.5 is rounded half up
        ("shares:A=0.5,B=0.25,C=0.25", (200, 100, 100)),
        ("shares:A=0,B=0.8,C=0.2", (0, 300, 75)),
        ("soften:0,0", (600, 300, 100)),
        ("soften:1,1", (333, 333, 333)),
        ("soften:0.5,0", (447, 300, 100)),  # 600 sqrt(333.3/600)
    ],
)
def test_a_strategy_keeps_exactly_its_rows(
    presample: Presample, three_classes: Path, strategy: str, kept: tuple[int, ...]
) -> None:
    made = presample(three_classes, strategy=strategy)
    assert made.sizes() == dict(zip("ABC", kept, strict=True))
    for (label, entry), rows in zip(made.classes().items(), kept, strict=True):
        copies = made.ids(label=label).values()
        whole, more = divmod(rows, SOURCE[str(label)])
        expected = Counter({whole: SOURCE[str(label)] - more, whole + 1: more})
        del expected[0]
        assert Counter(copies) == +expected
        weights = [row["weight"][0] for row in made.rows(label)]
        if rows:
            assert math.fsum(weights) == pytest.approx(SOURCE[str(label)], rel=1e-6)
            assert entry.weight == SOURCE[str(label)] / rows
    assert verify(made.folder).problems == []


def test_the_command_writes_what_the_function_writes(
    tmp_path: Path, presample: Presample, three_classes: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "by_command"
    flags = [f"--input={three_classes}", f"--output={output}", "--label=y", "--strategy=ratio=2", "--seed=3"]
    assert main(flags) == 0
    made = presample(three_classes, strategy="ratio=2", seed=3)
    assert Manifest.load(output).dataset_id == made.manifest.dataset_id
    assert "200" in capsys.readouterr().out


@pytest.fixture(scope="session")
def source_weights(three_classes: Path) -> dict[str, float]:
    totals: defaultdict[str, float] = defaultdict(float)
    for line in three_classes.read_text().splitlines()[1:]:
        label, _, weight, _ = line.split(",")
        totals[label] += float(weight)
    return dict(totals)


@pytest.mark.parametrize("strategy", ["balance", "counts:A=7,B=301,C=250"])
def test_calibrated_weights_add_up_to_the_source_rows(presample: Presample, three_classes: Path, strategy: str) -> None:
    made = presample(three_classes, strategy=strategy)
    spec = {
        "y": tf.io.FixedLenFeature([], tf.string),
        "id": tf.io.FixedLenFeature([], tf.int64),
        "w": tf.io.FixedLenFeature([], tf.float32),
        "weight": tf.io.FixedLenFeature([], tf.float32),
    }
    for label, entry in made.classes().items():
        files = [str(made.folder / shard.path) for shard in entry.shards]
        parsed = tf.io.parse_example(list(tf.data.TFRecordDataset(files).as_numpy_iterator()), spec)
        assert set(parsed["y"].numpy()) == {str(label).encode()}
        total = parsed["weight"].numpy().astype(np.float64).sum()
        assert total == pytest.approx(SOURCE[str(label)], rel=1e-6)


def test_tfx_bsl_decodes_the_same(presample: Presample, three_classes: Path) -> None:
    from tfx_bsl.coders import example_coder

    made = presample(three_classes)
    records = [r for shard in made.manifest.shards() for r in made.records(shard.path)]
    batch = example_coder.ExamplesToRecordBatchDecoder().DecodeBatch(records)
    assert sorted(batch.schema.names) == ["group", "id", "w", "weight", "y"]
    columns = {name: batch.column(name).flatten().to_pylist() for name in batch.schema.names}
    totals: defaultdict[bytes, float] = defaultdict(float)
    for label, weight in zip(columns["y"], columns["weight"], strict=True):
        totals[label] += weight
    assert totals == {k.encode(): pytest.approx(n, rel=1e-6) for k, n in SOURCE.items()}
    assert Counter(columns["id"]) == made.ids()


@pytest.mark.parametrize("weight_in", [None, "w"])
@pytest.mark.parametrize("mode", ["calibrated", "balanced", "none"])
def test_each_row_has_the_weight_of_its_mode(
    presample: Presample, three_classes: Path, source_weights: dict[str, float], mode: str, weight_in: str | None
) -> None:
    kept = {"A": 50, "B": 450, "C": 100}
    strategy = "counts:A=50,B=450,C=100"
    made = presample(three_classes, strategy=strategy, weights=mode, weight_in=weight_in)
    totals = source_weights if weight_in else {label: float(rows) for label, rows in SOURCE.items()}
    whole = sum(totals.values())
    factors = {
        "calibrated": {k: SOURCE[k] / kept[k] for k in SOURCE},
        "balanced": {k: whole / (3 * totals[k]) * SOURCE[k] / kept[k] for k in SOURCE},
        "none": dict.fromkeys(SOURCE, 1.0),
    }[mode]
    for label, factor in factors.items():
        for row in made.rows(label):
            original = row["w"][0] if weight_in else 1.0
            assert row["weight"] == [pytest.approx(original * factor, rel=1e-6)]
        assert made.classes()[label].source_weight == pytest.approx(totals[label], rel=1e-12)
    assert verify(made.folder).problems == []


def test_weights_of_zero_and_very_unlike_ones_are_summed_exactly(presample: Presample, write: ...) -> None:
    weights = [1e15, 0.1, 0, 0.2, 1e-300, 3] * 50
    path = write("w.csv", csv_text("y,w", [(i % 2, w) for i, w in enumerate(weights)]))
    made = presample(path, weight_in="w", weight_out="out", strategy="max=40")
    for label, entry in made.classes().items():
        assert entry.source_weight == math.fsum(weights[int(label) :: 2])
        assert sum(row["out"][0] == 0 for row in made.rows(label)) == sum(row["w"][0] == 0 for row in made.rows(label))


def test_splits_are_near_their_fractions_and_only_train_is_resampled(presample: Presample, three_classes: Path) -> None:
    made = presample(three_classes, splits="train=0.6,eval=0.3,test=0.1", weight_in="w", weights="balanced")
    counts = {split: made.manifest.split(split).source_rows for split in ("train", "eval", "test")}
    assert sum(counts.values()) == 1000
    for split, fraction in (("train", 0.6), ("eval", 0.3), ("test", 0.1)):
        # Four standard deviations: 6 in 100 000 for a random seed; this seed is fixed.
        assert abs(counts[split] - 1000 * fraction) < 4 * math.sqrt(1000 * fraction * (1 - fraction))
    ids = [made.ids(split=split) for split in ("train", "eval", "test")]
    assert not ids[0].keys() & ids[1].keys()
    assert not ids[1].keys() & ids[2].keys()
    assert len(set(made.sizes().values())) == 1
    for split in ("eval", "test"):
        assert sum(made.sizes(split).values()) == counts[split]
        assert all(row["weight"] == row["w"] for row in made.rows(split=split))
        assert all(entry.weight == 1.0 for entry in made.classes(split).values())
    assert verify(made.folder).problems == []


def test_splits_do_not_depend_on_the_draw_salt(presample: Presample, three_classes: Path) -> None:
    made = presample(three_classes, splits="train=0.5,eval=0.5", strategy="none")
    kept = presample(three_classes, strategy="rates:A=0.5,B=0.5,C=0.5").ids().keys()
    both = len(kept & made.ids().keys())
    assert 200 < both < 300  # 250 if independent; 500 or 0 if one hash served both


def test_split_by_keeps_equal_values_together(presample: Presample, three_classes: Path) -> None:
    made = presample(three_classes, splits="train=0.5,test=0.5", split_by="group", strategy="none")
    groups = [{row["group"][0] for row in made.rows(split=split)} for split in ("train", "test")]
    assert groups[0] | groups[1] == set(range(50))
    assert not groups[0] & groups[1]
    assert 10 < len(groups[0]) < 40


def test_split_by_the_label_itself(presample: Presample, write: ...) -> None:
    path = write("labels.csv", csv_text("y,id", [(f"k{i % 50}", i) for i in range(500)]))
    made = presample(path, splits="train=0.5,test=0.5", split_by="y", strategy="none", max_classes=50)
    assert {row["y"][0] for row in made.rows()}.isdisjoint(row["y"][0] for row in made.rows(split="test"))
    assert sum(made.sizes().values()) + sum(made.sizes("test").values()) == 500


def test_a_class_absent_from_train_is_in_eval_alone(presample: Presample, write: ...) -> None:
    path = write("rare.csv", csv_text("y,id", [("a", i) for i in range(60)] + [("z", 99)]))
    for seed in range(20):
        made = presample(path, splits="train=0.5,eval=0.5", seed=seed)
        if made.classes()["z"].source_rows == 0:
            break
    assert made.sizes()["z"] == 0
    assert made.classes()["z"].shards == ()
    assert made.sizes()["a"] == made.classes()["a"].source_rows
    assert made.sizes("eval")["z"] == 1


def _labels_source(write: ..., labels: list[str], rows: int = 8) -> Path:
    lines = [(f'"{label}"', i) for i in range(rows) for label in labels]
    return write("labels.csv", csv_text("y,id", lines))


def test_awkward_labels_land_in_paths_of_their_own(presample: Presample, write: ...) -> None:
    labels = ["a/b", "a%2Fb", "k=v", "..", ".", "", "Kelvin", "KELVIN", "kelvin", " ", "~x", "é", "e\u0301", "x" * 300]
    labels += ["a,b", "\x00nul", "-1", "label=0", "*"]
    made = presample(_labels_source(write, labels), strategy="max=5")
    assert made.sizes() == dict.fromkeys(labels, 5)
    folders = {str(Path(entry.shards[0].path).parent).casefold() for entry in made.classes().values()}
    assert len(folders) == len(labels)
    for folder in folders:
        assert Path(folder).parts[:-1] == ("train",)
        assert len(Path(folder).name.encode()) < 255
    for label in labels:
        assert {row["y"][0] for row in made.rows(label)} == {label.encode()}
    assert verify(made.folder).problems == []


def test_labels_that_are_not_utf8(presample: Presample, write: ...) -> None:
    path = write("bytes.csv", b"y,id\n" + b"".join(b"%s,%d\n" % (b"\xff" if i % 3 else b"ok", i) for i in range(30)))
    made = presample(path)
    assert made.sizes() == {"ok": 10, b"\xff": 10}
    assert {row["y"][0] for row in made.rows(b"\xff")} == {b"\xff"}


@pytest.mark.parametrize(
    ("texts", "found"),
    [
        (["0", "-1", "9223372036854775807", "-9223372036854775808"], [0, -1, 2**63 - 1, -(2**63)]),
        (["0.0", "0.5", "-2.5"], [0.0, 0.5, -2.5]),
        (["1", "1.0", "1e0", "0.1"], [1.0, 0.1]),
        (["0"], [0]),
        (["", "x"], ["", "x"]),
        (["01", "1"], ["01", "1"]),
        (["True", "true"], ["True", "true"]),
    ],
)
def test_labels_of_any_type(presample: Presample, write: ..., texts: list[str], found: list[object]) -> None:
    made = presample(_labels_source(write, texts), strategy="none")
    assert made.sizes() == dict.fromkeys(found, 8 * len(texts) // len(found)) or texts[0] == "1"
    assert set(made.sizes()) == set(found)
    assert {type(label) for label in made.sizes()} == {type(found[0])}


def test_boolean_labels_are_a_type_of_their_own(presample: Presample, write: ...) -> None:
    schema = '[{"name": "y", "type": "BOOLEAN"}]'
    made = presample(_labels_source(write, ["True", "0", "false"]), schema=schema, strategy="counts:true=8,false=3")
    assert made.sizes() == {False: 3, True: 8}
    assert {type(label) for label in made.sizes()} == {bool}
    assert {row["y"][0] for row in made.rows(False)} == {0}
    assert "label=~bool-false" in made.classes()[False].shards[0].path


def test_two_thousand_classes(presample: Presample, write: ...) -> None:
    rows = [(k, i) for i in range(3) for k in range(2000)] + [(k, 9) for k in range(0, 2000, 2)]
    made = presample(write("many.csv", csv_text("y,id", rows)), strategy="max=3")
    assert made.manifest.split("train").rows == 6000
    assert [entry.rows for entry in made.classes().values()] == [3] * 2000
    assert verify(made.folder).problems == []
    for label in (0, 999, 1998):
        assert [row["y"] for row in made.rows(label)] == [[label]] * 3


def _long_and_short(write: ...) -> Path:
    rng = np.random.default_rng(1)
    length = [rng.integers(900, 1100) if i % 5 == 0 else 3 for i in range(6000)]
    rows = [("long" if i % 5 == 0 else "short", i, "x" * length[i]) for i in range(6000)]
    return write("long.csv", csv_text("y,id,text", rows))


def _within_band(made: Dataset, shard_size: int) -> dict[str, int]:
    counts = {}
    for label, entry in made.classes().items():
        counts[str(label)] = len(entry.shards)
        if len(entry.shards) > 1:
            assert all(0.5 * shard_size <= shard.bytes <= 1.5 * shard_size for shard in entry.shards), label
    return counts


def test_shards_of_every_class_are_near_the_asked_size(presample: Presample, write: ...) -> None:
    # About 110 long rows or 1 500 short ones a shard: how many fall into one slice of v varies little.
    path = _long_and_short(write)
    counts = _within_band(presample(path, shard_size=120_000, strategy="none"), 120_000)
    assert counts == {"long": 11, "short": 3}
    counts = _within_band(presample(path, shard_size=120_000, strategy="rates:long=2,short=0.2"), 120_000)
    assert counts == {"long": 22, "short": 1}


def test_compressed_shards_are_near_the_asked_size(presample: Presample, write: ...) -> None:
    made = presample(_long_and_short(write), shard_size=20_000, strategy="none", compression="gzip")
    assert all(count > 1 for count in _within_band(made, 20_000).values())


def test_shards_of_a_row_or_two(presample: Presample, three_classes: Path) -> None:
    # Some slices of v hold no row, or only rows that stood at the cut and are out.
    for size in (60, 1):
        made = presample(three_classes, strategy="counts:A=70,B=3,C=2", shard_size=size)
        assert made.sizes() == {"A": 70, "B": 3, "C": 2}
        assert len(made.classes()["A"].shards) > 35
        assert all(shard.rows for shard in made.manifest.shards())


def test_any_prefix_of_the_shards_is_a_uniform_part(presample: Presample, write: ...) -> None:
    made = presample(_long_and_short(write), shard_size=20_000, strategy="none")
    for label in ("long", "short"):
        ids = [row["id"][0] for rows in made.shard_rows(label) for row in rows]
        assert sorted(ids) == sorted(set(ids))
        for part in (len(ids) // 8, len(ids) // 3, len(ids) // 2):
            # The mean of `part` draws from a uniform law on 0..6000, within 4 standard errors.
            error = 6000 / math.sqrt(12 * part) * math.sqrt(1 - part / len(ids))
            assert abs(np.mean(ids[:part]) - np.mean(ids)) < 4 * error


def test_copies_of_a_row_lie_apart(presample: Presample, write: ...) -> None:
    path = write("few.csv", csv_text("y,id", [("a", i) for i in range(200)]))
    made = presample(path, strategy="counts:a=2000", shard_size=5_000)
    ids = [row["id"][0] for rows in made.shard_rows("a") for row in rows]
    assert Counter(ids) == dict.fromkeys(range(200), 10)
    neighbours = sum(a == b for a, b in itertools.pairwise(ids))
    assert neighbours < 35  # 10 expected of a random order, 1800 if copies stood together
    assert len(made.classes()["a"].shards) > 5


def test_ten_thousand_classes(presample: Presample, write: ...) -> None:
    rows = [(i % 10_000, i) for i in range(30_000)]
    made = presample(write("many.csv", csv_text("y,id", rows)), strategy="max=2")
    assert len(made.classes()) == 10_000
    assert {entry.rows for entry in made.classes().values()} == {2}
    assert {sum(shard.rows for shard in entry.shards) for entry in made.classes().values()} == {2}
    assert len(list(made.folder.glob("train/*/part-*"))) == 10_000
