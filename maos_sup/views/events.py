"""Says what happened between two looks at an orchestration, one line an event. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from maos_sup.views.files import printable
from state_layout.records import AgentPhase, Phase, TaskPhase

if TYPE_CHECKING:
    from maos_sup.views.shapes import AgentShown, Status, Subject, TaskShown
    from state_layout.records.attempt_lines import Question

    Told = tuple[str, Subject | None]

_EXPLAINED = frozenset(
    {AgentPhase.BACKOFF, AgentPhase.FAILED, AgentPhase.HUNG, AgentPhase.SLOW, AgentPhase.PAUSED}
)
_ENDED = frozenset({Phase.DONE, Phase.FAILED, Phase.STOPPED})
_LONGEST = 200  # characters of text shown of an event
_WAITS = "waits for "  # how a launcher's words on an agent begin that it cannot place yet
_QUIET_PHASES = frozenset(
    {AgentPhase.WAITING, AgentPhase.QUEUED, AgentPhase.STARTING, AgentPhase.PARKED, AgentPhase.DONE}
)
_SETTLING = frozenset(
    {TaskPhase.DONE, TaskPhase.FAILED, TaskPhase.CANCELLED, TaskPhase.SKIPPED, TaskPhase.BLOCKED}
)


def events(before: Status | None, after: Status) -> Iterator[str]:
    """Yield a line for each difference that a person wants to hear of; no terminal obeys it."""
    return (printable(text) for text, _ in events_with_subjects(before, after))


def events_with_subjects(before: Status | None, after: Status) -> Iterator[Told]:
    """Yield the same, each with what it is about: an `agent`, `task`, `question`, or None."""
    if before is None:
        yield f"{after['id']} {after['phase']}: {_short(after['request'])}", None
        before = {**after, "agents": [], "tasks": [], "questions": [], "spec_errors": [], "notes": []}
    yield from _of_agents({agent["name"]: agent for agent in before["agents"]}, after["agents"])
    yield from _of_waiting(before["agents"], after["agents"])
    yield from _of_tasks({task["id"]: task for task in before["tasks"]}, after["tasks"])
    yield from _of_questions(before["questions"], after["questions"])
    known = {error["text"] for error in before["spec_errors"]}
    for error in after["spec_errors"]:
        if error["text"] not in known:
            yield f"spec error: {error['text']}", None
    for note in after["notes"]:
        if note not in before["notes"]:
            yield f"note: {note}", None
    if before["supervisor"]["pid"] != after["supervisor"]["pid"] and after["phase"] not in _ENDED:
        yield _of_supervisor(after), None
    if before["want"] != after["want"]:
        yield f"wanted now: {after['want']}", None
    if before["phase"] != after["phase"]:
        yield f"{after['id']} {after['phase']}", None


def outcome_text(task: TaskShown) -> str:
    """Say in a few words how a task ended: `failed after 3 attempts: exit code 2`."""
    took = f" in {duration_text(task['elapsed_s'])}" if task["elapsed_s"] else ""
    many = f" after {task['attempts']} attempts" if task["attempts"] > 1 else ""
    why = f": {_short(task['error'])}" if task["error"] else ""
    return f"{task['phase']}{took}{many}{why}"


def counted(number: int, word: str) -> str:
    """Word a number like `1 task`, `2 tasks`, `3 discoveries`."""
    if number == 1:
        return f"1 {word}"
    return f"{number} {word.removesuffix('y')}ies" if word.endswith("y") else f"{number} {word}s"


def duration_text(seconds: float) -> str:
    """Word a duration like `3.2 s`, `4 min 10 s`, `2 h 5 min`, `3 d 4 h`."""
    if seconds < 59.95:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    for size_s, unit, below_s, below in (
        (86400, "d", 3600, "h"),
        (3600, "h", 60, "min"),
        (60, "min", 1, "s"),
    ):
        if seconds >= size_s:
            rest = int(seconds % size_s // below_s)
            return f"{int(seconds // size_s)} {unit}" + (f" {rest} {below}" if rest else "")
    return f"{seconds:.0f} s"


def _of_agents(before: Mapping[str, AgentShown], agents: Sequence[AgentShown]) -> Iterator[Told]:
    for agent in agents:
        old = before.get(agent["name"])
        phase, attempt_before = (old["phase"], old["attempt"]) if old else (AgentPhase.WAITING, 0)
        if (phase, attempt_before) == (agent["phase"], agent["attempt"]):
            continue
        is_at_work, is_same = agent["phase"] == AgentPhase.RUNNING, agent["attempt"] == attempt_before
        begins = is_at_work and agent["attempt"] <= 1 and phase in _QUIET_PHASES
        goes_on = is_at_work and is_same and phase == AgentPhase.WAITING  # it stayed meanwhile
        if begins or goes_on or agent["phase"] in _QUIET_PHASES:
            continue  # its task tells
        attempt = f" (attempt {agent['attempt']})" if agent["attempt"] > 1 else ""
        reason = reason_of(agent)
        shown = f": {_short(reason)}" if reason else ""
        yield f"agent {agent['name']} {agent['phase']}{attempt}{shown}", {"agent": agent}


def _of_waiting(before: Sequence[AgentShown], after: Sequence[AgentShown]) -> Iterator[Told]:
    """Yield what agents wait for on their way to another machine: once for all that wait for the same."""
    known = {agent.get("where") for agent in before}
    waiting = dict[str, list[str]]()
    for agent in after:
        where = agent.get("where") or ""
        if where.startswith(_WAITS) and where not in known:
            waiting.setdefault(where, []).append(agent["name"])
    for where, names in waiting.items():
        who = counted(len(names), "agent") if len(names) > 1 else f"agent {names[0]}"
        yield f"{who} [{_short(where)}]", None


def reason_of(agent: AgentShown) -> str | None:
    """Say why an agent is not simply at work, where that is more than its phase says."""
    reason = agent["reason"] if agent["phase"] in _EXPLAINED else None
    return None if reason in (agent["phase"], "parked") else reason


def _of_tasks(before: Mapping[str, TaskShown], tasks: Sequence[TaskShown]) -> Iterator[Told]:
    for task in tasks:
        old = before.get(task["id"])
        known = (old["phase"], old["run"]) if old else (TaskPhase.WAITING, task["run"])
        if known == (task["phase"], task["run"]):
            continue
        if task["phase"] in _SETTLING:
            yield f"task {task['id']} {outcome_text(task)}", {"task": task}
        elif task["phase"] not in (TaskPhase.WAITING, TaskPhase.READY):
            yield f"task {task['id']} {task['phase']} ({task['agent']})", {"task": task}


def _of_questions(before: Sequence[Question], after: Sequence[Question]) -> Iterator[Told]:
    known = {question["id"] for question in before}
    for question in after:
        if question["id"] not in known:
            text = f"question {question['id']}: {_short(str(question.get('text', '')))}"
            yield text, {"question": question}


def _of_supervisor(after: Status) -> str:
    supervisor = after["supervisor"]
    if not supervisor["alive"]:
        return "supervisor gone" + ("; agents go on" if after["counts"]["alive"] else "")
    return f"supervisor {supervisor['pid']} took over"


def _short(text: str) -> str:
    line = printable(" ".join(str(text).split()))
    return line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…"
