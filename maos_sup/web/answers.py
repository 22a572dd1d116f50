"""Answers of the page's server: JSON, files of ours, and errors that tell nothing of the inside."""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus
from importlib.resources import files
from typing import Any

from starlette.responses import Response

from maos_sup.projection.text import plain
from maos_sup.web.gate import HEADERS
from state_layout.files import codec

_TYPES = {
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "svg": "image/svg+xml",
}
FILES = (
    "index.html",
    "app.js",
    "draw.js",
    "parts.js",
    "stream.js",
    "views.js",
    "enter.js",
    "app.css",
    "icon.svg",
)


def json_answer(value: Any, status: HTTPStatus = HTTPStatus.OK) -> Response:
    """Answer with `value` as JSON."""
    return Response(codec.encode(value), status_code=status, media_type="application/json")


def error(status: HTTPStatus, text: str) -> Response:
    """Say as JSON what is wrong."""
    return json_answer({"error": plain(text)}, status)


def static(name: str) -> Response:
    """A file of the page, which comes with the package."""
    if name not in FILES:
        return error(HTTPStatus.NOT_FOUND, "no such file")
    return Response(_read(name), media_type=_TYPES[name.rpartition(".")[2]])


def entered(key: str) -> Response:
    """The page for who has just come in, with its own key, so that nothing is loaded twice."""
    head = "<title>maos-sup</title>"
    more = f'<meta name="page-key" content="{key}">\n<script type="module" src="/static/enter.js"></script>'
    text = _read("index.html").decode().replace(head, f"{head}\n{more}", 1)
    return Response(text, media_type=_TYPES["html"])


def _read(name: str) -> bytes:
    return (files("maos_sup.web") / "static" / name).read_bytes()


def raw_headers(more: Iterable[tuple[str, str]] = ()) -> list[tuple[bytes, bytes]]:
    """List the headers of every answer, as ASGI has them."""
    return [(name.encode(), value.encode()) for name, value in (*HEADERS, *more)]
