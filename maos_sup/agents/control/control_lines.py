"""Control lines: what a program asks of its agent, one JSON object a line. Parsed here, carried out by
`translate`. Pure. A line that is none of these says why; it is reported and skipped, never fatal."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from state_layout.errors import BadInput
from state_layout.files import codec
from state_layout.records import MESSAGE_TYPES
from state_layout.scopes.values import value_of_json

if TYPE_CHECKING:
    from state_layout.records.attempt_lines import SentMessage

LONGEST_SHOWN = 120
VERBS = (
    *("send", "discovery", "progress", "checkpoint", "result", "artifact"),
    *("ack", "ask", "call", "save", "forget"),
)


class BadLine(ValueError):
    """The line is no control line; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlRequest:
    """One control line asks for this."""

    verb: str
    value: Any
    more: dict[str, object] = field(default_factory=dict)


def parse(line: bytes) -> ControlRequest:
    """Read the request in `line`. Raises BadLine."""
    try:
        value = codec.decode_object(line)
        if "save" in value or "call" in value:
            value = value_of_json(line.decode())  # a number that is kept shall not become another one
    except codec.NotJson as cause:
        raise BadLine(f"not a JSON object ({cause})") from cause
    except BadInput as cause:
        raise BadLine(str(cause)) from cause
    if codec.is_nested_too_deeply(value):
        raise BadLine(f"nested too deeply; use at most {codec.MOST_LEVELS} levels")
    verbs = [verb for verb in VERBS if verb in value]
    if len(verbs) != 1:
        raise BadLine(f"has {len(verbs) or 'none'} of the keys {', '.join(VERBS)}; use exactly one")
    verb = verbs[0]
    more = {key: item for key, item in value.items() if key != verb}
    return _CHECKS.get(verb, _anything)(ControlRequest(verb=verb, value=value[verb], more=more))


def message_of(value: Any) -> SentMessage:
    """Make the message of what a program or a callable wants sent. Raises BadLine."""
    if not isinstance(value, dict) or not isinstance(value.get("to"), str):
        raise BadLine("'send' needs an object with 'to', the name of an agent or all")
    fields = {
        key: value[key] for key in ("to", "type", "text", "body", "reply_to") if value.get(key) is not None
    }
    if "text" not in fields and "body" not in fields:
        raise BadLine("'send' needs a 'text' or a 'body'")
    for key in ("text", "type", "reply_to"):
        if not isinstance(fields.get(key, ""), str):
            raise BadLine(f"'{key}' is no text")
    if fields.get("type", "info") not in MESSAGE_TYPES:
        raise BadLine(f"'type' is {fields['type']!r}; use one of {', '.join(MESSAGE_TYPES)}")
    return cast("SentMessage", fields)


def discovery_of(text: str, **body: Any) -> SentMessage:
    """Make the message by which a discovery is told to all."""
    message: SentMessage = {"to": "all", "type": "discovery", "text": text}
    if body:
        message["body"] = body
    return message


def shown(line: bytes) -> str:
    """Show `line` as people are shown it."""
    text = line.decode("utf-8", "replace").strip()
    return text if len(text) <= LONGEST_SHOWN else text[:LONGEST_SHOWN] + "..."


def _anything(request: ControlRequest) -> ControlRequest:
    return request


def _send(request: ControlRequest) -> ControlRequest:
    return ControlRequest(verb="send", value=message_of(request.value))


def _text(request: ControlRequest) -> ControlRequest:
    if not isinstance(request.value, str) or not request.value.strip():
        raise BadLine(f"'{request.verb}' needs a text")
    return request


def _progress(request: ControlRequest) -> ControlRequest:
    value = request.value
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise BadLine("'progress' needs a number, 1 for all done")
    note = request.more.get("note")
    if note is not None and not isinstance(note, str):
        raise BadLine("'note' is no text")
    return ControlRequest(verb="progress", value=value, more={} if note is None else {"note": note})


def _ack(request: ControlRequest) -> ControlRequest:
    marks = request.value
    if not isinstance(marks, dict) or not all(type(seq) is int for seq in marks.values()):
        raise BadLine("'ack' needs an object like {\"<box>/<from>\": seq}")
    return request


def _call(request: ControlRequest) -> ControlRequest:
    call = request.value
    is_call = isinstance(call, dict) and all(isinstance(call.get(key), str) for key in ("id", "name"))
    if not is_call or not isinstance(call.get("input", {}), dict):
        raise BadLine("'call' needs an object with the texts 'id' and 'name' and an object 'input'")
    if not isinstance(call.get("after", ""), str):
        raise BadLine("'after' is no text")
    return request


def _keep(request: ControlRequest) -> ControlRequest:
    told, needed = request.value, ("key", "value") if request.verb == "save" else ("key",)
    if not isinstance(told, dict) or not all(key in told for key in needed):
        raise BadLine(f"'{request.verb}' needs an object with {' and '.join(needed)}, and perhaps a scope")
    for key in ("key", "scope"):
        if not isinstance(told.get(key, ""), str):
            raise BadLine(f"'{key}' is no text")
    return request


_CHECKS: dict[str, Callable[[ControlRequest], ControlRequest]] = {
    "send": _send,
    "discovery": _text,
    "progress": _progress,
    "artifact": _text,
    "ask": _text,
    "ack": _ack,
    "call": _call,
    "save": _keep,
    "forget": _keep,
}
