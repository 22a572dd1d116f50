"""One HTTP connection: reads requests, sends replies at their pace, breaks off as their faults say."""

from __future__ import annotations

import contextlib
import math
import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from http.server import BaseHTTPRequestHandler
from typing import Any, Protocol
from urllib.parse import parse_qs, urlsplit

from maos_sup.loopback.dialects.dialect import Dialect, DialectAnswer, DialectEvent
from maos_sup.loopback.dialects.paths import MESSAGES, Route, route_of
from maos_sup.loopback.log import Log
from maos_sup.loopback.messages_api import MessageBlock, MessagesRequest, TokenUsage
from maos_sup.loopback.meter import input_tokens
from maos_sup.loopback.reply import FaultKind, PlannedFault, Script, ScriptedReply
from maos_sup.loopback.request import LoopbackRequest
from state_layout.files import codec

MODELS = ("claude-opus-4-6", "claude-sonnet-4-6", "claude-haiku-4-5", "gpt-5", "gemini-2.5-pro")


class BrokenConnection(Exception):
    """A scripted fault took place; the connection is finished."""


class ConnectionHost(Protocol):
    """Gives a connection what it needs of the server that accepted it."""

    api_key: str | None
    with_bodies: bool
    script: Script
    log: Log
    stopping: threading.Event

    def numbered(
        self, body: MessagesRequest, headers: dict[str, str], *, api: str = "messages", sent: Any = None
    ) -> LoopbackRequest:
        """`body` as the request it is, counted."""

    def answer(self, request: LoopbackRequest, reply: ScriptedReply) -> DialectAnswer:
        """The answer that `reply` is, with a new id and its usage."""


