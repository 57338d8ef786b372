"""What the HTTP servers of these tests share: every verb goes the same way, nothing is logged."""

from __future__ import annotations

from http.server import BaseHTTPRequestHandler


class Handler(BaseHTTPRequestHandler):
    """Serves each request by `serve`."""

    protocol_version = "HTTP/1.1"

    def serve(self) -> None:
        """Answers the request."""
        raise NotImplementedError

    def do_GET(self) -> None:
        self.serve()

    def do_POST(self) -> None:
        self.serve()

    def do_PUT(self) -> None:
        self.serve()

    def do_PATCH(self) -> None:
        self.serve()

    def do_DELETE(self) -> None:
        self.serve()

    def do_HEAD(self) -> None:
        self.serve()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Says nothing."""
