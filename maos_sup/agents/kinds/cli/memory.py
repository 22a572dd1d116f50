"""What is on record of one run of a task, as a fold of the agent's journal: answers, calls, costs. Pure.

The conversation itself is the command line's own, in `session/`; this is what we must know of it: which calls
began and have no result, what was paid, what it came to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from state_layout.ledger import NOTHING, Amount
from state_layout.lives.attempts import all_lines
from state_layout.paths import Tree
from state_layout.records import TaskSpec

Entry = dict[str, Any]
TYPES = ("session", "turn", "broken", "tool_call", "tool_result", "result")
_MARKS = tuple(f'"type":"{type_}"'.encode() for type_ in TYPES)
_INPUTS = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")


@dataclass(slots=True, kw_only=True)
class Memory:
    """The fold of one run."""

    task: str
    run: int
    session: str | None = None  # as the command line names it
    turns: int = 0  # answers of the model
    messages: set[str] = field(default_factory=set)  # ids of answers
    calls: dict[str, Entry] = field(default_factory=dict)  # by id: began, no result known
    results: dict[str, Entry] = field(default_factory=dict)  # by id
    costs: dict[str, Amount] = field(default_factory=dict)  # by key of the ledger: of answers
    waste: dict[str, Amount] = field(default_factory=dict)  # by key: of questions without an answer
    input_tokens: int = 0  # of the last answer, all of its prompt
    largest_output: int = 0  # tokens
    used: dict[str, int] = field(default_factory=dict)  # as told last by who counts from the beginning
    result: Entry | None = None  # what it came to, unless it went on since

    @property
    def key(self) -> str:
        """What the ledger calls the next question."""
        return f"{self.task}#{self.run}/{self.turns}"

    def take(self, entry: Entry) -> None:
        """Fold one journal entry of this run."""
        fold = _FOLDS.get(entry["type"])
        if fold is not None and (entry.get("task"), entry.get("run", 1)) == (self.task, self.run):
            fold(self, entry)

    def take_all(self, entries: Iterable[Entry]) -> Memory:
        """Fold entries in order."""
        for entry in entries:
            self.take(entry)
        return self


def recall_memory(tree: Tree, agent: str, task: TaskSpec) -> Memory:
    """What is on record. Raises Damaged, StorageError."""
    lines = (line for line in all_lines(tree, agent) if any(mark in line.raw[:160] for mark in _MARKS))
    return Memory(task=task.id, run=task.run).take_all(line.fields() for line in lines)


def _session(memory: Memory, entry: Entry) -> None:
    memory.session = entry["session"]


def _turn(memory: Memory, entry: Entry) -> None:
    key = entry.get("key")
    if key is not None:
        waste = memory.waste.pop(key, NOTHING)
        memory.costs[key] = memory.costs.get(key, NOTHING) + waste + Amount.from_json(entry)
    if entry.get("is_aside"):
        return
    memory.turns += 1
    memory.messages.add(entry.get("message") or "")
    usage = entry.get("usage") or {}
    memory.input_tokens = sum(usage.get(name) or 0 for name in _INPUTS)
    memory.largest_output = max(memory.largest_output, usage.get("output_tokens") or 0)
    memory.used = entry.get("used") or memory.used
    memory.result = None


def _broken(memory: Memory, entry: Entry) -> None:
    key = entry["key"]
    memory.waste[key] = memory.waste.get(key, NOTHING) + Amount.from_json(entry.get("waste") or {})


def _tool_call(memory: Memory, entry: Entry) -> None:
    if entry["id"] not in memory.results:
        memory.calls[entry["id"]] = entry


def _tool_result(memory: Memory, entry: Entry) -> None:
    memory.results[entry["id"]] = {**memory.calls.pop(entry["id"], {}), **entry}


def _result(memory: Memory, entry: Entry) -> None:
    memory.result = entry


_FOLDS: dict[str, Callable[[Memory, Entry], None]] = {
    "session": _session,
    "turn": _turn,
    "broken": _broken,
    "tool_call": _tool_call,
    "tool_result": _tool_result,
    "result": _result,
}
