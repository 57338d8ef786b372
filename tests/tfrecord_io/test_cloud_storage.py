"""A folder on `gs://`: its files are read as local ones are."""

from __future__ import annotations

import random

import pytest
from google.api_core import exceptions
from google.auth.exceptions import RefreshError, TransportError
from requests import ConnectionError as RequestsConnectionError

from tfrecord_io.cloud_errors import as_os_error
from tfrecord_io.cloud_storage import CloudFolder

RANGE = 4 * 2**20
"""Bytes that are asked for at a time."""


@pytest.mark.parametrize("size", [0, 1, RANGE - 1, RANGE, RANGE + 1, 2 * RANGE + 5])
def test_an_object_is_read_as_a_file(size: int, bucket: str) -> None:
    folder = CloudFolder(f"{bucket}/read/{size}")
    content = random.Random(size).randbytes(size)
    folder.write("a", content, replace=False)
    with folder.open("a") as file:
        assert file.read() == content
    with folder.open("a") as file:
        parts = [file.read(size // 3 + 1) for _ in range(4)]
        assert b"".join(parts) == content
        assert file.read(1) == b""
    with folder.open("a") as file:
        assert file.read(7) + file.read() == content
    assert folder.read("a", size // 2, 10) == content[size // 2 :][:10]
    assert folder.read("a", size, 10) == folder.read("a", 0, 0) == b""
    assert folder.size("a") == size


def test_names_are_below_the_folder_and_nothing_else_is_seen(bucket: str) -> None:
    folder, beside = CloudFolder(f"{bucket}/folder/"), CloudFolder(f"{bucket}/folder2")
    names = [f"train/label=%2F[{number}]*/x" for number in range(230)]
    for name in names:
        folder.write(name, b"abc", replace=False)
    beside.write("x", b"abc", replace=False)
    assert sorted(folder.list()) == sorted((name, 3) for name in names)
    assert {name for name, _ in folder.list("train/label=%2F[22")} == {names[22], *names[220:]}
    folder.delete(["never/there", *names[5:]])
    assert [name for name, _ in folder.list()] == sorted(names[:5])
    assert (folder.size("x"), beside.size("x")) == (None, 3)
    for call in (lambda: folder.open("x"), lambda: folder.read("x", 0, 1)):
        with pytest.raises(FileNotFoundError):
            call()


def test_what_is_there_is_replaced_only_on_request(bucket: str) -> None:
    folder = CloudFolder(bucket)
    assert folder.write("once", b"1", replace=False)
    assert not folder.write("once", b"2", replace=False)
    assert folder.read("once", 0, 9) == b"1"
    assert folder.write("once", b"3", replace=True)
    assert folder.read("once", 0, 9) == b"3"


_DOWN = ConnectionError("no route to host")


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (RequestsConnectionError(_DOWN), "Cloud Storage cannot be reached (no route to host). Check the network"),
        (TransportError(_DOWN), "Cloud Storage cannot be reached (no route to host). Check the network"),
        (
            exceptions.RetryError("Timeout of 120.0s exceeded", RequestsConnectionError(_DOWN)),
            "Cloud Storage cannot be reached (no route to host). Check the network",
        ),
        (
            exceptions.RetryError("Timeout of 120.0s exceeded", exceptions.ServiceUnavailable("busy")),
            "Cloud Storage answered with an error (busy). Try again later",
        ),
        (RefreshError("expired"), "the Google Cloud credentials were not accepted (expired). Log in with"),
    ],
)
def test_what_cannot_be_reached_is_no_matter_of_credentials(error: Exception, says: str) -> None:
    told = as_os_error(error, "gs://bucket/x")
    assert str(told).startswith(says)
