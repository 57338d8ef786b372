"""PortableRunner with Beam's own job service: workers in this process, and workers of an external pool."""

from __future__ import annotations

import dataclasses
import os
import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from apache_beam.runners.portability.local_job_service import LocalJobServicer
from apache_beam.runners.worker.worker_pool_main import BeamFnExternalWorkerPoolServicer

from beam_jobs import PresampleOptions, run
from beam_jobs.command import check_beam_args, make_parser
from presample import cli
from tfrecord_io.manifest import Manifest

PAGE = (Path(__file__).parents[2] / "docs/runners.md").read_text()


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Of a job service."""
    service = LocalJobServicer(staging_dir=str(tmp_path_factory.mktemp("staging")))
    port = service.start_grpc_server(0)
    yield f"--job_endpoint=localhost:{port}"
    service.stop()


@pytest.fixture(params=["LOOPBACK", "EXTERNAL"])
def flags(request: pytest.FixtureRequest, endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Beam's, for a runner whose workers are elsewhere."""
    common = ["--runner=PortableRunner", endpoint, f"--environment_type={request.param}"]
    if request.param == "LOOPBACK":
        yield common
        return
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    monkeypatch.setenv("PATH", path)  # the pool's workers are `python`
    address, pool = BeamFnExternalWorkerPoolServicer.start(use_process=True)
    yield [*common, f"--environment_config={address}"]
    pool.stop(None).wait()


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "a.csv"
    path.write_text("id,label,text\n" + "".join(f"{i},{int(i % 20 == 0)},row {i}\n" for i in range(2_000)))
    return path


def test_the_bytes_of_a_local_run(flags: list[str], source: Path, tmp_path: Path) -> None:
    options = PresampleOptions(
        input=(str(source),), output=str(tmp_path / "local"), label="label", row_id=("id",), folds=2,
        strategy="ratio=3", splits="train=0.7,eval=0.3",
    )  # fmt: skip
    local = run(options)
    made = run(dataclasses.replace(options, output=str(tmp_path / "made")), flags)
    assert made.dataset_id == local.dataset_id
    assert made.to_document()["producer"]["runner"] == "PortableRunner"
    written = {str(path.relative_to(tmp_path / "made")) for path in tmp_path.glob("made/**/*") if path.is_file()}
    assert written == {"manifest.json", *local.files()}
    for path in local.files():
        assert (tmp_path / "made" / path).read_bytes() == (tmp_path / "local" / path).read_bytes()


def test_an_error_is_one_message(
    endpoint: str, source: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out"
    flags = ["--runner=PortableRunner", endpoint, "--environment_type=LOOPBACK"]
    command = ["run", "--input", str(source), f"--output={output}", "--label=label", "--strategy=counts:7=5", *flags]
    assert cli.main(command) == 1
    shown = capfd.readouterr().err.splitlines()
    assert [line for line in shown if line.startswith("presample:")] == [
        "presample: --strategy names '7', not found in the data. The classes found are 0, 1."
    ]
    assert not output.exists()


def test_the_command_of_the_page(endpoint: str, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (typed,) = re.findall(r"^    presample (run .*?[^\\])$", PAGE, re.MULTILINE | re.DOTALL)
    here = typed.replace("\\\n", " ").replace("clicked", "label").replace("--job_endpoint=localhost:8099", endpoint)
    (tmp_path / "data").mkdir()
    source.rename(tmp_path / "data/a.csv")
    monkeypatch.chdir(tmp_path)
    assert cli.main(shlex.split(here)) == 0
    assert Manifest.load("dataset").split("train").rows == 200


def test_the_flags_of_the_page_are_beams() -> None:
    rows = re.findall(r"^\| .*? \| .*?(--.*) \|$", PAGE, re.MULTILINE)
    assert len(rows) == 6
    for row in rows:
        for flags in re.findall(r"`?(--[^`]*)`", row):
            check_beam_args(flags.split(), make_parser())


def test_a_job_service_that_is_not_there(source: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    command = ["run", f"--input={source}", f"--output={tmp_path / 'out'}", "--label=label", "--runner=PortableRunner"]
    assert cli.main([*command, "--job_endpoint=127.0.0.1:9", "--job_server_timeout=1"]) == 1
    shown = capfd.readouterr().err.splitlines()
    (message,) = [line for line in shown if line.startswith("presample:")]
    assert "No job service answers at --job_endpoint" in message
    assert not (tmp_path / "out").exists()
