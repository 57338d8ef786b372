"""Input and output on `gs://`, against a storage server on loopback."""

from __future__ import annotations

from pathlib import Path

import pytest
from apache_beam.io.filesystems import FileSystems

from beam_jobs import PresampleOptions, run
from beam_jobs.schema_file import read_schema
from tfrecord_io.errors import OutputError, SourceError, UsageError

_CSV = b"".join([b"id,label,text\n", *(f"{i},{int(i % 20 == 0)},row {i}\n".encode() for i in range(2_000))])


def _put(path: str, content: bytes) -> None:
    with FileSystems.create(path) as file:
        file.write(content)


def _names(folder: str) -> list[str]:
    return sorted(found.path for found in FileSystems.match([folder + "/**"])[0].metadata_list)


def test_a_bucket_gives_the_same_dataset_as_a_folder(bucket: str, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(_CSV)
    _put(f"{bucket}/same/a.csv", _CSV)
    local = run(PresampleOptions(input=(f"{tmp_path}/*.csv",), output=f"{tmp_path}/out", label="label"))
    remote = run(PresampleOptions(input=(f"{bucket}/same/*.csv",), output=f"{bucket}/same_out", label="label"))
    assert remote.dataset_id == local.dataset_id
    named = [f"{bucket}/same_out/{shard.path}" for shard in remote.shards()]
    assert _names(f"{bucket}/same_out") == sorted([f"{bucket}/same_out/manifest.json", *named])
    for shard in local.shards():
        with FileSystems.open(f"{bucket}/same_out/{shard.path}") as file:
            assert file.read() == (tmp_path / "out" / shard.path).read_bytes()


def test_a_dataset_in_a_bucket_is_replaced_only_on_request(bucket: str) -> None:
    _put(f"{bucket}/twice/a.csv", _CSV)
    options = {"input": (f"{bucket}/twice/a.csv",), "output": f"{bucket}/twice_out", "label": "label"}
    first = run(PresampleOptions(**options))
    with pytest.raises(OutputError, match="already holds a dataset"):
        run(PresampleOptions(**options, seed=1))
    second = run(PresampleOptions(**options, seed=1, overwrite="purge"))
    assert second.dataset_id != first.dataset_id
    named = [f"{bucket}/twice_out/{shard.path}" for shard in second.shards()]
    assert _names(f"{bucket}/twice_out") == sorted([f"{bucket}/twice_out/manifest.json", *named])


def test_a_schema_in_a_bucket(bucket: str) -> None:
    _put(f"{bucket}/schema.pbtxt", b'feature { name: "age" type: INT }')
    assert [field.name for field in read_schema(f"{bucket}/schema.pbtxt")] == ["age"]
    with pytest.raises(UsageError, match=r"gone\.json' cannot be read"):
        read_schema(f"{bucket}/gone.json")


def test_a_pattern_without_objects_is_an_error(bucket: str, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"nothing/\*\.csv: no file matches"):
        run(PresampleOptions(input=(f"{bucket}/nothing/*.csv",), output=str(tmp_path / "out"), label="label"))


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("gs://not-there/a/*.csv", "there is no bucket 'not-there'. Correct its name, or create it."),
        ("gs://not-there", "GCS path must be in the form gs://<bucket>/<object>. Encountered 'gs://not-there'."),
    ],
)
def test_why_a_pattern_cannot_be_listed(bucket: str, tmp_path: Path, pattern: str, why: str) -> None:
    with pytest.raises(SourceError) as refused:
        run(PresampleOptions(input=(pattern,), output=str(tmp_path / "out"), label="label"))
    assert str(refused.value) == f"--input {pattern} cannot be listed: {why}"
