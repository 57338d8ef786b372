"""`presample run`: flags that are wrong, and what is printed when all is well."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.presample.conftest import Command, assert_one_message, rows_csv

FORMS = "It is one of none, balance, majority, ratio=M"

USAGE = [
    (("--seed", "x"), ("--seed", "'x'", "--help")),
    (("--seed",), ("--seed: expected one argument",)),
    (("--shard_size", "abc"), ("--shard_size 'abc' is not a size", "128MB")),
    (("--shard_size", "0"), ("--shard_size 0 must be at least 1 byte",)),
    (("--shard_size=-1MB",), ("--shard_size -1000000 must be at least 1 byte",)),
    (("--shard_size", "NaN"), ("--shard_size 'NaN' is not a size",)),
    (("--shard_size", "inf"), ("--shard_size 'inf' is too large",)),
    (("--shard_size", "1e999999999"), ("--shard_size '1e999999999' is not a size",)),
    (("--block_size", "12XB"), ("--block_size '12XB' is not a size",)),
    (("--block_size", "0"), ("--block_size 0 must be at least 1 byte",)),
    (("--max_bad_fraction", "2"), ("--max_bad_fraction 2.0", "between 0 and 1")),
    (("--max_bad_fraction", "nan"), ("--max_bad_fraction nan",)),
    (("--max_bad_fraction", "x"), ("--max_bad_fraction", "'x'")),
    (("--max_classes", "0"), ("--max_classes 0 must be at least 1",)),
    (("--max_classes", "x"), ("--max_classes", "'x'")),
    (("--weights", "x"), ("--weights", "'x'", "calibrated")),
    (("--format", "x"), ("--format", "'x'", "parquet")),
    (("--compression", "zip"), ("--compression", "'zip'", "gzip")),
    (("--on_bad_row", "x"), ("--on_bad_row", "'x'", "reject")),
    (("--validate", "x"), ("--validate", "'x'", "drawn")),
    (("--overwrite=x",), ("--overwrite", "'x'", "purge")),
    (("--weight_out", ""), ("--weight_out is empty",)),
    (("--weight_in", ""), ("--weight_in is empty",)),
    (("--label", ""), ("--label is empty",)),
    (("--output", ""), ("--output is empty",)),
    (("--input",), ("--input: expected at least one argument",)),
    (("--weight_out", "label"), ("--weight_out label", "another name")),
    (("--weight_in", "label"), ("--weight_in and --label both name 'label'",)),
    (("--split_by", "name"), ("--split_by does nothing without --splits", "train=0.8")),
    (("--splits", ""), ("--splits", "NAME=FRACTION")),
    (("--splits", "train=0.5"), ("--splits train=0.5", "add up to 0.5, not to 1")),
    (("--splits", "train"), ("'train' must be NAME=FRACTION",)),
    (("--splits", "train=0.5,Train=0.5"), ("names 'Train' and 'train'", "same folder")),
    (("--splits", "train=0.5,a/b=0.5"), ("'a/b' cannot name a split", "letters, digits")),
    (("--splits", "train=0.5,rejected=0.5"), ("'rejected' cannot name a split",)),
    (("--splits", "train=0.5,.=0.5"), ("'.' cannot name a split",)),
    (("--splits", "train=0.5,train=0.5"), ("names 'train' twice",)),
    (("--splits", "train=x,eval=0.5"), ("'x' is not a number",)),
    (("--splits", "train=nan,eval=0.5"), ("train is nan",)),
    (("--splits", "train=-1,eval=2"), ("train is -1",)),
    (("--splits", "eval=1"), ("no split to train on", "Add train=FRACTION")),
    (("--row_id", "a,,b"), ("--row_id 'a,,b'", "different column names")),
    (("--row_id", "a,a"), ("--row_id 'a,a'",)),
    (("--where", "age >"), ("--where 'age >' does not parse at its end", "Write it like")),
    (("--where", "age > 5 & w > 1"), ("joins 5 with & or |", "join them with and, or")),
    (("--where", "age > 'x'"), ("cannot be computed", "age is int64")),
    (("--where", "open('x') == age"), ("calls open, which is not known here",)),
    (("--columns", "age,name"), ("--columns age,name leaves out the label 'label'", "Add it")),
    (("--columns", "label,label"), ("--columns 'label,label' must be different",)),
    (("--drop_columns", "label"), ("--drop_columns names the label 'label'",)),
    (("--columns", "label,w", "--drop_columns", "w"), ("--columns and --drop_columns both name w",)),
    (("--split_time", "age"), ("--split_time 'age' must be COLUMN=T1",)),
    (("--split_time", "age=soon"), ("'soon' is no time", "created=2024-01-01")),
    (("--split_time", "age=7,5"), ("7 is not before 5",)),
    (("--split_time", "age=2024-01-01"), ("column 'age' holds numbers (int64), not dates",)),
    (("--split_time", "age=5", "--splits", "train=0.5,eval=0.5"), ("leave --splits and --split_by out",)),
    (("--strategyy", "none"), ("Unknown flag --strategyy", "Did you mean --strategy?")),
    (("--strateg", "none"), ("Unknown flag --strateg", "Did you mean --strategy?")),
    (("--runer=x",), ("Unknown flag --runer", "Did you mean --runner?")),
    (("--zzz",), ("Unknown flag --zzz", "neither presample run nor Beam", "--help")),
    (("--plan_only", "stray"), ("'stray'", "follows no flag")),
    (("--runner=Nobody",), ("--runner Nobody cannot be used", "DataflowRunner")),
    (("--direct_num_workers", "x"), ("--direct_num_workers", "'x'", "presample run --help")),
    (("--direct_running_mode", "x"), ("--direct_running_mode", "multi_threading")),
    *[
        (("--strategy", text), (f"--strategy {text}", says))
        for text, says in {
            "ratio=": f"'' is not a number. {FORMS}",
            "ratio=0.5": "at least 1",
            "ratio=nan": "'nan' is not a number",
            "ratio=1/0": "'1/0' is not a number",
            "max=0": "whole number of rows, at least 1",
            "max=1.5": "whole number of rows",
            "max=-1": "-1 is negative",
            "counts:": "'' is not LABEL=NUMBER",
            "counts:0": "'0' is not LABEL=NUMBER",
            "counts:0=1,0=2": "'0' is named twice",
            "counts:0=1.5,1=1": "use rates for fractions",
            "counts:0=-1,1=1": "-1 is negative",
            "counts:0=0,1=0": "keeps no row",
            "counts:{": "not valid JSON",
            'counts:{"0":null,"1":1}': "is not a number",
            'counts:{"0":1,"0":2}': "'0' is named twice",
            "rates:0=1e9999999,1=1": "1e9999999",
            "rates:0=1e-9999999,1=1": "1e-9999999",
            "shares:0=0.5,1=0.6": "add up to 1.1",
            "soften:1": "is not a number",
            "soften:2,0": "between 0 and 1",
        }.items()
    ],
    (("--strategy", "BALANCE"), ("--strategy 'BALANCE' is not known", FORMS)),
    (("--strategy", ""), ("--strategy '' is not known", FORMS)),
    (("--schema", "nowhere.json"), ("--schema 'nowhere.json' cannot be read: No such file",)),
    (("--schema", "/"), ("--schema '/' cannot be read: Is a directory",)),
    (("--schema", "["), ("--schema is not valid JSON",)),
    (("--schema", '{"name": "age"}'), ("--schema must be a JSON list like [{", "a name and a type")),
    (("--schema", '[{"name": "age"}]'), ("--schema must be a JSON list",)),
    (
        ("--schema", '[{"name": "agee", "type": "INTEGER"}]'),
        ("'agee' is not in the header. Did you mean 'age'? The columns are label, age",),
    ),
    (("--schema", '[{"name": "age", "type": "INTERVAL"}]'), ("'age' has type INTERVAL", "INTEGER", "can be STRING")),
    (("--schema", '[{"name": "age", "type": "INTEGER", "mode": "X"}]'), ("mode X", "NULLABLE, REQUIRED or REPEATED")),
    (("--schema", '[{"name": "age", "type": "INTEGER"}, {"name": "age", "type": "STRING"}]'), ("'age'", "twice")),
]


@pytest.mark.parametrize(("flags", "says"), USAGE, ids=lambda value: " ".join(value)[:60])
def test_a_wrong_flag_is_one_message_and_exit_code_2(
    flags: tuple[str, ...], says: tuple[str, ...], run: Command, tmp_path: Path, csv_file: Path
) -> None:
    outcome = run(*flags)
    assert_one_message(outcome.err)
    for part in says:
        assert part in outcome.err
    assert outcome.code == 2
    assert outcome.out == ""
    assert list(tmp_path.iterdir()) == [csv_file]


def test_a_schema_file_is_named_in_what_is_wrong_with_it(run: Command, tmp_path: Path) -> None:
    path = tmp_path / "schema.json"
    path.write_text('{"a": 1}')
    assert f"--schema {path} must be a JSON list" in run("--schema", str(path)).err
    path.write_bytes(b"\xff")
    assert f"--schema '{path}' cannot be read" in run("--schema", str(path)).err


@pytest.mark.parametrize("flags", [(), ("--overwrite",), ("--compression", "gzip", "--strategy", "none")])
def test_stdout_has_the_table_and_the_place_and_stderr_nothing(
    flags: tuple[str, ...], run: Command, tmp_path: Path
) -> None:
    outcome = run(*flags)
    assert outcome.code == 0
    assert outcome.err == ""
    heads = "split class source rows kept rows weight shards bytes"
    assert heads in re.sub(" +", " ", outcome.out)
    kept = 180 if "none" in flags else 20
    assert re.search(rf"train +0 +180 +{kept} +{180 // kept} +1 ", outcome.out)
    assert re.search(r"train +1 +20 +20 +1 +1 ", outcome.out)
    assert f"The dataset is in {tmp_path / 'dataset'}\n" in outcome.out
    assert "Floating-point columns are stored as float32." in outcome.out


def test_the_three_lines_feed_a_keras_model(run: Command, tmp_path: Path) -> None:
    import keras

    folder = tmp_path / 'a "quoted" folder'
    out = run("--schema", '[{"name": "age", "type": "FLOAT"}]', output=folder).out
    lines = re.search(r"^from input_fns import InputFn\n.*\n.*$", out, re.MULTILINE)
    assert lines
    assert lines[0].count("\n") == 2
    age = keras.Input((), name="age", dtype="float32")
    others = {name: keras.Input((), name=name, dtype=kind) for name, kind in [("name", "string"), ("w", "float32")]}
    model = keras.Model({"age": age, **others}, keras.layers.Dense(1)(keras.layers.Reshape((1,))(age)))
    model.compile("sgd", "mse")
    seen: dict[str, object] = {"model": model}
    exec(lines[0], seen)
    assert model.optimizer.iterations.numpy() == 5 * seen["train"].steps_per_epoch == 5  # type: ignore[attr-defined]


def test_warnings_go_to_stderr(run: Command, tmp_path: Path) -> None:
    path = tmp_path / "rare.csv"
    path.write_bytes(b"label\n1\n" + b"0\n" * 999)
    outcome = run(source=path)
    assert outcome.code == 0
    assert outcome.err.startswith("Warning: balance keeps 2 of 1000 rows")
    assert "ratio=M" in outcome.err
    assert "Warning" not in outcome.out


def test_plan_only_prints_the_table_and_writes_nothing(run: Command, tmp_path: Path, csv_file: Path) -> None:
    outcome = run("--plan_only", "--strategy", "ratio=3")
    assert outcome.code == 0
    assert outcome.err == ""
    assert re.search(r"train +0 +180 +60 +3 +1 +6\.\d+ kB", outcome.out)
    assert "dataset is in" not in outcome.out
    assert list(tmp_path.iterdir()) == [csv_file]


def test_rows_chosen_and_splits_by_time_are_in_what_is_printed(run: Command) -> None:
    flags = ("--where", "age >= 20 and name != 'n25'", "--split_time", "age=100,300", "--drop_columns", "name")
    planned = run("--plan_only", *flags)
    made = run(*flags)
    for outcome in (planned, made):
        assert outcome.code == 0
        assert re.search(r"train +0 +71 +8 +8\.875 .*\n.*train +1 +8 +8 ", outcome.out)
        assert outcome.err == "Warning: --split_time age=100,300 leaves test without a row.\n"
    assert "--where left out 21 rows.\n" in planned.out
    assert "--where left out 21 of 200 rows.\n" in made.out
    assert "by a hash" not in made.out


def test_verbose_shows_the_log_and_the_traceback(run: Command, dataset: Path) -> None:
    plain = run("--label", "nobody")
    assert_one_message(plain.err)
    verbose = run("--label", "nobody", "--verbose")
    assert verbose.err.startswith(plain.err)
    assert "Traceback (most recent call last)" in verbose.err
    assert verbose.code == plain.code == 1


def test_overwrite_keeps_old_shards_and_purge_removes_them(run: Command, dataset: Path) -> None:
    def shards() -> set[str]:
        return {str(path.relative_to(dataset)) for path in dataset.rglob("*.tfrecord")}

    def named() -> set[str]:
        classes = json.loads((dataset / "manifest.json").read_text())["splits"]["train"]["classes"]
        return {shard["path"] for entry in classes for shard in entry["shards"]}

    first = shards()
    assert first == named()
    assert run("--overwrite", "--strategy", "max=30").code == 0
    second = named()
    assert shards() == first | second
    assert not first <= second
    assert run("--overwrite=purge", "--strategy", "max=40").code == 0
    assert named() <= shards()
    assert shards() == named() | (first - second)
    assert list(dataset.glob(".presample-*")) == []


def test_a_terminal_shows_a_progress_line_that_goes_away(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(rows_csv(700_000))
    command = [sys.executable, "-m", "beam_jobs.presample", "--input", str(path), "--output", str(tmp_path / "dataset")]
    reader, terminal = pty.openpty()
    with subprocess.Popen(
        [*command, "--label", "label"], stderr=terminal, stdout=subprocess.PIPE, env=os.environ | {"TERM": "xterm"}
    ) as process:
        os.close(terminal)
        shown = b""
        try:
            while part := os.read(reader, 65_536):
                shown += part
        except OSError:  # the other end is closed
            pass
        assert process.stdout
        out = process.stdout.read().decode()
    os.close(reader)
    text = shown.decode()
    assert process.returncode == 0
    assert re.search(r"(counting|drawing): [\d,]+ rows, [\d.]+ \wB.*rows/s", text)
    left = text.split("\x1b[2K")[-1]  # after the line was erased for the last time
    assert re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]|\r", "", left).strip() == ""
    assert "\x1b[?25h" in text.rsplit("\x1b[?25l", 1)[1]  # the cursor is back
    assert "rows/s" not in out
    assert "The dataset is in" in out
