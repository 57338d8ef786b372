"""The storage server of these tests does as Cloud Storage does where jobs depend on it."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest
import requests
from google.api_core.exceptions import NotFound, PreconditionFailed
from google.cloud import storage


def _bucket() -> storage.Bucket:
    return storage.Client(project="project").bucket("bucket")


def _simple(name: str, content: bytes, generation: int) -> None:
    url = f"{os.environ['STORAGE_EMULATOR_HOST']}/upload/storage/v1/b/bucket/o"
    query = {"uploadType": "media", "name": name, "ifGenerationMatch": generation}
    answer = requests.post(url, params=query, data=content, timeout=10)
    if answer.status_code == 412:
        assert answer.json()["error"]["errors"][0]["reason"] == "conditionNotMet"
        raise PreconditionFailed(answer.json()["error"]["message"])
    answer.raise_for_status()


def _multipart(name: str, content: bytes, generation: int) -> None:
    _bucket().blob(name).upload_from_string(content, if_generation_match=generation)


def _resumable(name: str, content: bytes, generation: int) -> None:
    _bucket().blob(name, chunk_size=2**18).upload_from_string(content, if_generation_match=generation)


@pytest.mark.parametrize("upload", [_simple, _multipart, _resumable])
def test_an_object_is_written_only_at_the_generation_asked_for(
    upload: Callable[[str, bytes, int], None], bucket: str
) -> None:
    name = upload.__name__
    upload(name, b"1" * 2**19, 0)
    first = _bucket().get_blob(name)
    for generation in (0, first.generation + 1):
        with pytest.raises(PreconditionFailed):
            upload(name, b"2", generation)
    assert _bucket().get_blob(name).download_as_bytes() == b"1" * 2**19
    upload(name, b"3" * 2**19, first.generation)
    second = _bucket().get_blob(name)
    assert second.generation != first.generation
    with pytest.raises(PreconditionFailed):
        second.delete(if_generation_match=first.generation)
    second.delete(if_generation_match=second.generation)
    upload(name, b"4", 0)


def test_a_bucket_that_is_not_there_is_said(bucket: str) -> None:
    other = storage.Client(project="project").bucket("other")
    for call in (lambda: list(other.list_blobs()), lambda: other.blob("a").upload_from_string(b"a")):
        with pytest.raises(NotFound, match="The specified bucket does not exist"):
            call()
