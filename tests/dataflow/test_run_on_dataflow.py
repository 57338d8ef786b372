"""`presample run --runner=DataflowRunner`, its command line unchanged, against a service on loopback."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from apache_beam.io.filesystems import FileSystems
from google.api_core import exceptions

from beam_jobs import PresampleOptions, run
from tests.dataflow.conftest import LoopbackDataflow
from tests.dataflow.service import DroppedConnectionError
from tfrecord_io.manifest import Manifest

ROOT = Path(__file__).parents[2]
CSV = b"".join([b"id,label,text\n", *(f"{i},{int(i % 20 == 0)},row {i}\n".encode() for i in range(2_000))])


def put(path: str, content: bytes) -> None:
    with FileSystems.create(path) as file:
        file.write(content)


def read(path: str) -> bytes:
    with FileSystems.open(path) as file:
        return bytes(file.read())


def names(folder: str) -> list[str]:
    return sorted(found.path for found in FileSystems.match([folder + "/**"])[0].metadata_list)


def flags(dataflow: LoopbackDataflow, bucket: str, name: str) -> list[str]:
    """A command line for Dataflow, with an input that is there."""
    put(f"{bucket}/{name}/a.csv", CSV)
    return [
        "run", "--input", f"{bucket}/{name}/*.csv", "--output", f"{bucket}/{name}_out", "--label", "label",
        "--runner=DataflowRunner", f"--temp_location={bucket}/tmp", f"--job_name={name}", *dataflow.flags,
    ]  # fmt: skip


def assert_same_as_local(bucket: str, name: str, folder: Path) -> Manifest:
    """The dataset at NAME_out is, byte for byte, what a local run makes; nothing else is in its folder."""
    (folder / "a.csv").write_bytes(CSV)
    local = run(PresampleOptions(input=(f"{folder}/*.csv",), output=f"{folder}/local", label="label"))
    output = f"{bucket}/{name}_out"
    with FileSystems.open(f"{output}/manifest.json") as file:
        remote = Manifest.from_json(file.read())
    assert remote.dataset_id == local.dataset_id
    assert names(output) == sorted([f"{output}/manifest.json", *(f"{output}/{shard.path}" for shard in local.shards())])
    for shard in local.shards():
        assert read(f"{output}/{shard.path}") == (folder / "local" / shard.path).read_bytes()
    return remote


def test_a_job_from_staged_code_makes_the_local_bytes(
    dataflow_runs: LoopbackDataflow, bucket: str, tmp_path: Path
) -> None:
    service = dataflow_runs.service
    service.fail("get_job", exceptions.Unauthenticated("expired"))
    service.fail("list_job_messages", DroppedConnectionError())
    command = [*flags(dataflow_runs, bucket, "same"), f"--setup_file={ROOT / 'setup.py'}"]
    done = subprocess.run([sys.executable, "-m", "presample.cli", *command], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "The dataset is in" in done.stdout
    manifest = assert_same_as_local(bucket, "same", tmp_path)
    assert manifest.to_document()["producer"]["runner"] == "DataflowRunner"
    (record,) = service.records.values()
    assert record.state == "DONE"
    assert any(message.message_text == "Staged: workflow.tar.gz" for message in record.messages)
