"""A receiver of OTLP over HTTP on loopback, in JSON, and what spans say there."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Receiver(ThreadingHTTPServer):
    """An OTLP receiver: keeps what it is sent; `refusals` are the next statuses that it answers with."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.bodies: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.refusals: list[int] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def spans(self) -> list[dict[str, Any]]:
        """All spans so far, those that came twice as well."""
        return [
            span
            for body in self.bodies
            for resource in body["resourceSpans"]
            for scope in resource["scopeSpans"]
            for span in scope["spans"]
        ]


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        server = self.server
        assert isinstance(server, Receiver)
        data = self.rfile.read(int(self.headers["content-length"]))
        status = server.refusals.pop(0) if server.refusals else 200
        if status == 200 and self.path == "/v1/traces":
            server.bodies.append(json.loads(data))
            server.headers.append({name.lower(): value for name, value in self.headers.items()})
        self.send_response(status)
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def told(span: dict[str, Any]) -> dict[str, Any]:
    """The attributes of a span."""
    return {one["key"]: next(iter(one["value"].values())) for one in span["attributes"]}
