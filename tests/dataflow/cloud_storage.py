"""Cloud Storage on loopback: an emulator, a token service, and the environment that leads every client to them."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socketserver import TCPServer

import pytest
from gcp_storage_emulator.server import create_server

BUCKET = "bucket"


class _Tokens(BaseHTTPRequestHandler):
    """Gives anybody an access token, as a token service would."""

    def do_POST(self) -> None:
        token = {"access_token": "t", "token_type": "Bearer", "expires_in": 3600}
        token["issued_token_type"] = "urn:ietf:params:oauth:token-type:access_token"
        body = json.dumps(token).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Says nothing."""


@contextmanager
def cloud_storage(folder: Path) -> Iterator[str]:
    """Serves an empty bucket until it is left; credentials for it are kept in `folder`.

    Yields:
      The bucket, as gs://NAME.
    """
    tokens = ThreadingHTTPServer(("127.0.0.1", 0), _Tokens)
    threading.Thread(target=tokens.serve_forever, daemon=True).start()
    storage = create_server("127.0.0.1", 0, in_memory=True, default_bucket=BUCKET)
    with pytest.MonkeyPatch.context() as patience:  # beyond 5 connections that wait, a client tries again after 1 s
        patience.setattr(TCPServer, "request_queue_size", 128)
        storage.start()
    (folder / "subject").write_text("anybody")
    account = {
        "type": "external_account",
        "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/pool/providers/provider",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": f"http://127.0.0.1:{tokens.server_port}/token",
        "credential_source": {"file": str(folder / "subject")},
    }
    (folder / "account.json").write_text(json.dumps(account))
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("STORAGE_EMULATOR_HOST", f"http://127.0.0.1:{storage._api._httpd.server_port}")
        environment.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(folder / "account.json"))
        environment.setenv("GOOGLE_CLOUD_PROJECT", "project")
        yield f"gs://{BUCKET}"
    storage.stop()
    tokens.shutdown()
    beams = sys.modules.get("apache_beam.internal.gcp.auth")
    if beams:  # Beam keeps credentials for the whole process, and these have nowhere to be renewed any more
        beams._Credentials._credentials_init = False
