"""A server before a real one that speaks S3: it passes on what it is asked, but for what a test has it do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import cast
from urllib.parse import urlsplit

Refusal = Callable[[str, str], "tuple[int, bytes] | None"]  # of a method and a path: status and body


@contextmanager
def proxied(
    server: dict[str, str],
    *,
    refuses: Refusal = lambda method, path: None,
    passes: Callable[[str], bool] = lambda header: True,
) -> Iterator[dict[str, str]]:
    """Run it before `server`; the environment that leads to it. `passes` says which headers are passed on."""
    place = urlsplit(server["AWS_ENDPOINT_URL"]).netloc

    class Proxy(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *arguments: object) -> None:
            """Nothing is said."""

        def _pass_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            refusal = refuses(self.command, self.path)
            if refusal is not None:
                self._answer(refusal[0], [], refusal[1], None)
                return
            headers = {key: value for key, value in self.headers.items() if passes(key.lower())}
            with closing(HTTPConnection(place, timeout=30)) as connection:
                connection.request(self.command, self.path, body, headers)
                answer = connection.getresponse()
                data = answer.read()
            length = answer.getheader("Content-Length") if self.command == "HEAD" else None
            self._answer(answer.status, answer.getheaders(), data, length)

        def _answer(
            self, status: int, headers: list[tuple[str, str]], data: bytes, length: str | None
        ) -> None:
            self.send_response(status)
            for key, value in headers:
                if key.lower() not in ("transfer-encoding", "connection", "content-length", "server", "date"):
                    self.send_header(key, value)
            self.send_header("Content-Length", length or str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_PUT = do_DELETE = do_HEAD = do_POST = _pass_on

    proxy = ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    proxy.daemon_threads = True
    thread = Thread(target=proxy.serve_forever)
    thread.start()
    port = cast("tuple[str, int]", proxy.server_address)[1]
    try:
        yield server | {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}"}
    finally:
        proxy.shutdown()
        thread.join()
        proxy.server_close()
