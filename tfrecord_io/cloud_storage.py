"""Cloud Storage: `gs://` through google-cloud-storage, which the extra `[gcp]` installs."""

from __future__ import annotations

import functools
import io
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from tfrecord_io.cloud_errors import NOT_INSTALLED, as_os_error
from tfrecord_io.cloud_login import find_credentials

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_READ_BYTES = 4 * 2**20
_BATCH = 100
"""Deletions a request: the most that the service takes."""
_THREADS = 8
"""More wait for a connection: the library keeps ten."""


class CloudFolder:
    """The objects whose names start with a folder's. Thread-safe; temporary failures are tried again by the library.

    Every method raises `OSError` with the reason when the service refuses or cannot be reached.
    """

    def __init__(self, path: str, client: Any = None) -> None:
        """Args: path: gs://BUCKET[/FOLDER]; client: a google.cloud.storage.Client, else one of this process's."""
        bucket, _, prefix = path.removeprefix("gs://").partition("/")
        if not bucket:
            raise OSError("gs:// must be followed by the name of a bucket")
        self.readers = _THREADS
        self._path = path.rstrip("/") + "/"
        self._prefix = prefix.rstrip("/") + "/" if prefix.strip("/") else ""
        with _explained(path):
            self._client = client or _client(os.getpid(), *map(os.environ.get, _ENVIRONMENT))
            self._bucket = self._client.bucket(bucket)

    def open(self, name: str) -> BinaryIO:
        """As a local file. Reads ranges of 4 MiB, or all that is left in one request where all is asked for."""
        raw = _Ranges(self, name)
        raw.fetch(_READ_BYTES)
        return io.BufferedReader(raw, _READ_BYTES)

    def read(self, name: str, offset: int, size: int | None) -> bytes:
        """A part of an object, one request; up to its end if `size` is None."""
        from google.api_core.exceptions import RequestRangeNotSatisfiable

        if size == 0:
            return b""
        last = None if size is None else offset + size - 1
        try:
            with _explained(self._path + name):
                blob = self._bucket.blob(self._prefix + name)
                return cast(bytes, blob.download_as_bytes(start=offset or None, end=last, raw_download=True))
        except OSError as error:
            if isinstance(error.__cause__, RequestRangeNotSatisfiable):  # it ends before
                return b""
            raise

    def size(self, name: str) -> int | None:
        """Bytes of an object; None if it is not there."""
        with _explained(self._path + name):
            found = self._bucket.get_blob(self._prefix + name)
            return None if found is None else int(found.size)

    def list(self, prefix: str = "") -> Iterator[tuple[str, int]]:
        """(name, bytes) of all objects below, one request a thousand; folders do not exist here."""
        with _explained(self._path + prefix):
            fields = "items(name,size),nextPageToken"
            for found in self._client.list_blobs(self._bucket, prefix=self._prefix + prefix, fields=fields):
                yield found.name.removeprefix(self._prefix), int(found.size)

    def delete(self, names: Iterable[str]) -> None:
        """Deletes objects, a hundred a request; those that are not there are no error."""
        rest = iter(names)
        batches = iter(lambda: list(islice(rest, _BATCH)), [])
        with ThreadPoolExecutor(_THREADS) as pool:
            for _ in pool.map(self._delete_batch, batches):
                pass

    def _delete_batch(self, names: Iterable[str]) -> None:
        from google.api_core.exceptions import GoogleAPICallError, NotFound

        try:
            with self._client.batch():
                for name in names:
                    self._bucket.delete_blob(self._prefix + name)
        except GoogleAPICallError:  # of one of them: each by itself, and again where that helps
            for name in names:
                with _explained(self._path + name):
                    try:
                        self._bucket.delete_blob(self._prefix + name, retry=_retry())
                    except NotFound:
                        continue

    def write(self, name: str, content: bytes, replace: bool) -> bool:
        """Writes an object in one atomic step: a PUT, on the condition that there is none unless it may be replaced.

        Returns:
          Whether it was written: False where one is there already, perhaps by an earlier try whose answer was lost.
        """
        from google.api_core.exceptions import PreconditionFailed

        with _explained(self._path + name):
            blob = self._bucket.blob(self._prefix + name)
            condition = {} if replace else {"if_generation_match": 0}
            try:
                blob.upload_from_string(content, "application/json", retry=_retry(), **condition)
            except PreconditionFailed:
                return False
            return True


class _Ranges(io.RawIOBase):
    """An object, read range by range."""

    def __init__(self, folder: CloudFolder, name: str) -> None:
        super().__init__()
        self._folder = folder
        self._name = name
        self._at = 0
        self._ready = b""
        self._ended = False

    def readable(self) -> bool:
        return True

    def fetch(self, size: int) -> None:
        """Reads ahead. A range that comes back short was the last."""
        self._ready = self._folder.read(self._name, self._at, size)
        self._ended = len(self._ready) < size
        self._at += len(self._ready)

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer).cast("B")
        if not self._ready and not self._ended:
            self.fetch(len(view))
        count = min(len(view), len(self._ready))
        view[:count], self._ready = self._ready[:count], self._ready[count:]
        return count

    def readall(self) -> bytes:
        rest = b"" if self._ended else self._folder.read(self._name, self._at, None)
        content, self._ready, self._ended = self._ready + rest, b"", True
        return content


_ENVIRONMENT = ("STORAGE_EMULATOR_HOST", "GOOGLE_APPLICATION_CREDENTIALS")
"""What a client depends on. Nor does one survive a fork."""


@functools.lru_cache(maxsize=4)
def _client(_process: int, emulator: str | None, _account: str | None) -> Any:
    """A client for all folders of this process: connections and tokens are used again."""
    try:
        from google.cloud import storage
    except ImportError as error:
        raise OSError(NOT_INSTALLED) from error
    return storage.Client(project=None, credentials=None if emulator else find_credentials()[0])


def _retry() -> Any:
    from google.cloud.storage.retry import DEFAULT_RETRY

    return DEFAULT_RETRY


@contextmanager
def _explained(path: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        told = as_os_error(error, path)
        if told is None:
            raise
        raise told from error
