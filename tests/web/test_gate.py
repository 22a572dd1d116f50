"""What local agent servers fell to in 2025 and 2026: each is tried at a running server, by hand."""

from __future__ import annotations

import http.client
import json
import os
import socket
import ssl
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from served import Server, serving

from maos_sup.web.gate import HEADERS, Asked, RequestGate
from maos_sup.web.keys import Keys
from state_layout.paths import Tree

READS = ("board", "events", "timeline", "graph", "costs", "messages", "cuts", "cuts/1", "agents/alice")


def spec_bytes(tree: Tree) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(tree.spec.rglob("*")) if path.is_file()}


def test_listens_on_this_machine_alone_at_a_port_of_its_own(reader: Server, steerer: Server) -> None:
    """GHSA-gr74-4xfh-6jw9: a server on 0.0.0.0 with `Access-Control-Allow-Origin: *`."""
    assert reader.host == "127.0.0.1" and reader.port != steerer.port
    own = {entry[4][0] for entry in socket.getaddrinfo(socket.gethostname(), None)} - {"127.0.0.1", "::1"}
    for address in own:
        with pytest.raises(OSError), socket.create_connection((address, reader.port), timeout=3):
            pass
    for method, path in (("GET", "/api/trees"), ("OPTIONS", "/api/trees")):
        answer = reader.ask(method, path, origin="http://evil.example")
        assert answer.status in (403, 405)
        assert not [name for name in answer.headers if name.startswith("access-control")]


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:{port}", "127.0.0.1", "127.0.0.1:1", "localhost.evil:{port}", ""]
)
def test_name_that_was_made_to_lead_here_is_not_served(reader: Server, host: str) -> None:
    """DNS rebinding: CVE-2026-49471, GHSA-w64r-2g3w-w8w4. The cookie is right, the origin is the page's."""
    for path in ("/", "/api/trees", "/static/app.js", reader.enter, "/metrics"):
        assert reader.ask("GET", path, host=host.format(port=reader.port)).status == 421


def test_host_is_there_once(reader: Server) -> None:
    good = ("host", f"{reader.host}:{reader.port}")
    rest = [("cookie", reader.cookie), ("x-maos-key", reader.page_key)]
    assert reader.send("GET", "/api/trees", [good, *rest]).status == 200
    assert reader.send("GET", "/api/trees", [good, ("host", "evil.example"), *rest]).status == 400
    assert reader.send("GET", "/api/trees", rest).status in (400, 421)


_TWO_WAYS = {
    *(
        "/x/../api/trees",
        "/static/../api/trees",
        "//api/trees",
        "/api//trees",
        "/api/%74rees",
        "/api/trees/.",
    ),
    *("/static/%2e%2e/app.js", "/%2fapi/trees", "/api\\trees", "/static/..%2fapp.py", "/api/trees%00"),
    *("/./api/trees", "/api/trees;x"),
}


@pytest.mark.parametrize("path", sorted(_TWO_WAYS))
def test_path_that_is_read_in_two_ways_is_read_in_none(steerer: Server, path: str) -> None:
    """GHSA-9cvx-7x8q-3g6m: `/x/../api` passed a check on the path that the router then did not go by."""
    for headers in ({}, {"own": False}):
        assert steerer.ask("GET", path, **headers).status == 400
    assert steerer.ask("POST", path, b"{}").status == 400


@pytest.mark.parametrize(
    "origin",
    ["http://evil.example", "null", "http://127.0.0.1", "https://127.0.0.1:{port}", "http://127.0.0.1:1"],
)
def test_page_of_another_origin_neither_reads_nor_acts(steerer: Server, tree: Tree, origin: str) -> None:
    before = spec_bytes(tree)
    told = origin.format(port=steerer.port)
    assert steerer.ask("GET", "/api/trees", origin=told).status == 403
    body = json.dumps({"act": "want", "want": "pause"}).encode()
    assert steerer.ask("POST", f"/api/t/{steerer.key()}/act", body, origin=told).status == 403
    assert steerer.ask("POST", f"/api/t/{steerer.key()}/act", body, origin=None).status == 403
    assert spec_bytes(tree) == before


@pytest.mark.parametrize("site", ["cross-site", "same-site", "weird"])
def test_request_that_a_browser_says_is_from_elsewhere_is_refused(steerer: Server, site: str) -> None:
    assert steerer.ask("GET", "/api/trees", origin=None, sec_fetch_site=site).status == 403
    assert steerer.ask("GET", "/", origin=None, sec_fetch_site=site).status == 403


