"""Bad input ends with one message that says what to do, publishes nothing and leaves nothing behind."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from beam_jobs import PresampleOptions, driver
from beam_jobs.output import Output
from tests.presample.bad_inputs import CASES, HUGE, Case
from tests.presample.conftest import Command, Outcome, assert_one_message
from tfrecord_io.errors import SourceError


def snapshot(folder: Path) -> dict[str, bytes | None]:
    return {str(path): path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


def assert_refused(outcome: Outcome, code: int, *says: str) -> None:
    assert outcome.out == ""
    for part in says:
        assert part in outcome.err
    assert_one_message(outcome.err)
    assert outcome.code == code


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_one_message_and_nothing_left_behind(case: Case, run: Command, tmp_path: Path) -> None:
    for name, content in case.files.items():
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    before = snapshot(tmp_path)
    output = case.output if "://" in case.output else tmp_path / case.output
    outcome = run(*case.flags, source=tmp_path / "in" / case.source, output=output, label=case.label)
    assert_refused(outcome, case.code, *(part.replace("{T}", str(tmp_path)) for part in case.says))
    assert snapshot(tmp_path) == before


def test_folders_made_on_the_way_are_taken_away_again(run: Command, tmp_path: Path) -> None:
    outcome = run("--strategy", HUGE, output=tmp_path / "a" / "b" / "c")
    assert_refused(outcome, 1, "the plan needs about")
    assert not (tmp_path / "a").exists()


def test_gzip_is_not_suggested_to_who_has_it(run: Command) -> None:
    assert "--compression" not in run("--strategy", HUGE, "--compression", "gzip").err


def test_max_classes_allows_unique_labels(run: Command, tmp_path: Path) -> None:
    assert run("--max_classes", "200", label="name").code == 0
    split = json.loads((tmp_path / "dataset" / "manifest.json").read_text())["splits"]["train"]
    assert [entry["rows"] for entry in split["classes"]] == [1] * 200


def test_a_folder_with_a_dataset_is_refused_and_stays_as_it_was(run: Command, dataset: Path) -> None:
    before = snapshot(dataset)
    outcome = run("--seed", "7")
    assert_refused(outcome, 1, f"{dataset} already holds a dataset", "--overwrite", "--overwrite=purge")
    assert snapshot(dataset) == before


@pytest.mark.parametrize("flags", [(), ("--overwrite",), ("--overwrite=purge",)])
def test_a_manifest_of_somebody_else_is_never_replaced(flags: tuple[str, ...], run: Command, tmp_path: Path) -> None:
    mine = tmp_path / "site" / "manifest.json"
    mine.parent.mkdir()
    mine.write_text('{"short_name": "my web page"}')
    assert_refused(run(*flags, output=mine.parent), 1, f"{mine} is not presample's", "another --output")
    assert snapshot(mine.parent) == {str(mine): mine.read_bytes()}


def test_a_failed_overwrite_leaves_the_dataset_whole(run: Command, presample: Command, dataset: Path) -> None:
    before = snapshot(dataset)
    assert_refused(run("--overwrite=purge", "--strategy", HUGE), 1, "the plan needs about")
    assert snapshot(dataset) == before
    assert presample("verify", dataset).code == 0


def test_a_folder_that_was_there_stays(run: Command, tmp_path: Path) -> None:
    folder = tmp_path / "dataset"
    folder.mkdir()
    assert_refused(run("--strategy", HUGE), 1, "the plan needs about")
    assert snapshot(folder) == {}
    assert folder.is_dir()


def test_brackets_in_a_folder_are_no_pattern(run: Command, tmp_path: Path) -> None:
    assert run(output=tmp_path / "set [1]").code == 0
    assert (tmp_path / "set [1]" / "manifest.json").is_file()


def test_a_link_to_nowhere_is_no_file(run: Command, tmp_path: Path, csv_file: Path) -> None:
    (tmp_path / "gone.csv").symlink_to(tmp_path / "nowhere.csv")
    outcome = run(source=[str(csv_file), str(tmp_path / "gone.csv")])
    assert_refused(outcome, 1, f"{tmp_path / 'gone.csv'}: no file matches")


def test_a_file_that_goes_away_after_it_was_listed(tmp_path: Path, csv_file: Path) -> None:
    output = Output(str(tmp_path / "dataset"))
    options = PresampleOptions(input=str(csv_file), output=output.folder, label="label")
    job = driver.make_job(options, (), output, ".presample-0123456789ab")
    csv_file.unlink()
    with pytest.raises(SourceError, match=f"{csv_file} cannot be opened: .*No such file"):
        driver._run_until_exact(job, ())
    assert list(tmp_path.rglob("manifest.json")) == []
