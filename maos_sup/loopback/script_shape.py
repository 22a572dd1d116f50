"""The keys of a script in a file, as tables: what is wrong in it is said all at once, with its place."""

from __future__ import annotations

from typing import NotRequired, TypedDict

from maos_sup.loopback.messages_api import MessageBlock, TokenUsage
from maos_sup.loopback.reply import FaultKind
from state_layout.shapes.shape import Field, Flag, Free, ListOf, MapOf, Number, OneOf, Shape, Text

PATTERNS = ("model", "system", "first_user", "last_user", "all_text")
_COUNT = Field(Number(least=0, whole=True))
_COUNTS = Field(ListOf(item=Number(least=0, whole=True)))
_SECONDS = Field(Number(least=0))
_TEXT = Field(Text())
_ANYTHING = MapOf(value=Free())
_PACE = Shape(fields={"delay_s": _SECONDS, "chunk_chars": _COUNT, "chunk_delay_s": _SECONDS})
_MATCH = Shape(
    fields={
        **dict.fromkeys(PATTERNS, _TEXT),
        "has_tool": _TEXT,
        "no_tools": Field(Flag()),
        "turn": _COUNT,
        "min_turn": _COUNT,
    }
)
_FAULT = Shape(
    fields={
        "kind": Field(OneOf(tuple(kind.value for kind in FaultKind))),
        "status": _COUNT,
        "error_type": _TEXT,
        "message": _TEXT,
        "retry_after_s": Field(Number()),
        "after_chunks": _COUNT,
        "stall_s": _SECONDS,
    }
)
_FAULT_RULE = _FAULT.extended(
    Shape(
        fields={
            "match": Field(_MATCH),
            "at": _COUNTS,
            "every": Field(Number(least=1, whole=True)),
            "of_conversation": _COUNTS,
            "times": _COUNT,
        }
    )
)
_REPLY = Shape(
    fields={
        "text": _TEXT,
        "tools": Field(ListOf(item=_ANYTHING)),
        "content": Field(ListOf(item=_ANYTHING)),
        "stop_reason": _TEXT,
        "usage": Field(_ANYTHING),
        "pace": Field(_PACE),
        "fault": Field(_FAULT),
    }
)
_RULE = Shape(
    fields={
        "name": _TEXT,
        "match": Field(_MATCH),
        "reply": Field(ListOf(item=_REPLY), required=True),
        "repeat_last": Field(Flag()),
        "advance": Field(OneOf(("turn", "request"))),
        "pace": Field(_PACE),
    }
)
SCRIPT = Shape(
    fields={
        "rule": Field(ListOf(item=_RULE)),
        "fault": Field(ListOf(item=_FAULT_RULE)),
        "pace": Field(_PACE),
    }
)


class ScriptPace(TypedDict, total=False):
    """The pace is that of the script, of a rule or of a reply (`pace`)."""

    delay_s: float
    chunk_chars: int
    chunk_delay_s: float


class ScriptMatch(TypedDict, total=False):
    """The match says what must hold of a request (`match`)."""

    model: str
    system: str
    first_user: str
    last_user: str
    all_text: str
    has_tool: str
    no_tools: bool
    turn: int
    min_turn: int


class ScriptFault(TypedDict, total=False):
    """The fault is that of a reply (`fault`)."""

    kind: str
    status: int
    error_type: str
    message: str
    retry_after_s: float
    after_chunks: int
    stall_s: float


class ScriptFaultRule(ScriptFault, total=False):
    """The rule is one of `fault`, and says when it strikes."""

    match: ScriptMatch
    at: list[int]
    every: int
    of_conversation: list[int]
    times: int


class ScriptReply(TypedDict, total=False):
    """The reply is one of `reply`."""

    text: str
    tools: list[MessageBlock]
    content: list[MessageBlock]
    stop_reason: str
    usage: TokenUsage
    pace: ScriptPace
    fault: ScriptFault


class ScriptRule(TypedDict):
    """The rule is one of `rule`."""

    name: NotRequired[str]
    match: NotRequired[ScriptMatch]
    reply: list[ScriptReply]
    repeat_last: NotRequired[bool]
    advance: NotRequired[str]
    pace: NotRequired[ScriptPace]


class ScriptFile(TypedDict, total=False):
    """The file is the whole script."""

    rule: list[ScriptRule]
    fault: list[ScriptFaultRule]
    pace: ScriptPace
