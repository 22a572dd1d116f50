"""Says which dialect a path is of: bases differ (with /v1, with /v1beta, with nothing), the ends do not."""

from __future__ import annotations

import re
from dataclasses import dataclass

from maos_sup.loopback.dialects.chat import Chat
from maos_sup.loopback.dialects.dialect import Dialect
from maos_sup.loopback.dialects.gemini import Gemini
from maos_sup.loopback.dialects.messages import Messages
from maos_sup.loopback.dialects.responses import Responses

MESSAGES = Messages()


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Says what a path asks for."""

    dialect: Dialect
    is_count: bool = False  # of tokens only; no answer


_ROUTES: tuple[tuple[re.Pattern[str], Route], ...] = (
    (re.compile(r"/v1/messages"), Route(dialect=MESSAGES)),
    (re.compile(r"/v1/messages/count_tokens"), Route(dialect=MESSAGES, is_count=True)),
    (re.compile(r"(/.*)?/responses"), Route(dialect=Responses())),
    (re.compile(r"(/.*)?/chat/completions"), Route(dialect=Chat())),
    (re.compile(r"(/.*)?/models/[^/:]+:(stream)?[gG]enerateContent"), Route(dialect=Gemini())),
    (re.compile(r"(/.*)?/models/[^/:]+:countTokens"), Route(dialect=Gemini(), is_count=True)),
)


def route_of(path: str) -> Route | None:
    """Find the route of a path without its query; None: nothing is there."""
    return next((route for pattern, route in _ROUTES if pattern.fullmatch(path)), None)
