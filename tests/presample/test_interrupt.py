"""Ctrl-C and SIGTERM while real runs work: code 130, nothing published, no folder and no process left."""

from __future__ import annotations

import gzip
import hashlib
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from presample.cli import main as presample_command
from tests.presample.conftest import rows_csv

MESSAGE = "presample: interrupted; nothing was published, and unfinished work was removed.\n"
MODES = {
    "in_memory": [],
    "multi_threading": ["--direct_running_mode=multi_threading", "--direct_num_workers=2"],
    "multi_processing": ["--direct_running_mode=multi_processing", "--direct_num_workers=2"],
}
WORKERS = {"in_memory": 0, "multi_threading": 0, "multi_processing": 2}
A_POLL = 0.05
MOST_POLLS = 2_400


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One gzip file of 6 million rows, which one worker reads for some seconds; it is made in one."""
    path = tmp_path_factory.mktemp("large") / "rows.csv.gz"
    rows = rows_csv(60_000)
    start = rows.index(b"\n") + 1
    path.write_bytes(gzip.compress(rows[:start]) + 100 * gzip.compress(rows[start:], 1))
    return path


@contextmanager
def started(source: Path, output: Path, *flags: str) -> Iterator[subprocess.Popen[str]]:
    """A `presample run` in a process of its own, killed with all it started should a test fail."""
    code = "import sys; from presample.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", code, "run", "--input", str(source), "--output", str(output), "--label", "label"]
    with subprocess.Popen([*command, *flags], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            for left in family(process):
                left.kill()


def family(process: subprocess.Popen[str]) -> list[psutil.Process]:
    try:
        parent = psutil.Process(process.pid)
        return [*parent.children(recursive=True), parent]
    except psutil.NoSuchProcess:
        return []


def wait_until(process: subprocess.Popen[str], condition: Callable[[], bool]) -> None:
    """Waits until the run is so far; fails if it ends before."""
    for _ in range(MOST_POLLS):
        if condition():
            return
        try:
            process.wait(A_POLL)
        except subprocess.TimeoutExpired:
            continue
        break
    assert process.stderr
    pytest.fail(f"the run never came so far: exit code {process.poll()}, {process.stderr.read()}")


def unfinished(output: Path) -> list[Path]:
    return list(output.glob(".presample-*"))


def digests(folder: Path) -> dict[str, str]:
    return {str(p): hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.rglob("*") if p.is_file()}


def assert_interrupted(process: subprocess.Popen[str], members: list[psutil.Process]) -> None:
    out, err = process.communicate()
    assert (process.returncode, out, err) == (130, "", MESSAGE)
    _, alive = psutil.wait_procs(members, timeout=10)
    assert alive == []


@pytest.mark.parametrize(
    ("mode", "number"),
    [
        ("in_memory", signal.SIGINT),
        ("in_memory", signal.SIGTERM),
        ("multi_threading", signal.SIGINT),
        ("multi_processing", signal.SIGTERM),
    ],
)
def test_a_run_that_is_interrupted_leaves_nothing(mode: str, number: int, large: Path, tmp_path: Path) -> None:
    output = tmp_path / "new" / "dataset"
    with started(large, output, *MODES[mode]) as process:
        # The process that waits, the one that works, and the workers of multi_processing.
        wait_until(process, lambda: bool(unfinished(output)) and len(family(process)) >= 2 + WORKERS[mode])
        members = family(process)
        process.send_signal(number)
        assert_interrupted(process, members)
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_overwrite_leaves_the_dataset_whole(large: Path, dataset: Path, tmp_path: Path) -> None:
    before = digests(dataset)
    with started(large, dataset, "--overwrite=purge") as process:
        wait_until(process, lambda: any(any(folder.glob("shards/*")) for folder in unfinished(dataset)))
        members = family(process)
        process.send_signal(signal.SIGINT)
        assert_interrupted(process, members)
    assert digests(dataset) == before
    assert unfinished(dataset) == []
    assert presample_command(["verify", str(dataset)]) == 0


def test_ctrl_c_on_a_terminal_reaches_the_whole_group(large: Path, tmp_path: Path) -> None:
    """A terminal signals every process of its foreground group, and people press Ctrl-C more than once."""
    output = tmp_path / "dataset"
    with started(large, output) as process:
        wait_until(process, lambda: bool(unfinished(output)))
        members = family(process)
        for member in members:
            member.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGINT)
        assert_interrupted(process, members)
    assert not output.exists()


def test_an_interruption_after_publication_says_so(tmp_path: Path) -> None:
    code = (
        "import pathlib, signal, sys\nfrom beam_jobs.supervise import supervise\n"
        "folder = pathlib.Path(sys.argv[1])\n"
        "def work():\n    (folder / 'manifest.json').write_text('{}')\n    signal.pause()\n"
        "sys.exit(supervise(work, folder / '.presample-0123456789ab'))"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stderr=subprocess.PIPE, text=True) as process:
        wait_until(process, (tmp_path / "manifest.json").exists)
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate()
    assert (process.returncode, err) == (
        130,
        MESSAGE.replace("nothing was published", "the dataset was published before"),
    )


def test_a_worker_that_is_killed_leaves_nothing(large: Path, tmp_path: Path) -> None:
    output = tmp_path / "dataset"
    with started(large, output) as process:
        wait_until(process, lambda: bool(unfinished(output)))
        (worker,) = psutil.Process(process.pid).children()
        worker.kill()
        out, err = process.communicate()
    assert (process.returncode, out) == (1, "")
    assert err.startswith(f"presample: the job was ended by signal {signal.SIGKILL}; nothing was published.")
    assert "--block_size" in err
    assert not output.exists()


def test_a_run_that_ends_by_itself_leaves_no_process(csv_file: Path, tmp_path: Path) -> None:
    output = tmp_path / "dataset"
    with started(csv_file, output, *MODES["multi_processing"]) as process:
        wait_until(process, lambda: len(family(process)) >= 2 + WORKERS["multi_processing"])
        members = family(process)
        _, err = process.communicate()
    assert (process.returncode, err) == (0, "")
    _, alive = psutil.wait_procs(members, timeout=10)
    assert alive == []
    assert sorted(path.name for path in output.iterdir()) == ["manifest.json", "train"]


def test_one_message_also_from_the_process_that_waits(csv_file: Path, tmp_path: Path) -> None:
    with started(csv_file, tmp_path / "dataset", "--strategy", "counts:0=1") as process:
        out, err = process.communicate()
    assert (process.returncode, out) == (1, "")
    assert err.startswith("presample: --strategy counts does not name 1")
    assert err.count("\n") == 1
    assert list(tmp_path.iterdir()) == [csv_file]


def test_a_killed_run_works_on_in_no_child(large: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    with started(large, output) as process:
        wait_until(process, lambda: bool(unfinished(output)))
        members = family(process)
        assert len(members) > 1
        process.kill()
        process.wait(timeout=60)
        gone, alive = psutil.wait_procs(members, timeout=60)
        assert (len(gone), alive) == (len(members), [])
    assert not (output / "manifest.json").exists()
    assert presample_command(["clean", str(output)]) == 0
    assert list(output.iterdir()) == []
