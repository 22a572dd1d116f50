"""Requests of no sense: no traceback, no answer without the key, no write without leave to steer.

MAOS_SUP_FUZZ_REQUESTS says how many (300); `make fuzz` sends 10,000.
"""

from __future__ import annotations

import http.client
import json
import os
import random

from served import Answer, Server

from state_layout.paths import Tree

SEED = int(os.environ.get("MAOS_SUP_FUZZ_SEED", "1"))
COUNT = int(os.environ.get("MAOS_SUP_FUZZ_REQUESTS", "300"))
_PATHS = [
    "/",
    "/enter",
    "/metrics",
    "/api/session",
    "/api/trees",
    "/static/app.js",
    "/static/nothing",
    "/api/t/{key}/act",
]
_PATHS += [
    f"/api/t/{{key}}/{part}"
    for part in ("board", "head", "timeline", "graph", "costs", "messages", "cuts", "cuts/1", "cuts/1/back")
]
_PATHS += ["/api/t/{key}/agents/bob"]
_PIECES = [
    "..",
    "%2e",
    "%00",
    "//",
    "\\",
    "?",
    "#",
    ";",
    "%",
    "é",
    "a" * 400,
    "{",
    "~",
    "-1",
    "1e999",
    "nan",
    "[]",
    "&&==",
    "\x7f",
]
_NAMES = [
    "origin",
    "host",
    "cookie",
    "x-maos-key",
    "content-type",
    "content-length",
    "authorization",
    "upgrade",
    "range",
    "sec-fetch-site",
]
_NAMES += [
    "expect",
    "transfer-encoding",
    "x-forwarded-host",
    "x-forwarded-for",
    "accept-encoding",
    "connection",
    "if-none-match",
]
_VALUES = [
    "",
    "null",
    "x",
    "0",
    "-1",
    "99999999999",
    "chunked",
    "websocket",
    "Bearer x",
    "text/plain",
    "application/json",
    "a=b; c",
    "\xff",
]
_QUERY = ["since", "until", "first", "lanes", "agent", "key", "with", "money"]


def fuzzed(chance: random.Random, server: Server, key: str, *, has_key: bool) -> Answer | None:
    """One request; None where the server closed the connection, as it may."""
    path = chance.choice(_PATHS).format(key=key)
    if chance.random() < 0.3:
        at = chance.randrange(len(path) + 1)
        path = "/" + (path[:at] + chance.choice(_PIECES) + path[at:]).lstrip("/").replace(" ", "")
    if chance.random() < 0.4:
        values = [chance.choice([*_PIECES, "1", "1790000000", "bob"]) for _ in range(chance.randint(1, 4))]
        path += "?" + "&".join(f"{chance.choice(_QUERY)}={value}" for value in values)
    headers = [("host", f"{server.host}:{server.port}")]
    if has_key:
        headers += [("cookie", server.cookie), ("x-maos-key", server.page_key), ("origin", server.origin)]
    method = chance.choice(["GET", "GET", "GET", "POST", "POST", "PUT", "HEAD", "OPTIONS"])
    body = None
    if method == "POST":
        told = {
            chance.choice(["act", "want", "agent", "question", "x"]): chance.choice(
                ["want", "retry", "pause", 1, None, [], {"a": {}}]
            )
            for _ in range(chance.randint(0, 4))
        }
        body = chance.choice([json.dumps(told).encode(), b"", b"{", b"\xff" * 20, b"[" * 3000])
        headers += [("content-type", "application/json"), ("content-length", str(len(body)))]
    for _ in range(chance.choice([0, 0, 1, 2])):
        headers.append((chance.choice(_NAMES), chance.choice(_VALUES)))
    try:
        return server.send(method, path.encode("utf-8", "replace").decode("latin-1"), headers, body)
    except (http.client.HTTPException, OSError, ValueError, UnicodeError):
        return None


def test_requests_of_no_sense_are_refused_in_order(reader: Server, tree: Tree) -> None:
    chance, key = random.Random(SEED), reader.key()
    before = {path: path.read_bytes() for path in tree.root.rglob("*") if path.is_file()}
    seen = dict[int, int]()
    for number in range(COUNT):
        has_key = number % 2 == 0
        answer = fuzzed(chance, reader, key, has_key=has_key)
        if answer is None:
            continue
        seen[answer.status] = seen.get(answer.status, 0) + 1
        assert answer.status != 500 and b"Traceback" not in answer.body
        assert has_key or answer.status >= 400, "read without the key"
    assert {200, 400, 401, 403} <= seen.keys(), seen
    assert reader.ask("GET", "/api/session").status == 200
    assert {path: path.read_bytes() for path in tree.root.rglob("*") if path.is_file()} == before


def test_who_has_no_key_changes_nothing_where_others_may(steerer: Server, tree: Tree) -> None:
    chance, key = random.Random(SEED), steerer.key()
    before = {path: path.read_bytes() for path in tree.root.rglob("*") if path.is_file()}
    statuses = set[int]()
    for _ in range(max(COUNT // 3, 100)):
        answer = fuzzed(chance, steerer, key, has_key=False)
        statuses |= {answer.status} if answer is not None else set()
    for origin in (steerer.origin, "http://evil.example", None):  # what would be an act, but for the key
        answer = steerer.ask(
            "POST",
            f"/api/t/{key}/act",
            b'{"act":"want","want":"stop"}',
            own=False,
            origin=origin,
            content_type="application/json",
        )
        statuses.add(answer.status)
    assert min(statuses) >= 400 and {401, 403} <= statuses and 500 not in statuses
    assert {path: path.read_bytes() for path in tree.root.rglob("*") if path.is_file()} == before
