"""Scripts in files: rules that match on a conversation, each with a sequence of replies, and faults.

    [[rule]]
    match = { system = "counter", no_tools = false }   # see `Match`; the first rule that matches decides
    repeat_last = true                                 # past the end: the last reply again, else an error
    [[rule.reply]]                                     # the first answer of the conversation
    text = "I count."
    tools = [{ name = "bash", input = { command = "ls | wc -l" } }]
    [[rule.reply]]                                     # the second
    text = "There are ${n}."                           # named groups of the rule's patterns

    [[fault]]
    at = [3]                                           # the third request that this server gets
    status = 429
    retry_after_s = 3

Which reply comes is the number of answers in the request's conversation, not a counter of the server.
"""

from __future__ import annotations

import re
import string
import threading
import tomllib
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from maos_sup.loopback.messages_api import MessageBlock
from maos_sup.loopback.reply import FaultKind, PlannedFault, ReplyPace, ScriptedReply, fail
from maos_sup.loopback.request import LoopbackRequest
from maos_sup.loopback.script_shape import (
    PATTERNS,
    SCRIPT,
    ScriptFault,
    ScriptFaultRule,
    ScriptFile,
    ScriptMatch,
    ScriptPace,
    ScriptReply,
    ScriptRule,
)
from state_layout.files import codec


