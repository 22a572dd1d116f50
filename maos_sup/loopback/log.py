"""The log of requests: one entry when a request arrives, one when its answer ended, in memory and as JSONL.

Entries: `{"what": "request", "number", "at_s", "path", "model", "stream", "api", "turn", "messages",
"digest", "conversation", "key", "client", "body"?}` and `{"what": "answer", "number", "at_s", "outcome",
"status", "rule", "usage"?, "charged"?}`. `at_s` is the server's monotonic clock. `outcome`: `complete`
(logged before the last event is sent), `error`, `drop`, `truncate`, `stall`, `stream_error`, `stopped` or
`gone` (the client left). `usage` and `charged` are in the words of the Messages API whatever API was spoken:
`usage` is what the client was told, `charged` what a provider would ask for: the same if it is complete; the
input, and the output sent by then, if the stream broke; nothing for an error in place of an answer.
`charged` is there once for each answer, so that a sum over the log is right.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any, BinaryIO, Required, TypedDict, Unpack

from maos_sup.loopback.messages_api import TokenUsage
from maos_sup.loopback.request import LoopbackRequest
from state_layout.files import codec

TOKENS = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens", "output_tokens")


class AnswerFacts(TypedDict, total=False):
    """Tells of an answer that ended all but how it did."""

    status: int
    rule: str
    usage: TokenUsage
    charged: TokenUsage


class LoggedEntry(AnswerFacts, total=False):
    """The entry is a line of the log."""

    what: Required[str]  # request, answer or refused
    at_s: Required[float]
    number: int
    path: str
    model: str
    stream: bool
    api: str
    turn: int
    messages: int
    digest: str
    conversation: str
    key: str | None
    client: str | None
    body: Any  # as it came
    outcome: str
    why: str


class Log:
    """Safe to use from several threads. A line is whole or not there; nothing is synced."""

    def __init__(self, path: Path | None) -> None:
        self.entries: list[LoggedEntry] = []
        self._lock = threading.Lock()
        self._file: BinaryIO | None = None if path is None else path.open("ab", buffering=0)

    def arrived(self, request: LoopbackRequest, path: str, *, with_body: bool) -> None:
        entry: LoggedEntry = {
            "what": "request",
            "number": request.number,
            "at_s": time.monotonic(),
            "path": path,
            "model": request.model,
            "stream": request.is_streamed,
            "api": request.api,
            "turn": request.turn,
            "messages": len(request.messages),
            "digest": request.digest,
            "conversation": request.conversation,
            "key": request.headers.get("idempotency-key"),
            "client": request.headers.get("user-agent"),
        }
        if with_body:
            entry["body"] = request.sent or request.body
        self.add(entry)

    def ended(self, request: LoopbackRequest, outcome: str, **more: Unpack[AnswerFacts]) -> None:
        at_s, number = time.monotonic(), request.number
        entry: Any = {"what": "answer", "number": number, "at_s": at_s, "outcome": outcome}
        self.add(entry | more)

    def add(self, entry: LoggedEntry) -> None:
        with self._lock:
            self.entries.append(entry)
            if self._file is not None:
                self._file.write(codec.encode(entry) + b"\n")

    def requests(self) -> list[LoggedEntry]:
        """List the requests so far, in the order of their arrival."""
        with self._lock:
            return [entry for entry in self.entries if entry["what"] == "request"]

    def answers(self, outcome: str | None = None) -> list[LoggedEntry]:
        """The answers that have ended, with `outcome` if given."""
        with self._lock:
            found = [entry for entry in self.entries if entry["what"] == "answer"]
        return [entry for entry in found if outcome is None or entry["outcome"] == outcome]

    def charged(self) -> dict[str, int]:
        """All that was charged so far, by kind of token."""
        return sum_charged(self.answers())

    def close(self) -> None:
        with self._lock:
            if self._file is not None:
                self._file.close()
                self._file = None


def sum_charged(entries: Iterable[LoggedEntry]) -> dict[str, int]:
    """Add up what all `entries` of a log were charged, by kind of token."""
    total: Counter[str] = Counter()
    for entry in entries:
        total.update({name: tokens for name, tokens in entry.get("charged", {}).items() if name in TOKENS})
    return {name: total[name] for name in TOKENS}
