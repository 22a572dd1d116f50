"""The server: HTTP and server-sent events over a loopback socket, a thread for each connection.

    with LoopbackServer(lambda request: say("hello"), log=tmp_path / "requests.jsonl") as server:
        client = Anthropic(base_url=server.url, api_key="none")

The same server answers the Messages API, OpenAI's Responses and chat completions (base URL + "/v1") and
Gemini's generateContent, each by its path.

Every request is in `server.log` (and in the file, if one is given) when it arrives and again when it ends,
so that a test can count what was bought, by whom, and what came of it.
"""

from __future__ import annotations

import itertools
import secrets
import threading
from collections import Counter
from dataclasses import replace
from http.server import ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any

from maos_sup.loopback.connection import Connection
from maos_sup.loopback.dialects.dialect import DialectAnswer
from maos_sup.loopback.log import Log
from maos_sup.loopback.messages_api import MessagesRequest
from maos_sup.loopback.meter import Meter
from maos_sup.loopback.reply import Script, ScriptedReply
from maos_sup.loopback.request import LoopbackRequest


class LoopbackServer(ThreadingHTTPServer):
    """Listens from its creation, answers between `start` and `stop`; `script` may be exchanged any time."""

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128
    block_on_close = False

    def __init__(
        self,
        script: Script,
        *,
        port: int = 0,
        log: Path | None = None,
        api_key: str | None = None,
        with_bodies: bool = False,
    ) -> None:
        super().__init__(("127.0.0.1", port), Connection)
        self.script, self.api_key, self.log, self.meter = script, api_key, Log(log), Meter()
        self.with_bodies = with_bodies  # whole requests in the log
        self.stopping = threading.Event()
        self._numbers, self._conversations = itertools.count(1), Counter[str]()
        self._counting = threading.Lock()
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """The base URL is for clients."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def start(self) -> None:
        """Answer from a thread of its own."""
        self._thread = threading.Thread(
            target=self.serve_forever, kwargs={"poll_interval": 0.05}, name="loopback", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """End, stalled answers too."""
        self.stopping.set()
        if self._thread is not None:
            self.shutdown()
            self._thread.join()
        self.server_close()
        self.log.close()

    def numbered(
        self, body: MessagesRequest, headers: dict[str, str], *, api: str = "messages", sent: Any = None
    ) -> LoopbackRequest:
        """`body` as the request it is, counted."""
        with self._counting:
            number = next(self._numbers)
            request = LoopbackRequest(number=number, body=body, headers=headers, api=api, sent=sent)
            self._conversations[request.conversation] += 1
            count = self._conversations[request.conversation]
        return replace(request, of_conversation=count)

    def answer(self, request: LoopbackRequest, reply: ScriptedReply) -> DialectAnswer:
        """The answer that `reply` is, with a new id and its usage."""
        usage = self.meter.usage(request, reply)
        tools = request.body.get("tools") or ()
        return DialectAnswer(
            id=secrets.token_hex(12), model=request.model, reply=reply, usage=usage, tools=tools
        )

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away in the middle is what this server is for: logged, not printed."""

    def __enter__(self) -> LoopbackServer:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
