"""The tables that people see."""

from __future__ import annotations

import ast
import io
from dataclasses import replace
from fractions import Fraction

import pytest
from rich.console import Console

from tests.tfrecord_io.documents import entry, shard
from tests.tfrecord_io.shards import EMPTY, Rows, write
from tfrecord_io.manifest import ClassEntry, Split
from tfrecord_io.plan import Tally, make_plan
from tfrecord_io.strategy import parse_strategy
from tfrecord_io.summary import MOST_CLASSES, dataset_table, plan_table, readable_bytes, reading_snippet


def shown(table, width=120):
    """The table's lines, each as its cells."""
    text = io.StringIO()
    Console(file=text, width=width, color_system=None).print(table)
    return [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in text.getvalue().splitlines()]


def test_plan_table():
    tallies = {("train", 0): Tally(990_000, Fraction(990_000), 1), ("train", 1): Tally(10_000, Fraction(10_000), 1)}
    plan = make_plan(
        tallies,
        splits=("train",),
        label_dtype="int64",
        strategy=parse_strategy("ratio=3"),
        weights="calibrated",
        shard_size=1_000_000,
        row_bytes=lambda label, tally: 100.0,
    )
    lines = shown(plan_table(plan))
    assert ["split", "class", "source rows", "kept rows", "weight", "shards", "bytes"] in lines
    assert ["train", "0", "990,000", "30,000", "33", "3", "3 MB"] in lines
    assert ["train", "1", "10,000", "10,000", "1", "1", "1 MB"] in lines


def test_dataset_table(tmp_path):
    manifest = write(tmp_path, [[Rows(label="a", weight=25.0, rows=4)], [Rows(label="b", weight=12.5, rows=8)] * 1])
    sizes = [readable_bytes(shard.bytes) for shard in manifest.shards()]
    lines = shown(dataset_table(manifest))
    assert ["train", "a", "100", "4", "25", "1", sizes[0]] in lines
    assert ["train", "b", "100", "8", "12.5", "1", sizes[1]] in lines


def test_folds_have_a_column_where_there_are_several():
    folds = tuple(shard(f"{fold}", rows=10, bytes=500, fold=fold) for fold in range(3))
    classes = (entry(0, rows=10, folds=3, shards=folds), entry(1, rows=100, weight=1.0, shards=(shard("b", rows=100),)))
    split = Split(source_rows=200, rows=110, classes=classes)
    lines = shown(dataset_table(replace(EMPTY, splits={"train": split})))
    assert ["split", "class", "source rows", "rows a fold", "folds", "weight", "shards", "bytes"] in lines
    assert ["train", "0", "100", "10", "3", "10", "3", "1.5 kB"] in lines
    assert ["train", "1", "100", "100", "1", "1", "1", "500 B"] in lines
    many = tuple(entry(label, rows=10, folds=3) for label in range(MOST_CLASSES + 1))
    lines = shown(dataset_table(replace(EMPTY, splits={"train": Split(source_rows=1, rows=1, classes=many)})))
    assert ["train", "(2 more)", "200", "20", "2", "1 kB"] in lines


def class_of(label, rows):
    return ClassEntry(label=label, source_rows=rows, source_weight=float(rows), rows=0, weight=None, shards=())


def test_many_classes_are_summed_up():
    """The largest are shown, in the order of their labels; the others are one line."""
    classes = tuple(class_of(label, 1000 + label) for label in range(100))
    lines = shown(dataset_table(replace(EMPTY, splits={"train": Split(source_rows=1, rows=0, classes=classes)})))
    shown_labels = [int(line[1]) for line in lines if line[:1] == ["train"] and line[1].isdigit()]
    assert shown_labels == list(range(100 - MOST_CLASSES + 1, 100))
    rest = sum(1000 + label for label in range(100 - MOST_CLASSES + 1))
    assert ["train", "(81 more)", f"{rest:,}", "0", "0", "0 B"] in lines


def test_as_many_classes_as_fit_are_all_shown():
    classes = tuple(class_of(label, 5) for label in range(MOST_CLASSES))
    lines = shown(dataset_table(replace(EMPTY, splits={"train": Split(source_rows=1, rows=0, classes=classes)})))
    assert [line[1] for line in lines if line[:1] == ["train"]] == [str(label) for label in range(MOST_CLASSES)]


@pytest.mark.parametrize("label", ["[bold]", "[/]", "[/red]x", ":smile:", "[link=x]y[/link]", "\\[a]"])
def test_a_label_is_no_markup(label):
    lines = shown(
        dataset_table(replace(EMPTY, splits={"train": Split(source_rows=1, rows=0, classes=(class_of(label, 5),))}))
    )
    assert ["train", label, "5", "0", "0", "0 B"] in lines


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1 kB"),
        (1_820_000_000, "1.82 GB"),
        (128_000_000, "128 MB"),
        (999_499, "999 kB"),
        (999_600, "1 MB"),
        (999_999_999, "1 GB"),
        (2.5e12, "2.5 TB"),
    ],
)
def test_readable_bytes(size, text):
    assert readable_bytes(size) == text


@pytest.mark.parametrize("directory", ["out", "/data/a b", "é", 'quo"te', "gs://bucket/x"])
def test_the_snippet_is_three_lines_of_python_that_name_the_dataset(directory):
    snippet = reading_snippet(directory, 64)
    assert len(snippet.splitlines()) == 3
    constants = {node.value for node in ast.walk(ast.parse(snippet)) if isinstance(node, ast.Constant)}
    assert {directory, "train", 64, "balanced"} <= constants


@pytest.mark.parametrize(
    ("splits", "read"),
    [
        (("train", "eval"), "train"),
        (("a", "train"), "train"),
        (("fold0", "test"), "fold0"),
        (("fold0", "eval", "fold1"), ["fold0", "fold1"]),
    ],
)
def test_the_snippet_reads_what_is_there_to_train_on(splits, read):
    assignment = ast.parse(reading_snippet("d", splits=splits)).body[1]
    assert {word.arg: ast.literal_eval(word.value) for word in assignment.value.keywords}["split"] == read
