"""Says what a process says that it used beside the answers that are on record one by one. Pure.

At the end of a turn Claude Code says what was used: by its main conversation, its sub-agents, its summaries.
Up to 2.1.240 or so these counts are of the process; later ones (2.1.270) are of the session, over resumes,
without what killed processes used, and saved with the session (`cost-state`); the newest (2.1.332) also say
what came since the last result. So what is beside is told by differences, each within one process and between
two results; who reads on in the middle of a process folds what is before it first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from maos_sup.agents.kinds.claude.stream_json import (
    ClaudeEvent,
    ClaudeMessage,
    StreamPart,
    TranscriptRecord,
)

Usage = dict[str, int]
USAGE = ("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
_OF_MODELS = dict(
    zip(
        USAGE,
        ("inputTokens", "outputTokens", "cacheReadInputTokens", "cacheCreationInputTokens"),
        strict=True,
    )
)
_CHARS_A_TOKEN = 3.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """The usage is told by model, and its cost in USD as Claude Code reckons it."""

    usage: Mapping[str, Usage] = field(default_factory=dict)
    cost_usd: float = 0.0

    @property
    def total(self) -> Usage:
        """The total is the usage of all models."""
        total = dict.fromkeys(USAGE, 0)
        for usage in self.usage.values():
            _add(total, usage)
        return total


@dataclass(slots=True, kw_only=True)
class SubAgentAccount:
    """The conversation of a sub-agent that is under way, by its answers so far."""

    model: str = ""
    usage: Usage = field(default_factory=dict)  # of its last answer, as far as told
    chars: int = 0  # of what its answers say, since the last result
    is_asking: bool = True
    is_told: bool = True  # its server says what it uses


@dataclass(slots=True, kw_only=True)
class Accounts:
    """The accounts are the fold of the events of one process after another. `saved`: the counts that its
    session has."""

    saved: Told = field(default_factory=Told)
    seen: list[tuple[str, Usage]] = field(default_factory=list)  # since the last result: models, usage
    branches: dict[str, SubAgentAccount] = field(default_factory=dict)  # by the call that began them
    _before: Told | None = None  # as of the last result of this process
    _answer: tuple[str, Usage] | None = None
    _settled: str | None = None  # the last result that `rest` was called for
    _ids: set[str] = field(default_factory=set)  # of answers of sub-agents
    _expected: dict[str, Usage] = field(default_factory=dict)  # by id: of those that tell no usage
    _unseen: dict[str, Usage] = field(default_factory=dict)  # by model: last words of these sub-agents

    def take(self, event: ClaudeEvent) -> None:
        """Fold one event; the end of a turn no harm if `rest` was called for it."""
        kind, parent = event.get("type"), event.get("parent_tool_use_id")
        if kind == "control_response" and (event.get("response") or {}).get("request_id") == "initialize":
            self._begin_process()
        elif kind == "stream_event" and not parent:
            self._stream(event.get("event") or {})
        elif parent and kind == "assistant":
            self._branch(parent, event.get("message") or {})
        elif parent and kind == "user":
            self.branches.setdefault(parent, SubAgentAccount()).is_asking = True
        elif kind == "user":
            self._close_branches(event)
        elif kind == "result" and event.get("uuid") != self._settled:
            self.rest(event)

    def new_usage(self, event: ClaudeEvent) -> tuple[str, str, Usage] | None:
        """Read an answer of a sub-agent that is heard of for the first time: its id, its model, its usage."""
        message = event.get("message") or {}
        id_ = str(message.get("id"))
        if not event.get("parent_tool_use_id") or id_ in self._ids:
            return None
        return id_, str(message.get("model")), counts(message.get("usage") or {})

    def expect(self, id_: str, usage: Usage) -> None:
        """The answer `id_` of a sub-agent, which comes next, tells no usage and is charged as `usage`."""
        self._expected[id_] = usage

    def rest(self, result: ClaudeEvent) -> Told:
        """Take what was used since the last result beside all that was seen; from here on it counts anew."""
        told, self._settled = self._since(result), result.get("uuid")
        seen: dict[str, Usage] = {}
        for model, usage in self.seen:
            _add(seen.setdefault(plain(model) or "", dict.fromkeys(USAGE, 0)), usage)
        unseen, self._unseen = self._unseen, {}
        self.seen, self.branches = [], {}
        if unseen and not any(told.total.values()):
            return Told(usage=unseen, cost_usd=told.cost_usd)
        if seen.keys() - {plain(model) for model in told.usage}:  # a server that calls its models otherwise
            all_seen = Told(usage=seen).total
            return Told(usage={"": _difference(told.total, all_seen)}, cost_usd=told.cost_usd)
        rests = {
            model: _difference(usage, seen.get(plain(model) or "", {})) for model, usage in told.usage.items()
        }
        return Told(usage=rests, cost_usd=told.cost_usd)

    def _since(self, result: ClaudeEvent) -> Told:
        since, total = result.get("model_usage_since_last_result"), _told(result.get("modelUsage"))
        before = self.saved if self._before is None else self._before
        self._before = total
        if isinstance(since, dict):
            return _told(since)
        used, past = total.total, before.total
        if any(used[name] < past[name] for name in USAGE):
            return total  # they began anew with the process
        rests = {
            model: _difference(usage, before.usage.get(model, {})) for model, usage in total.usage.items()
        }
        return Told(usage=rests, cost_usd=max(0.0, total.cost_usd - before.cost_usd))

    def _begin_process(self) -> None:
        self.seen, self.branches, self._before, self._answer = [], {}, None, None

    def _stream(self, inner: StreamPart) -> None:
        kind = inner.get("type")
        if kind == "message_start":
            message = inner.get("message") or {}
            self._answer = (str(message.get("model")), counts(message.get("usage") or {}))
        elif kind == "message_delta" and self._answer is not None:
            self._answer[1].update(counts(inner.get("usage") or {}))
        elif kind == "message_stop" and self._answer is not None:
            self.seen.append(self._answer)  # one that broke off as well: told by a stop, it is in the totals
            self._answer = None

    def _branch(self, parent: str, message: ClaudeMessage) -> None:
        branch, id_ = self.branches.setdefault(parent, SubAgentAccount()), str(message.get("id"))
        usage = self._expected.get(id_) or counts(message.get("usage") or {})
        branch.is_asking, branch.model = False, str(message.get("model"))
        branch.chars += len(str(message.get("content") or ""))
        branch.is_told = id_ not in self._expected
        if id_ not in self._ids:
            self._ids.add(id_)
            self.seen.append((branch.model, usage))
            branch.usage = usage

    def _close_branches(self, event: ClaudeEvent) -> None:
        content = (event.get("message") or {}).get("content")
        for block in content if isinstance(content, list) else ():
            if block.get("type") == "tool_result":
                branch = self.branches.pop(str(block.get("tool_use_id")), None)
                if branch is not None and branch.is_asking and not branch.is_told:
                    _add(self._unseen.setdefault(branch.model, dict.fromkeys(USAGE, 0)), branch.usage)

    def unknown(self) -> list[tuple[str, Usage]]:
        """Estimate what sub-agents that are under way used and nobody will tell: models, usage."""
        found = []
        for branch in self.branches.values():
            usage = {"output_tokens": int(branch.chars / _CHARS_A_TOKEN)}
            if branch.is_asking:  # about what it was asked last
                usage |= {name: branch.usage.get(name, 0) for name in USAGE if name != "output_tokens"}
            found.append((branch.model, usage))
        return [(model, usage) for model, usage in found if model and any(usage.values())]


def counts(usage: Mapping[str, Any]) -> Usage:
    """The counts in a `usage` of the API."""
    return {name: int(usage[name]) for name in USAGE if isinstance(usage.get(name), int)}


def plain(model: Any) -> str | None:
    """Take a model's name without the size of its window."""
    return model.partition("[")[0] if isinstance(model, str) else None


def saved_counts(record: TranscriptRecord) -> Told:
    """The counts in a `cost-state` record of a transcript."""
    return _told(record.get("modelUsage"))


def _told(models: Any) -> Told:
    if not isinstance(models, dict):
        return Told()
    usage = {
        model: {name: int(used.get(key) or 0) for name, key in _OF_MODELS.items()}
        for model, used in models.items()
    }
    return Told(usage=usage, cost_usd=sum(float(used.get("costUSD") or 0.0) for used in models.values()))


def _add(total: Usage, usage: Mapping[str, int]) -> None:
    for name in USAGE:
        total[name] += usage.get(name, 0)


def _difference(usage: Mapping[str, int], less: Mapping[str, int]) -> Usage:
    return {name: max(0, usage.get(name, 0) - less.get(name, 0)) for name in USAGE}