class BadScript(ValueError):
    """A script that cannot be used; the text says where and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """Conditions on a request; all given ones must hold. Patterns are searched for."""

    patterns: dict[str, re.Pattern[str]] = field(default_factory=dict)
    has_tool: str | None = None
    no_tools: bool = False
    turn: int | None = None
    min_turn: int | None = None

    def groups(self, request: LoopbackRequest) -> dict[str, str] | None:
        """Named groups of the patterns if `request` matches, None if it does not."""
        if not self._facts_hold(request):
            return None
        found: dict[str, str] = {}
        for name, pattern in self.patterns.items():
            hit = pattern.search(getattr(request, name))
            if hit is None:
                return None
            found.update({key: text or "" for key, text in hit.groupdict().items()})
        return found

    def _facts_hold(self, request: LoopbackRequest) -> bool:
        return (
            (self.has_tool is None or self.has_tool in request.tool_names)
            and not (self.no_tools and request.tool_names)
            and (self.turn is None or request.turn == self.turn)
            and (self.min_turn is None or request.turn >= self.min_turn)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyRule:
    name: str
    match: Match
    replies: tuple[ScriptedReply, ...]
    repeat_last: bool = False
    advance: str = "turn"  # or "request": one reply for each request of the conversation, repeated ones too

    def reply(self, request: LoopbackRequest, groups: dict[str, str]) -> ScriptedReply:
        index = request.turn if self.advance == "turn" else request.of_conversation - 1
        if index >= len(self.replies):
            if not self.repeat_last:
                return fail(400, message=f"script: rule {self.name} has no reply {index + 1}")
            index = -1
        chosen = self.replies[index]
        return replace(chosen, content=_filled(chosen.content, groups), rule=self.name)


@dataclass(kw_only=True)
class FaultRule:
    """A fault and when it happens."""

    fault: PlannedFault
    match: Match
    at: tuple[int, ...] = ()
    every: int | None = None
    of_conversation: tuple[int, ...] = ()
    times: int | None = None
    used: int = 0

    def applies(self, request: LoopbackRequest) -> bool:
        if self.times is not None and self.used >= self.times:
            return False
        if self.at and request.number not in self.at:
            return False
        if self.every is not None and request.number % self.every:
            return False
        if self.of_conversation and request.of_conversation not in self.of_conversation:
            return False
        return self.match.groups(request) is not None


class Rules:
    """A script made of rules: call it with a request."""

    def __init__(self, rules: list[ReplyRule], faults: list[FaultRule]) -> None:
        self._rules, self._faults, self._lock = rules, faults, threading.Lock()

    def __call__(self, request: LoopbackRequest) -> ScriptedReply:
        reply = self._reply(request)
        with self._lock:
            for fault_rule in self._faults:
                if fault_rule.applies(request):
                    fault_rule.used += 1
                    return replace(reply, fault=fault_rule.fault)
        return reply

    def _reply(self, request: LoopbackRequest) -> ScriptedReply:
        for rule in self._rules:
            groups = rule.match.groups(request)
            if groups is not None:
                return rule.reply(request, groups)
        return fail(400, message=f"script: no rule matches; last user text: {request.last_user[-200:]!r}")


def load_rules(path: Path) -> Rules:
    """Read a script, TOML or JSON by its suffix. Raises BadScript, OSError."""
    data = path.read_bytes()
    try:
        value = codec.decode_object(data) if path.suffix == ".json" else tomllib.loads(data.decode())
    except ValueError as error:
        raise BadScript(f"{path}: {error}") from error
    try:
        return make_rules(value)
    except BadScript as error:
        raise BadScript(f"{path}: {error}") from error


def make_rules(value: Any) -> Rules:
    """Make a script from its decoded file. Raises BadScript with all that is wrong in it."""
    faults = [fault.text for fault in SCRIPT.faults(value)]
    if faults:
        raise BadScript("; ".join(faults))
    script: ScriptFile = value
    pace = _paced(ReplyPace(), script)
    rules = [_rule(entry, number, pace) for number, entry in enumerate(script.get("rule", []), start=1)]
    return Rules(rules, [_fault_rule(entry) for entry in script.get("fault", [])])


def _rule(entry: ScriptRule, number: int, pace: ReplyPace) -> ReplyRule:
    name = entry.get("name", f"rule {number}")
    pace = _paced(pace, entry)
    return ReplyRule(
        name=name,
        match=_match(entry.get("match", {}), name),
        replies=tuple(_reply(reply, pace) for reply in entry["reply"]),
        repeat_last=entry.get("repeat_last", False),
        advance=entry.get("advance", "turn"),
    )


def _paced(pace: ReplyPace, entry: ScriptFile | ScriptRule | ScriptReply) -> ReplyPace:
    told: ScriptPace = entry.get("pace", {})
    return replace(pace, **told)


def _match(entry: ScriptMatch, where: str) -> Match:
    try:
        given = {key: text for key, text in entry.items() if key in PATTERNS}
        patterns = {key: re.compile(str(text), re.DOTALL) for key, text in given.items()}
    except re.error as error:
        raise BadScript(f"{where}: match: {error.pattern!r} is no pattern: {error}; mend it") from error
    return Match(
        patterns=patterns,
        has_tool=entry.get("has_tool"),
        no_tools=entry.get("no_tools", False),
        turn=entry.get("turn"),
        min_turn=entry.get("min_turn"),
    )


def _reply(entry: ScriptReply, pace: ReplyPace) -> ScriptedReply:
    content: list[MessageBlock] = list(entry.get("content", []))
    if "text" in entry:
        content.append({"type": "text", "text": entry["text"]})
    for tool in entry.get("tools", []):
        call: MessageBlock = {"type": "tool_use"}
        call.update(tool)
        content.append(call)
    return ScriptedReply(
        content=tuple(content),
        stop_reason=entry.get("stop_reason"),
        usage=entry.get("usage", {}),
        pace=_paced(pace, entry),
        fault=_fault(entry["fault"]) if "fault" in entry else None,
    )


def _fault_rule(entry: ScriptFaultRule) -> FaultRule:
    return FaultRule(
        fault=_fault(entry),
        match=_match(entry.get("match", {}), "fault"),
        at=tuple(entry.get("at", ())),
        every=entry.get("every"),
        of_conversation=tuple(entry.get("of_conversation", ())),
        times=entry.get("times"),
    )


def _fault(entry: ScriptFault) -> PlannedFault:
    usual = PlannedFault(kind=FaultKind(entry.get("kind", "error")))
    return replace(
        usual,
        status=entry.get("status", usual.status),
        error_type=entry.get("error_type"),
        message=entry.get("message", usual.message),
        retry_after_s=entry.get("retry_after_s"),
        after_chunks=entry.get("after_chunks"),
        stall_s=entry.get("stall_s", usual.stall_s),
    )


def _filled(value: Any, groups: dict[str, str]) -> Any:
    """Replace `${name}` in every text of `value`; unknown names stay."""
    if isinstance(value, str):
        return string.Template(value).safe_substitute(groups) if groups else value
    if isinstance(value, dict):
        return {key: _filled(item, groups) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_filled(item, groups) for item in value)
    return value
