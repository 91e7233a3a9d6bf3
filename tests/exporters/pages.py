"""Serves a page over HTTP on loopback, for collectors that read others' pages."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer


@contextmanager
def serving_page(page: bytes) -> Iterator[str]:
    """Give the address of a server of `page`; /gone is not there, /locked takes user:word only."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            locked = self.path == "/locked" and self.headers.get("Authorization") != "Basic dXNlcjp3b3Jk"
            self.send_response(401 if locked else 404 if self.path == "/gone" else 200)
            self.end_headers()
            self.wfile.write(page)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
