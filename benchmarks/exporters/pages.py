"""Serves pages over HTTP/1.1 with connections kept, as the Go programs do that it stands for."""

import itertools
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class PageServer(ThreadingHTTPServer):
    """Serves `pages`, one after the other, on a free port of loopback to those who send `authorization`."""

    daemon_threads = True

    def __init__(self, pages: Sequence[bytes], authorization: str) -> None:
        self.pages = itertools.cycle(pages)
        self.authorization = authorization
        super().__init__(("127.0.0.1", 0), _Handler)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else an answer of several packets waits 40 ms for the client's acknowledgement

    def do_GET(self) -> None:
        """Answer with the next page."""
        assert isinstance(self.server, PageServer)
        allowed = self.headers.get("Authorization") == self.server.authorization
        content = next(self.server.pages) if allowed else b"the password is missing or wrong\n"
        self.send_response(200 if allowed else 401)
        self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Say nothing."""
