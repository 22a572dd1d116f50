"""One HTTP connection: reads requests, sends replies at their pace, breaks off as their faults say."""

from __future__ import annotations

import contextlib
import socket
import struct
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from maos_sup.loopback import stream
from maos_sup.loopback.meter import input_tokens
from maos_sup.loopback.refuse import refusal
from maos_sup.loopback.reply import Fault, FaultKind, Reply
from maos_sup.loopback.request import Request
from state_layout.files import codec

if TYPE_CHECKING:
    from maos_sup.loopback.server import LoopbackServer

MODELS = ("claude-opus-4-6", "claude-sonnet-4-6", "claude-haiku-4-5")


class Broken(Exception):
    """A scripted fault took place; the connection is finished."""


class Connection(BaseHTTPRequestHandler):
    """Speaks /v1/messages, /v1/messages/count_tokens, /v1/models, and HEAD of anything."""

    server: LoopbackServer
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    _ended: Callable[..., None]

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing on stderr: requests are in the log."""

    def do_HEAD(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_GET(self) -> None:
        if urlsplit(self.path).path == "/v1/models":
            known = [{"type": "model", "id": name, "display_name": name} for name in MODELS]
            self._send_json(200, {"data": known, "has_more": False})
        else:
            self._send_fault(Fault(kind=FaultKind.ERROR, status=404, message=f"no such path: {self.path}"))

    def do_POST(self) -> None:
        path = urlsplit(self.path).path
        data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        problem = self._refused(path)
        if problem is not None:
            self._send_fault(problem)
            return
        try:
            body = codec.decode(data)
        except codec.NotJson as error:
            self._send_fault(Fault(kind=FaultKind.ERROR, status=400, message=f"the body is no JSON: {error}"))
            return
        if path == "/v1/messages/count_tokens":
            self._send_json(200, {"input_tokens": input_tokens(body)})
            return
        self._answer_messages(body)

    def _refused(self, path: str) -> Fault | None:
        if path not in ("/v1/messages", "/v1/messages/count_tokens"):
            return Fault(kind=FaultKind.ERROR, status=404, message=f"no such path: {path}")
        bearer = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if self.server.api_key is not None and self.server.api_key not in (
            self.headers.get("x-api-key"),
            bearer,
        ):
            return Fault(kind=FaultKind.ERROR, status=401, message="invalid x-api-key")
        return None

    def _answer_messages(self, body: Any) -> None:
        problem = refusal(body)
        if problem is not None:
            self.server.log.add({"what": "refused", "at_s": time.monotonic(), "why": problem, "body": body})
            self._send_fault(Fault(kind=FaultKind.ERROR, status=400, message=problem))
            return
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = self.server.numbered(body, headers)
        self.server.log.arrived(request, self.path, with_body=self.server.with_bodies)
        reply = self.server.script(request)
        self._answer(request, _with_ids(request, reply))

    def _answer(self, request: Request, reply: Reply) -> None:
        id_, usage = self.server.whole(request, reply)
        whole = stream.message(reply, id_=id_, model=request.model, usage=usage)
        fault = reply.fault
        self._ended = partial(self.server.log.ended, request, rule=reply.rule)
        try:
            self._wait(reply.pace.delay_s)
            if fault is not None and (fault.kind is FaultKind.ERROR or fault.after_chunks is None):
                self._break(fault)
            if request.is_streamed:
                self._send_stream(reply, whole)
            else:
                self._ended("complete", status=200, usage=usage)
                self._send_json(200, whole)
        except Broken:
            self.close_connection = True
        except OSError:
            self._ended("gone", status=200)
            self.close_connection = True

    # -- sending

    def _send_stream(self, reply: Reply, whole: dict[str, Any]) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream; charset=utf-8")
        self.send_header("Cache-Control", "no-cache")
        self.send_header("Transfer-Encoding", "chunked")
        self.send_header("request-id", f"req_{whole['id'][4:]}")
        self.end_headers()
        if reply.raw is None:
            self._send_events(reply, whole)
        else:
            self._ended("complete", status=200, usage=whole["usage"])
            self._send_chunk(reply.raw)
        self.wfile.write(b"0\r\n\r\n")
        self.wfile.flush()

    def _send_events(self, reply: Reply, whole: dict[str, Any]) -> None:
        pieces = 0
        for event in stream.events(reply, whole):
            if reply.fault is not None and _strikes(reply.fault, event, pieces):
                self._break(reply.fault)
            if stream.is_piece(event):
                pieces += 1
                self._wait(reply.pace.chunk_delay_s)
            if event["type"] == "message_stop":
                self._ended("complete", status=200, usage=whole["usage"])
            self._send_chunk(stream.wire(event))

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

    def _send_fault(self, fault: Fault) -> None:
        self._send_json(fault.status, fault.error_body(), retry_after_s=fault.retry_after_s)

    # -- breaking off

    def _break(self, fault: Fault) -> None:
        """Let `fault` happen. Always raises Broken. The log has it before the client can know."""
        self._ended(fault.kind.value, status=fault.status if fault.kind is FaultKind.ERROR else 200)
        if fault.kind is FaultKind.ERROR:
            self._send_fault(fault)
            raise Broken
        if fault.kind is FaultKind.STALL:
            self.server.stopping.wait(fault.stall_s)
        begun = fault.after_chunks is not None
        if begun and fault.kind is FaultKind.STREAM_ERROR:
            self._send_chunk(stream.wire(fault.error_body()))
        if begun and fault.kind in (FaultKind.TRUNCATE, FaultKind.STREAM_ERROR):
            self.wfile.write(b"0\r\n\r\n")
            self.wfile.flush()
        else:
            self._reset()
        raise Broken

    def _reset(self) -> None:
        """End the connection with RST: what is on its way is lost, as when a machine dies."""
        with contextlib.suppress(OSError):
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()

    def _wait(self, delay_s: float) -> None:
        if delay_s > 0 and self.server.stopping.wait(delay_s):
            self._ended("stopped", status=0)
            self._reset()
            raise Broken


def _strikes(fault: Fault, event: stream.Event, pieces: int) -> bool:
    """Whether `fault` happens before `event`: at its piece, at the end of the content at the latest."""
    due = stream.is_piece(event) and pieces >= (fault.after_chunks or 0)
    return due or event["type"] == "message_delta"


def _with_ids(request: Request, reply: Reply) -> Reply:
    """`reply` with an id for each tool call: the same for the same request, so that repeats are alike."""
    content = tuple(
        {"id": f"toolu_{request.digest}{index:04d}", **block} if block["type"] == "tool_use" else block
        for index, block in enumerate(reply.content)
    )
    return replace(reply, content=content)