@pytest.mark.parametrize(
    "kind",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "",
        "application/json5",
    ],
)
def test_body_that_needs_no_preflight_starts_nothing(steerer: Server, tree: Tree, kind: str) -> None:
    """cezar#426: a text/plain POST, which any page may send without being asked first, started an agent."""
    before = spec_bytes(tree)
    body = json.dumps({"act": "want", "want": "pause"}).encode()
    answer = steerer.ask("POST", f"/api/t/{steerer.key()}/act", body, content_type=kind)
    assert answer.status == 415
    assert spec_bytes(tree) == before


def test_no_socket_is_opened(steerer: Server) -> None:
    """pi-agent-dashboard#625: a WebSocket, which no origin guards, ran code."""
    key = {"sec_websocket_key": "dGhlIHNhbXBsZSBub25jZQ==", "sec_websocket_version": "13"}
    answer = steerer.ask(
        "GET", f"/api/t/{steerer.key()}/events", upgrade="websocket", connection="Upgrade", **key
    )
    assert answer.status == 426 and "sec-websocket-accept" not in answer.headers


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "HEAD", "TRACE", "CONNECT", "POSTX"])
def test_other_methods_are_refused(steerer: Server, method: str) -> None:
    assert steerer.ask(method, "/api/trees").status in (400, 403, 405)


def test_nothing_is_read_without_the_key(reader: Server) -> None:
    key = reader.key()
    for path in [
        "/",
        "/static/app.js",
        "/api/session",
        "/api/trees",
        "/metrics",
        *(f"/api/t/{key}/{each}" for each in READS),
    ]:
        for headers in (
            {"cookie": None},
            {"cookie": reader.cookie[:-1] + "x"},
            {"cookie": "maos_sup_1=x"},
            {"cookie": "\x7f;;="},
        ):
            assert reader.ask("GET", path, **headers).status == 401, path
    for headers in ({"x_maos_key": None}, {"x_maos_key": ""}, {"x_maos_key": reader.page_key + "x"}):
        assert reader.ask("GET", "/api/trees", **headers).status == 401, "a cookie alone goes to every port"


def test_key_opens_once(tree: Tree) -> None:
    with serving(str(tree.root)) as server:
        assert server.ask("GET", "/enter?key=wrong", own=False).status == 401
        assert server.ask("GET", "/enter", own=False).status == 401
        server.come_in()
        assert server.ask("GET", "/api/session").status == 200
        assert server.ask("GET", server.enter, own=False).status == 401


def test_cookie_is_for_this_page_alone(tree: Tree) -> None:
    with serving(str(tree.root)) as server:
        cookie = server.ask("GET", server.enter, own=False).headers["set-cookie"].lower()
    assert {"httponly", "samesite=strict", "path=/"} <= {part.strip() for part in cookie.split(";")}


