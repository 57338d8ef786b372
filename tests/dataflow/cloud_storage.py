"""Cloud Storage on loopback: an emulator, a token service, and the environment that leads every client to them."""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from gcp_storage_emulator.handlers.buckets import create_bucket
from gcp_storage_emulator.server import RequestHandler, Router
from gcp_storage_emulator.storage import Storage

from tests.dataflow.http_handler import send_json, serving

BUCKET = "bucket"
PRIVATE = "private"
"""A bucket that nobody may enter."""

_NAMES = re.compile(r"(?:/upload|/download)?(?:/storage/v1)?/b/([^/]+)(?:/o/([^/]+)$)?")


class _ConditionNotMetError(Exception):
    """The object is of another generation than the request says."""


class _Objects(Storage):
    """The emulator's objects, replaced or deleted only at the generation that the present request asks for.

    Requests are served one by one, so between this check and the change nothing can happen, as on the service.
    """

    wanted: str | None = None

    def create_file(self, bucket_name: str, file_name: str, *content: Any) -> None:
        self._check(bucket_name, file_name)
        super().create_file(bucket_name, file_name, *content)

    def delete_file(self, bucket_name: str, file_name: str) -> None:
        self._check(bucket_name, file_name)
        super().delete_file(bucket_name, file_name)

    def _check(self, bucket: str, name: str) -> None:
        found = self.objects.get(bucket, {}).get(name, {"generation": "0"})
        if self.wanted is not None and self.wanted != found["generation"]:
            raise _ConditionNotMetError


class _Service(RequestHandler):
    """The emulator's requests, and answers of the service that it lacks: 412, 416, 403, and which bucket is missing."""

    def _serve(self) -> None:
        url = urlsplit(self.path)
        found = _NAMES.match(url.path)
        bucket, name = found.groups() if found else (None, None)
        if bucket and bucket not in self.storage.buckets:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if bucket == PRIVATE:
                self._refuse(403, "forbidden", "anybody does not have storage.objects access to the bucket.")
            else:
                self._refuse(404, "notFound", "The specified bucket does not exist.")
            return
        if name and self._starts_behind(self.storage.objects.get(bucket, {}).get(unquote(name))):
            self._refuse(416, "requestedRangeNotSatisfiable", "Request range not satisfiable")
            return
        self.storage.wanted = parse_qs(url.query).get("ifGenerationMatch", [None])[0]  # resumable uploads repeat it
        try:
            Router(self).handle(self.command)
        except _ConditionNotMetError:
            self._refuse(412, "conditionNotMet", "At least one of the pre-conditions you specified did not hold.")

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve  # noqa: N815 - http.server's names

    def _starts_behind(self, found: dict[str, Any] | None) -> bool:
        """Whether the range that is asked for starts behind an object's end."""
        start = re.match(r"bytes=(\d+)-", self.headers.get("Range") or "")
        return found is not None and start is not None and int(start[1]) >= int(found["size"])

    def _refuse(self, code: int, reason: str, message: str) -> None:
        error = {"message": message, "domain": "global", "reason": reason}
        send_json(self, code, json.dumps({"error": {"code": code, "message": message, "errors": [error]}}))


class _Server(HTTPServer):
    request_queue_size = 128  # beyond 5 connections that wait, a client would try again after a second


class _Tokens(BaseHTTPRequestHandler):
    """Gives anybody an access token, as a token service would."""

    def do_POST(self) -> None:
        token = {"access_token": "t", "token_type": "Bearer", "expires_in": 3600}
        token["issued_token_type"] = "urn:ietf:params:oauth:token-type:access_token"
        send_json(self, 200, json.dumps(token))

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Says nothing."""


@contextmanager
def cloud_storage(folder: Path) -> Iterator[str]:
    """Serves an empty bucket until it is left; credentials for it are kept in `folder`.

    Yields:
      The bucket, as gs://NAME.
    """
    for name in ("api", "gcp_storage_emulator"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # it warns of each object that is not there
    objects = _Objects(use_memory_fs=True)
    create_bucket(BUCKET, objects)
    tokens = ThreadingHTTPServer(("127.0.0.1", 0), _Tokens)
    storage = _Server(("127.0.0.1", 0), partial(_Service, objects))
    with serving(tokens) as token_port, serving(storage) as port, pytest.MonkeyPatch.context() as environment:
        (folder / "subject").write_text("anybody")
        account = {
            "type": "external_account",
            "audience": "//iam.googleapis.com/own",  # of a pool, google-auth asks Google which regions it is for
            "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
            "token_url": f"http://127.0.0.1:{token_port}/token",
            "credential_source": {"file": str(folder / "subject")},
        }
        (folder / "account.json").write_text(json.dumps(account))
        environment.setenv("STORAGE_EMULATOR_HOST", f"http://127.0.0.1:{port}")
        environment.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(folder / "account.json"))
        environment.setenv("GOOGLE_CLOUD_PROJECT", "project")
        try:
            yield f"gs://{BUCKET}"
        finally:
            beams = sys.modules.get("apache_beam.internal.gcp.auth")
            if beams:  # Beam keeps credentials for the whole process, and these have nowhere to be renewed any more
                beams._Credentials._credentials_init = False
