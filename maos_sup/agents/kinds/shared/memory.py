"""Says what is on record of one run of a task, as a fold of the agent's journal: answers, calls, costs. Pure.

The conversation itself is the command line's own, in `session/`; this is what we must know of it: which calls
began and have no result, what was paid, what it came to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from state_layout.ledger import NOTHING, Amount
from state_layout.lives.attempts import all_lines
from state_layout.paths import Tree
from state_layout.records import TaskSpec

if TYPE_CHECKING:
    from maos_sup.agents.kinds.shared.entries import ProgramEntry, SessionOrigin

TYPES = ("process", "session", "turn", "broken", "tool_call", "tool_result", "end", "result")
_OF_AGENT = ("start", "received")  # of no task
_MARKS = tuple(f'"type":"{type_}"'.encode() for type_ in (*TYPES, *_OF_AGENT))
_INPUTS = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")


@dataclass(slots=True, kw_only=True)
class RunMemory:
    """The memory is the fold of one run."""

    task: str
    run: int
    session: str | None = None  # as the command line names it
    sessions_lost: int = 0  # that could not be resumed: each was followed by a new one
    origin: SessionOrigin | None = None  # that it is a copy of the beginning of
    void: int = 0  # number of the last rewind of the team
    is_taken_back: bool = False  # by that, and no session is on record since
    said: list[tuple[str, str]] = field(default_factory=list)  # in its session: ("text", ""), ("result", id)
    processes: int = 0  # that were started
    process_attempt: int = 0  # the attempt of the last one
    is_process_open: bool = False  # nobody has said yet how the last one ended
    place: dict[str, str] = field(default_factory=dict)  # where the last one worked
    turns: int = 0  # answers of the model
    questions: int = 0  # of which the cost is known
    messages: set[str] = field(default_factory=set)  # ids of answers
    last_message: str | None = None  # the last of these
    told: dict[str, None] = field(default_factory=dict)  # uuids of messages by which the model was told
    calls: dict[str, ProgramEntry] = field(default_factory=dict)  # by id: began, no result known
    results: dict[str, ProgramEntry] = field(default_factory=dict)  # by id
    interrupted: dict[str, ProgramEntry] = field(default_factory=dict)  # by id: nobody was told yet
    costs: dict[str, Amount] = field(default_factory=dict)  # by key of the ledger: of answers
    waste: dict[str, Amount] = field(default_factory=dict)  # by key: of questions without an answer
    input_tokens: int = 0  # of the last answer, all of its prompt
    largest_output: int = 0  # tokens
    unpriced: Amount = NOTHING  # estimate of the answers of which the cost is told later
    last_estimate: Amount = NOTHING  # of the last of these
    unpriced_turns: int = 0
    is_cost_unknown: bool | None = None  # of the last answer; None before any
    used: dict[str, int] = field(default_factory=dict)  # as told last by who counts from the beginning
    ended_with: str | None = None  # what a process said last, that came to its end and was not judged yet
    result: ProgramEntry | None = None  # what it came to, unless it went on since

    @property
    def key(self) -> str:
        """The ledger calls the next question by this key."""
        return f"{self.task}#{self.run}/{self.questions}"

    def take(self, entry: ProgramEntry) -> None:
        """Fold one journal entry of this run."""
        fold = _FOLDS.get(entry["type"])
        is_own = (entry.get("task"), entry.get("run", 1)) == (self.task, self.run)
        if fold is not None and (is_own or entry["type"] in _OF_AGENT):
            fold(self, entry)

    def take_all(self, entries: Iterable[ProgramEntry]) -> RunMemory:
        """Fold entries in order."""
        for entry in entries:
            self.take(entry)
        return self


def recall_memory(tree: Tree, agent: str, task: TaskSpec) -> RunMemory:
    """Recall what is on record of the current run of `task`. Raises Damaged, StorageError."""
    lines = (line for line in all_lines(tree, agent) if any(mark in line.raw[:160] for mark in _MARKS))
    return RunMemory(task=task.id, run=task.run).take_all(line.fields() for line in lines)


def _start(memory: RunMemory, entry: ProgramEntry) -> None:
    rewound = entry.get("rewound")
    if isinstance(rewound, dict) and rewound.get("cut"):  # 0: a copy was mended, its output is read again
        memory.void, memory.is_taken_back = rewound["void"], True


def _received(memory: RunMemory, entry: ProgramEntry) -> None:
    if entry.get("told"):
        memory.told[entry["told"]] = None


def _process(memory: RunMemory, entry: ProgramEntry) -> None:
    memory.processes, memory.process_attempt = entry["process"], entry["source"]["attempt"]
    memory.place = entry.get("place") or {}
    memory.is_process_open, memory.ended_with = True, None
    for told in entry.get("told") or ():
        memory.interrupted.get(told, {})["process"] = memory.processes


def _session(memory: RunMemory, entry: ProgramEntry) -> None:
    memory.session, memory.origin = entry["session"], entry.get("origin")
    memory.is_taken_back = False
    if memory.origin is None:
        memory.said.clear()
    else:
        memory.used = memory.origin.get("used") or {}
    if memory.session is None:
        memory.sessions_lost += 1
        memory.used = {}


def _turn(memory: RunMemory, entry: ProgramEntry) -> None:
    key = entry.get("key")
    if key is not None:
        waste = memory.waste.pop(key, NOTHING)
        memory.costs[key] = memory.costs.get(key, NOTHING) + waste + Amount.from_json(entry)
    if entry.get("is_aside"):
        return
    memory.turns += 1
    if entry.get("text"):
        memory.said.append(("text", ""))
    memory.messages.add(entry.get("message") or "")
    memory.last_message = entry.get("message") or memory.last_message
    memory.ended_with, memory.result = entry.get("end"), None
    told = [id_ for id_, call in memory.interrupted.items() if call.get("process") == memory.processes]
    for id_ in told:
        del memory.interrupted[id_]
    if "estimate" in entry:
        memory.last_estimate = Amount.from_json(entry["estimate"])
        memory.unpriced += memory.last_estimate
        memory.unpriced_turns += 1
    else:
        _priced(memory, entry)


def _priced(memory: RunMemory, entry: ProgramEntry) -> None:
    """The cost of all answers up to this one is told."""
    answers = memory.unpriced_turns + 1
    told = entry.get("usage") or {}
    usage = entry.get("expected_usage") or told
    memory.questions += 1
    memory.is_cost_unknown = entry.get("cost") == "unknown"
    memory.input_tokens = sum(usage.get(name) or 0 for name in _INPUTS) // answers
    memory.largest_output = max(memory.largest_output, (told.get("output_tokens") or 0) // answers)
    memory.used = entry.get("used") or memory.used
    memory.unpriced, memory.last_estimate, memory.unpriced_turns = NOTHING, NOTHING, 0


def _broken(memory: RunMemory, entry: ProgramEntry) -> None:
    key = entry["key"]
    memory.waste[key] = memory.waste.get(key, NOTHING) + Amount.from_json(entry.get("waste") or {})
    left = entry.get("unpriced")
    memory.unpriced = NOTHING if left is None else Amount.from_json(left)
    memory.last_estimate, memory.unpriced_turns = NOTHING, entry.get("unpriced_turns") or 0
    memory.is_process_open, memory.ended_with = False, None


def _tool_call(memory: RunMemory, entry: ProgramEntry) -> None:
    if entry["id"] not in memory.results:
        memory.calls[entry["id"]] = entry


def _tool_result(memory: RunMemory, entry: ProgramEntry) -> None:
    whole: ProgramEntry = {**memory.calls.pop(entry["id"], {}), **entry}
    memory.results[entry["id"]] = whole
    if not entry.get("is_interrupted"):
        memory.said.append(("result", str(whole.get("program_id") or entry["id"].split("/", 2)[-1])))
    if entry.get("is_interrupted"):
        memory.interrupted[entry["id"]] = whole


def _end(memory: RunMemory, entry: ProgramEntry) -> None:
    memory.ended_with = entry["value"]
    memory.is_process_open = memory.is_process_open and memory.ended_with is not None


def _result(memory: RunMemory, entry: ProgramEntry) -> None:
    memory.result, memory.ended_with, memory.is_process_open = entry, None, False


_FOLDS: dict[str, Callable[[RunMemory, ProgramEntry], None]] = {
    "start": _start,
    "received": _received,
    "process": _process,
    "session": _session,
    "turn": _turn,
    "broken": _broken,
    "tool_call": _tool_call,
    "tool_result": _tool_result,
    "end": _end,
    "result": _result,
}