def test_every_answer_allows_no_script_but_ours_no_frame_and_no_cache(reader: Server) -> None:
    for path, status in (
        ("/", 200),
        ("/api/trees", 200),
        ("/nothing", 404),
        ("/api//x", 400),
        ("/static/app.css", 200),
    ):
        answer = reader.ask("GET", path)
        assert answer.status == status
        assert {name: answer.headers.get(name) for name, _ in HEADERS} == dict(HEADERS)
        assert "server" not in answer.headers
    policy = dict(HEADERS)["content-security-policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy and "*" not in policy


def test_only_shows_without_steer(reader: Server, tree: Tree) -> None:
    before = spec_bytes(tree)
    for act in ("want", "answer", "retry", "fork", "checkpoint"):
        assert reader.act(reader.key(), act, want="pause").status == 403
    assert reader.ask("GET", "/api/session").told["steer"] is False
    assert spec_bytes(tree) == before and not tree.acts.exists()


def test_only_trees_that_are_shown_are_reached(reader: Server, tmp_path: Path) -> None:
    for key in ("..", "0" * 12, tmp_path.name, "etc"):
        assert reader.ask("GET", f"/api/t/{key}/board").status in (400, 404)
    assert reader.ask("GET", "/static/gate.py").status == 404


def test_long_bodies_are_refused_before_they_are_read(steerer: Server) -> None:
    path = f"/api/t/{steerer.key()}/act"
    assert steerer.ask("POST", path, b"{}", content_length=str(1 << 20)).status == 413
    for length in (None, "2"):  # chunks go past a length, and two who read both disagree on where it ends
        told = steerer.ask("POST", path, b"0\r\n\r\n", content_length=length, transfer_encoding="chunked")
        assert told.status == 411


def test_request_that_never_ends_is_ended(reader: Server) -> None:
    """Some hundred of them, by whoever reaches the port, kept everybody else out for ever."""
    for begun in (
        b"",
        b"GET / HTTP/1.1\r\nhost: x",
        b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\nx",
    ):
        with socket.create_connection((reader.host, reader.port), timeout=60) as connection:
            connection.sendall(begun)
            while connection.recv(65536):
                pass  # an answer, then the end


def test_cookies_of_other_servers_lock_nobody_out(reader: Server) -> None:
    """Cookies know no ports: what stood beside ours, in a form that the library refuses, hid it."""
    ours, name = reader.cookie, reader.cookie.partition("=")[0]
    for header in (f'a={{"b": 1}}; {ours}', f"a=\xff; {ours}", f"{ours}; {name}=x", f"{name}=x; {ours}"):
        assert reader.ask("GET", "/api/trees", cookie=header).status == 200, header


@pytest.mark.parametrize("agent", ["%00", "..%2f..", "nobody", "%ff"])
def test_messages_are_of_agents_that_are_there(reader: Server, agent: str) -> None:
    """A name went into a path as it came: with a null byte in it the answer was a bug."""
    assert reader.ask("GET", f"/api/t/{reader.key()}/messages?agent={agent}").status == 404


def test_other_address_needs_tls_and_a_name(tree: Tree, tmp_path: Path) -> None:
    def refused(*words: str) -> str:
        command = [sys.executable, "-m", "maos_sup", "ui", str(tree.root), *words]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 2, done
        return done.stderr

    assert "--tls-cert" in refused("--host", "0.0.0.0")
    assert "both" in refused("--host", "0.0.0.0", "--tls-cert", "x")
    assert "no file" in refused("--host", "0.0.0.0", "--tls-cert", "/x", "--tls-key", "/y")
    text = tmp_path / "text"
    text.write_text("no certificate")
    assert "PEM" in refused("--host", "0.0.0.0", "--tls-cert", str(text), "--tls-key", str(text))
    (tmp_path / "key").write_text("short")
    (tmp_path / "key").chmod(0o600)
    assert "--key-file" in refused("--key-file", str(tmp_path / "key"))
    (tmp_path / "key").write_text("x" * 40)
    (tmp_path / "key").chmod(0o644)
    assert "chmod 600" in refused("--key-file", str(tmp_path / "key"))


def test_tls_serves_with_a_secure_cookie(tree: Tree, tmp_path: Path) -> None:
    make = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=127.0.0.1 -keyout k.pem -out c.pem"
    subprocess.run(make.split(), cwd=tmp_path, check=True, capture_output=True)
    words = ["--tls-cert", str(tmp_path / "c.pem"), "--tls-key", str(tmp_path / "k.pem")]
    process = subprocess.Popen(
        [sys.executable, "-m", "maos_sup", "ui", str(tree.root), *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        stdin=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        assert address.startswith("https://127.0.0.1:")
        place, _, rest = address.removeprefix("https://").partition("/")
        context = ssl.create_default_context(cafile=str(tmp_path / "c.pem"))
        context.check_hostname = False
        connection = http.client.HTTPSConnection(place, timeout=30, context=context)
        connection.request("GET", f"/{rest}")
        answer = connection.getresponse()
        assert answer.status == 200 and "secure" in str(answer.headers["set-cookie"]).lower()
        connection.close()
    finally:
        process.terminate()
        process.communicate(timeout=60)


def test_unix_socket_is_of_this_user_alone(tree: Tree, tmp_path: Path) -> None:
    place = tmp_path / "page"
    process = subprocess.Popen(
        [sys.executable, "-m", "maos_sup", "ui", str(tree.root), "--unix", str(place)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        stdin=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert process.stdout is not None
        path = process.stdout.readline().strip().removeprefix("http://localhost")
        assert stat.S_IMODE(os.stat(place).st_mode) == 0o600  # noqa: PTH116 - of the socket itself
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(place))
            client.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
            answer = b"".join(iter(lambda: client.recv(65536), b""))
        assert answer.startswith(b"HTTP/1.1 200")
    finally:
        process.terminate()
        process.communicate(timeout=60)
    assert not place.exists()


def test_standing_key_opens_again_and_reads_metrics_alone() -> None:
    keys = Keys("k" * 40)
    gate = RequestGate(hosts=frozenset({"h:1"}), keys=keys, cookie="c")
    bearer = ("authorization", f"Bearer {'k' * 40}")
    assert keys.enter("k" * 40) and keys.enter("k" * 40)
    assert gate.refusal(Asked(method="GET", path=b"/metrics", headers=[("host", "h:1"), bearer])) is None
    for path in (b"/", b"/api/trees"):
        assert gate.refusal(Asked(method="GET", path=path, headers=[("host", "h:1"), bearer])) is not None
