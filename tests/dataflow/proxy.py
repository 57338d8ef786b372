"""A proxy that is all of Google for those who use it: TLS with a certificate of its own, tokens checked, no other host.

Storage requests are passed on to the emulator one by one, whole, in plain HTTP. What goes to Dataflow is passed
on to the gRPC front as the bytes it is. Access tokens are made here.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import ThreadingHTTPServer

from tests.dataflow.certificates import Certificates
from tests.dataflow.http_handler import Handler, serving

DATAFLOW = "dataflow.googleapis.com"
STORAGE = ("storage.googleapis.com", "www.googleapis.com")
TOKENS = ("oauth2.googleapis.com", "www.googleapis.com")
_HOP_BY_HOP = ("connection", "content-length", "date", "expect", "server", "transfer-encoding")
_BLOCK = 1 << 16


@dataclass
class Google:
    """Where things really are, which tokens are good, and which hosts were asked for.

    Args:
      storage: host and port of the emulator.
      dataflow: port of the gRPC front.
      tokens: that were given out and are good. To remove one is to let it expire.
    """

    certificates: Certificates
    storage: str
    dataflow: int
    tokens: set[str] = field(default_factory=set)
    passed: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    def new_token(self) -> str:
        token = f"token-{len(self.tokens) + 1}"
        self.tokens.add(token)
        return token

    def accepts(self, authorization: str | None) -> bool:
        """Whether a header Authorization is that of somebody with a token."""
        return (authorization or "").removeprefix("Bearer ") in self.tokens


class _Proxy(Handler):
    google: Google
    host = ""

    def do_CONNECT(self) -> None:  # noqa: N802 - http.server's name
        host = self.path.rpartition(":")[0]
        if host != DATAFLOW and host not in (*STORAGE, *TOKENS):
            self.google.refused.append(host)
            self.send_error(403)
            return
        self.google.passed.append(host)
        self.send_response(200)
        self.end_headers()
        context = self.google.certificates.server_context("h2" if host == DATAFLOW else "http/1.1")
        try:
            connection = context.wrap_socket(self.connection, server_side=True)
        except OSError:  # a client that does not trust us
            self.close_connection = True
            return
        if host == DATAFLOW:
            _relay(connection, self.google.dataflow)
            self.close_connection = True
            return
        self.host, self.connection, self.close_connection = host, connection, False
        self.rfile, self.wfile = connection.makefile("rb", -1), connection.makefile("wb", 0)

    def serve(self) -> None:
        body = self._body()
        if not self.host:
            self.google.refused.append(self.path)
            self.send_error(403, "Only https goes through here")
        elif self.host in TOKENS and self.path.endswith("/token"):
            token = {"access_token": self.google.new_token(), "token_type": "Bearer", "expires_in": 3600}
            self._answer(200, [("Content-Type", "application/json")], json.dumps(token).encode())
        elif not self.google.accepts(self.headers.get("Authorization")):
            self._answer(
                401, [("Content-Type", "application/json")], b'{"error": {"code": 401, "message": "no token"}}'
            )
        else:
            self._pass_on(body)

    def _body(self) -> bytes:
        """The body in one piece."""
        if "chunked" not in (self.headers.get("Transfer-Encoding") or ""):
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        pieces = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            pieces.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(pieces)

    def _pass_on(self, body: bytes) -> None:
        here, there = f"http://{self.google.storage}/", f"https://{self.host}/"
        passed_on = [(name, value) for name, value in self.headers.items() if name.lower() not in _HOP_BY_HOP]
        headers = {**dict(passed_on), "Host": self.google.storage}
        upstream = http.client.HTTPConnection(self.google.storage)
        upstream.request(self.command, self.path, body, {**headers, "Content-Length": str(len(body))})
        answer = upstream.getresponse()
        content = answer.read()
        upstream.close()
        if "json" in (answer.getheader("Content-Type") or ""):  # links to itself
            content = content.replace(here.encode(), there.encode())
        kept = [(name, value) for name, value in answer.getheaders() if name.lower() not in _HOP_BY_HOP]
        kept = [(name, value.replace(here, there)) for name, value in kept]
        self._answer(answer.status, kept, content, answer.getheader("Content-Length"))

    def _answer(self, code: int, headers: list[tuple[str, str]], content: bytes, length: str | None = None) -> None:
        head = self.command == "HEAD"
        self.send_response(code)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", length if head and length else str(len(content)))
        self.end_headers()
        if not head:
            self.wfile.write(content)


def _relay(client: socket.socket, port: int) -> None:
    """Passes bytes on in both directions until one side has ended."""
    with socket.create_connection(("127.0.0.1", port)) as server:
        back = threading.Thread(target=_copy, args=(server, client), daemon=True)
        back.start()
        _copy(client, server)
        back.join()


def _copy(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while block := source.recv(_BLOCK):
            target.sendall(block)
    for each in (source, target):
        with contextlib.suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)


@contextmanager
def google_proxy(google: Google) -> Iterator[str]:
    """Serves until it is left.

    Yields:
      The proxy's address.
    """
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Proxy", (_Proxy,), {"google": google}))
    server.daemon_threads = True
    with serving(server) as port:
        yield f"http://127.0.0.1:{port}"