class Connection(BaseHTTPRequestHandler):
    """Answers what `dialects.paths` knows, /v1/models, and HEAD of anything."""

    server: ConnectionHost  # type: ignore[assignment]
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    _end: Callable[..., None]  # logs how the answer ended
    _ended: Callable[..., None]  # the same, with what is charged if it ends now
    _dialect: Dialect = MESSAGES

    def log_message(self, format: str, *args: Any) -> None:
        """Write nothing on stderr: requests are in the log."""

    def do_HEAD(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        if path in ("/v1/models", "/models"):
            known = [{"type": "model", "object": "model", "id": n, "display_name": n} for n in MODELS]
            self._send_json(200, {"object": "list", "data": known, "has_more": False})
        else:
            route = route_of(path)
            self._dialect = route.dialect if route is not None else MESSAGES
            status = 404 if route is None else 426  # codex tries a WebSocket there, and posts after a 426
            self._refuse(status, f"no such path: GET {self.path}")

    def do_POST(self) -> None:
        path = urlsplit(self.path).path
        data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        route = route_of(path)
        if route is None:
            self._refuse(404, f"no such path: {path}")
            return
        self._dialect = route.dialect
        if not self._has_key():
            self._refuse(401, "invalid x-api-key")
            return
        try:
            body = codec.decode(data)
        except codec.NotJson as error:
            self._refuse(400, f"the body is no JSON: {error}")
            return
        self._take(route, path, body)

    def _has_key(self) -> bool:
        """The key is the one asked for, wherever the APIs put it, or none is asked for."""
        query = parse_qs(urlsplit(self.path).query).get("key", [])
        bearer = self.headers.get("Authorization", "").removeprefix("Bearer ")
        named = [self.headers.get("x-api-key"), self.headers.get("x-goog-api-key"), bearer, *query]
        return self.server.api_key is None or self.server.api_key in named

    def _take(self, route: Route, path: str, body: Any) -> None:
        """Count, refuse or answer."""
        if not route.is_count:
            problem = self._dialect.refusal(body)
            if problem is not None:
                self._log_refused(problem, body)
                self._refuse(400, problem)
                return
        try:
            asked = self._dialect.asked(body, path)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            self._log_refused(repr(error), body)
            self._refuse(400, f"the body is no request: {error!r}")
            return
        if route.is_count:
            tokens = input_tokens(asked)
            self._send_json(200, {"input_tokens": tokens, "totalTokens": tokens})
            return
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = self.server.numbered(asked, headers, api=self._dialect.name, sent=body)
        self.server.log.arrived(request, self.path, with_body=self.server.with_bodies)
        reply = self.server.script(request)
        self._answer(request, _with_ids(request, reply, self._dialect.call_prefix))

    def _log_refused(self, why: str, body: Any) -> None:
        self.server.log.add({"what": "refused", "at_s": time.monotonic(), "why": why, "body": body})

    def _answer(self, request: LoopbackRequest, reply: ScriptedReply) -> None:
        answer = self.server.answer(request, reply)
        fault = reply.fault
        self._end = self._ended = partial(self.server.log.ended, request, rule=reply.rule)
        try:
            self._wait(reply.pace.delay_s)
            if fault is not None and (fault.kind is FaultKind.ERROR or fault.after_chunks is None):
                self._break(fault)
            if request.is_streamed:
                self._send_stream(answer)
            else:
                self._complete(answer)
                self._send_json(200, self._dialect.whole(answer))
        except BrokenConnection:
            self.close_connection = True
        except OSError:
            self._ended("gone", status=200)
            self.close_connection = True

    # -- sending

    def _send_stream(self, answer: DialectAnswer) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream; charset=utf-8")
        self.send_header("Cache-Control", "no-cache")
        self.send_header("Transfer-Encoding", "chunked")
        self.send_header("request-id", f"req_{answer.id}")
        self.end_headers()
        if answer.reply.raw is None:
            self._send_events(answer)
        else:
            self._complete(answer)
            self._send_chunk(answer.reply.raw)
        self.wfile.write(b"0\r\n\r\n")
        self.wfile.flush()

    def _send_events(self, answer: DialectAnswer) -> None:
        reply, pieces = answer.reply, 0
        events = list(self._dialect.events(answer))
        all_pieces = sum(event.is_piece for event in events)
        for event in events:
            self._ended = partial(self._end, charged=_charge(answer, pieces, all_pieces))
            if reply.fault is not None and _strikes(reply.fault, event, pieces):
                self._break(reply.fault)
            if event.is_piece:
                pieces += 1
                self._wait(reply.pace.chunk_delay_s)
            if event.is_last:
                self._complete(answer)
            self._send_chunk(event.data)

    def _complete(self, answer: DialectAnswer) -> None:
        self._end("complete", status=200, usage=answer.usage, charged=answer.usage)
        self._ended = self._end  # it is charged once, even if the client turns out to be gone

    def _send_chunk(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))
        self.wfile.flush()

    def _send_json(self, status: int, value: object, *, retry_after_s: float | None = None) -> None:
        data = codec.encode(value)
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        if retry_after_s is not None:
            self.send_header("retry-after", f"{retry_after_s:g}")
        self.end_headers()
        self.wfile.write(data)
        self.wfile.flush()

    def _send_fault(self, fault: PlannedFault) -> None:
        self._send_json(fault.status, self._dialect.error(fault), retry_after_s=fault.retry_after_s)

    def _refuse(self, status: int, message: str) -> None:
        self._send_fault(PlannedFault(kind=FaultKind.ERROR, status=status, message=message))

    # -- breaking off

    def _break(self, fault: PlannedFault) -> None:
        """Let `fault` happen. Always raises Broken. The log has it before the client can know."""
        self._ended(fault.kind.value, status=fault.status if fault.kind is FaultKind.ERROR else 200)
        self._ended = self._end
        if fault.kind is FaultKind.ERROR:
            self._send_fault(fault)
            raise BrokenConnection
        if fault.kind is FaultKind.STALL:
            self.server.stopping.wait(fault.stall_s)
        begun = fault.after_chunks is not None
        if begun and fault.kind is FaultKind.STREAM_ERROR:
            self._send_chunk(self._dialect.error_event(fault))
        if begun and fault.kind in (FaultKind.TRUNCATE, FaultKind.STREAM_ERROR):
            self.wfile.write(b"0\r\n\r\n")
            self.wfile.flush()
        else:
            self._reset()
        raise BrokenConnection

    def _reset(self) -> None:
        """End the connection with RST: what is on its way is lost, as when a machine dies."""
        with contextlib.suppress(OSError):
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()

    def _wait(self, delay_s: float) -> None:
        if delay_s > 0 and self.server.stopping.wait(delay_s):
            self._ended("stopped", status=0)
            self._reset()
            raise BrokenConnection


def _strikes(fault: PlannedFault, event: DialectEvent, pieces: int) -> bool:
    """The `fault` happens before `event`: at its piece, at the end of the content at the latest."""
    return event.is_closing or (event.is_piece and pieces >= (fault.after_chunks or 0))


def _charge(answer: DialectAnswer, pieces: int, all_pieces: int) -> TokenUsage:
    """Count what a provider asks for a stream that ends here: its input, and the output sent by then."""
    share = pieces / all_pieces if all_pieces else 1.0
    return {**answer.usage, "output_tokens": math.ceil(answer.output_tokens * share)}


def _with_ids(request: LoopbackRequest, reply: ScriptedReply, prefix: str) -> ScriptedReply:
    """Give each tool call of `reply` an id: the same for the same request, so that repeats are alike."""
    content = tuple(
        _named(block, f"{prefix}{request.digest}{index:04d}") if block["type"] == "tool_use" else block
        for index, block in enumerate(reply.content)
    )
    return replace(reply, content=content)


def _named(call: MessageBlock, id_: str) -> MessageBlock:
    return {"id": id_, **call}
