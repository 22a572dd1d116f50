"""Serves the page: at a socket that only this machine reaches, unless TLS guards another."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import signal
import socket
import ssl
import stat
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from maos_sup.web.app import make_app
from maos_sup.web.gate import RequestGate
from maos_sup.web.keys import Keys
from maos_sup.web.shown import ShownTrees
from state_layout.errors import BadInput, StorageError, reason_of
from state_layout.files.looking import exists, is_regular

_LEAST_KEY = 32  # characters of a key that people keep
_END_S = 1
_REQUEST_S = 5.0  # a request is whole by then, or its connection is closed
_BACKLOG = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class ListeningPlace:
    """Says where to serve. `unix`: in place of address and port; `names`: what else Host may say."""

    address: str = "127.0.0.1"
    port: int = 0
    unix: Path | None = None
    certificate: Path | None = None
    private_key: Path | None = None
    names: tuple[str, ...] = ()
    key_file: Path | None = None


class _Protocol(H11Protocol):
    """Closes connections that never finish a request: some hundred of them would keep everybody else out."""

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        self._let_be()
        super().connection_lost(exc)

    def _watch(self) -> None:
        """Arm the deadline while the other side owes a part of a request; more of it does not put it off."""
        if self.conn.their_state not in (h11.IDLE, h11.SEND_BODY):
            self._let_be()
        elif self._deadline is None:
            self._deadline = self.loop.call_later(_REQUEST_S, self.transport.close)

    def _let_be(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


class _Server(uvicorn.Server):
    """Ends in order at INT and TERM; uvicorn gives itself the signal again, which ends it in no order.

    Streams of events are told by `ending`: cut off, each would print a traceback.
    """

    def __init__(self, config: uvicorn.Config, ending: threading.Event) -> None:
        super().__init__(config)
        self._ending = ending

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._ending.set()
        super().handle_exit(sig, frame)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self.handle_exit)
        yield


class Serving:
    """The object serves at one place: bound when it is made, so that its address is known before it
    answers."""

    def __init__(self, shelf: ShownTrees, place: ListeningPlace, *, is_steered: bool) -> None:
        _check(place)
        self._place = place
        self.keys = Keys(None if place.key_file is None else _standing_key(place.key_file))
        self._socket = _unix_socket(place.unix) if place.unix else _tcp_socket(place)
        self._port = 0 if place.unix else int(self._socket.getsockname()[1])
        self._scheme = "https" if place.certificate else "http"
        gate = RequestGate(
            hosts=frozenset(_hosts(place, self._port)),
            keys=self.keys,
            cookie=f"maos_sup_{self._port}",
            scheme=self._scheme,
            is_steered=is_steered,
        )
        ending = threading.Event()
        app = make_app(shelf, gate, is_ending=ending.is_set)
        self._server = _Server(self._config(app), ending)

    def address(self) -> str:
        """An address that opens the page once."""
        if self._place.unix is not None:
            return f"http://localhost/enter?key={self.keys.new_key()}"
        name = self._place.names[0] if self._place.names else self._place.address
        shown = f"[{name}]" if ":" in name else name
        return f"{self._scheme}://{shown}:{self._port}/enter?key={self.keys.new_key()}"

    def run(self) -> None:
        """Answer until INT or TERM."""
        try:
            self._server.run(sockets=[self._socket])
        finally:
            self._socket.close()
            if self._place.unix is not None:
                self._place.unix.unlink(missing_ok=True)

    def _config(self, app: object) -> uvicorn.Config:
        return uvicorn.Config(
            app,  # type: ignore[arg-type]  # an ASGI application, whose types uvicorn spells out
            loop="asyncio",
            http=_Protocol,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            limit_concurrency=256,
            timeout_graceful_shutdown=_END_S,
            ssl_certfile=self._place.certificate,
            ssl_keyfile=self._place.private_key,
        )


def _check(place: ListeningPlace) -> None:
    """Raise BadInput for a place where others could listen in or ask."""
    if (place.certificate is None) != (place.private_key is None):
        raise BadInput("--tls-cert and --tls-key belong together; give both")
    for option, path in (("--tls-cert", place.certificate), ("--tls-key", place.private_key)):
        if path is not None and not is_regular(path):
            raise BadInput(f"{option} is {str(path)!r}, which is no file")
    if place.certificate is not None and place.private_key is not None:
        _check_pair(place.certificate, place.private_key)
    if place.unix is None and not _is_loopback(place.address) and place.certificate is None:
        raise BadInput(
            f"--host is {place.address!r}: others could listen in there; give --tls-cert and --tls-key, or "
            "leave --host out and forward a port (ssh -L)"
        )


def _check_pair(certificate: Path, private_key: Path) -> None:
    """Raise BadInput for files that are no certificate with its key."""

    def no_words() -> bytes:
        raise BadInput(f"--tls-key is {str(private_key)!r}, which wants a passphrase; give a key without one")

    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, private_key, no_words)
    except (OSError, ValueError) as cause:
        raise BadInput(
            f"--tls-cert is {str(certificate)!r} and --tls-key {str(private_key)!r}: no certificate and its "
            f"key, both as PEM ({cause})"
        ) from cause


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        raise BadInput(f"--host is {address!r}; use an address like 127.0.0.1") from None


def _hosts(place: ListeningPlace, port: int) -> Iterable[str]:
    """Yield what the header Host may say."""
    if place.unix is not None:
        yield "localhost"
        return
    names = [place.address, *place.names] + (["localhost"] if _is_loopback(place.address) else [])
    default = 443 if place.certificate else 80
    for name in names:
        shown = f"[{name}]" if ":" in name else name.lower()
        yield f"{shown}:{port}"
        if port == default:
            yield shown


def _tcp_socket(place: ListeningPlace) -> socket.socket:
    family = socket.AF_INET6 if ":" in place.address else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        made.bind((place.address, place.port))
    except (OSError, OverflowError) as cause:
        made.close()
        raise BadInput(
            f"--port is {place.port}: {place.address} cannot be listened at there ({cause}); leave --port "
            "out for one that is free"
        ) from cause
    made.listen(_BACKLOG)
    return made


def _unix_socket(path: Path) -> socket.socket:
    """Bind a socket that only this user reaches. One that a dead server left is replaced."""
    if exists(path) and not stat.S_ISSOCK(path.lstat().st_mode):
        raise BadInput(f"--unix is {str(path)!r}, which is there and no socket; name another place")
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        if exists(path):
            _refuse_living(path)
            path.unlink()
        made.bind(str(path))
    except OSError as cause:
        made.close()
        raise BadInput(f"--unix is {str(path)!r}: {reason_of(cause)}") from cause
    finally:
        os.umask(before)
    made.listen(_BACKLOG)
    return made


def _refuse_living(path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return
    raise BadInput(f"--unix is {str(path)!r}: a server listens there; end it, or name another place")


def _standing_key(path: Path) -> str:
    """The key in a file that only its owner reads. Raises BadInput, StorageError."""
    try:
        found, mode = path.read_text(encoding="utf-8").strip(), path.stat().st_mode
    except (OSError, ValueError) as cause:
        raise StorageError(f"--key-file {path}: cannot be read: {reason_of(cause)}") from cause
    if mode & 0o077:
        raise BadInput(f"--key-file {path}: others may read it; chmod 600 {path}")
    if len(found) < _LEAST_KEY or not found.isascii() or not found.isprintable() or " " in found:
        raise BadInput(
            f"--key-file {path}: use {_LEAST_KEY} or more random letters and digits (openssl rand -hex 32)"
        )
    return found
