"""Tokens, counted roughly, and the prompt cache: what a request reads from it and what it writes.

As with the real cache, a prefix is only ever read whole and unchanged: a client that rewrites its history or
its tools sees `cache_read_input_tokens` fall to 0. That is what tests of an append-only layout look at.
"""

from __future__ import annotations

import threading

from maos_sup.loopback.messages_api import MessagesRequest, TokenUsage
from maos_sup.loopback.reply import ScriptedReply
from maos_sup.loopback.request import LoopbackRequest, blocks_of, without_cache_marks
from state_layout.files import codec

CHARS_A_TOKEN = 4


def tokens_of(value: object) -> int:
    """About as many tokens as `value` has, at least 1."""
    return max(1, len(codec.encode(without_cache_marks(value))) // CHARS_A_TOKEN)


def input_tokens(body: MessagesRequest) -> int:
    """About as many tokens as the whole request has."""
    parts = [body.get("tools") or [], body.get("system") or "", body.get("messages") or []]
    return tokens_of(parts)


class Meter:
    """A meter is the cache of one server: digests of the prefixes seen with `cache_control`."""

    def __init__(self) -> None:
        self._cached: set[str] = set()
        self._lock = threading.Lock()

    def usage(self, request: LoopbackRequest, reply: ScriptedReply) -> TokenUsage:
        """Count the usage of `reply`: what the script says, and the rest as counted."""
        total = input_tokens(request.body)
        counted: TokenUsage = {
            "input_tokens": total,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
            "output_tokens": tokens_of(list(reply.content)) if reply.content else 1,
        }
        if b'"cache_control"' in codec.encode(request.body):
            counted |= self._cached_usage(request, total)
        return counted | reply.usage

    def _cached_usage(self, request: LoopbackRequest, total: int) -> TokenUsage:
        with self._lock:
            known = [index for index, prefix in enumerate(request.prefixes) if prefix in self._cached]
            self._cached.update(request.prefixes)
        read = self._prefix_tokens(request, known[-1]) if known else 0
        fresh = max(0, total - read)
        return {
            "input_tokens": min(fresh, 4),
            "cache_read_input_tokens": read,
            "cache_creation_input_tokens": max(0, fresh - 4),
        }

    def _prefix_tokens(self, request: LoopbackRequest, index: int) -> int:
        head = [request.body.get("tools") or [], request.body.get("system") or ""]
        messages = [[message["role"], blocks_of(message["content"])] for message in request.messages[:index]]
        return tokens_of([*head, *messages])
