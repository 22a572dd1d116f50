"""Says what a resume would go on from: shown before it happens, and by `checkpoint`."""

from __future__ import annotations

from typing import TYPE_CHECKING, NotRequired, TypedDict

from maos_sup.views.events import counted
from maos_sup.views.render import age_text, one_line, percent
from maos_sup.views.status import status_of
from state_layout.errors import LayoutError
from state_layout.lives.attempts import recall
from state_layout.lives.checkpoints import read_checkpoints
from state_layout.lives.history import History
from state_layout.mail import count_undelivered, read_messages
from state_layout.mail.boxes import OPERATOR
from state_layout.paths import Tree
from state_layout.records import TaskPhase, Want

if TYPE_CHECKING:
    from maos_sup.views.shapes import AgentShown, TaskShown
    from state_layout.records.snapshots import SpecFault


class AgentResumed(TypedDict):
    """Tells what one agent goes on from."""

    name: str
    pid: int | None
    want: str
    attempt: int
    seq: int
    checkpoint_seq: int
    task: str | None
    progress: float | None
    steps: int
    has_saved: bool
    left: int
    undelivered: int
    notes: list[str]


class Resumption(TypedDict):
    """Tells what a resume would go on from."""

    id: str
    request: str
    directory: str
    phase: str
    want: str
    created_at: str | None
    supervised: bool
    tasks: int
    tasks_done: list[str]
    tasks_failed: list[str]
    tasks_left: int
    messages: int
    messages_of_people: int
    undelivered: int
    agents: list[AgentResumed]
    notes: list[str]
    spec_errors: list[SpecFault]
    lacks: NotRequired[list[str]]  # what agents need that this host has not: said by `resume`


def resumption_of(tree: Tree) -> Resumption:
    """Request, age, tasks done and left, messages, and what each agent goes on from. Reads all journals."""
    status = status_of(tree)
    agents = [_agent(tree, agent, status["tasks"]) for agent in status["agents"]]
    counts, messages = status["counts"], read_messages(tree)
    return {
        "id": status["id"],
        "request": status["request"],
        "directory": status["directory"],
        "phase": str(status["phase"]),
        "want": str(status["want"]),
        "created_at": status["created_at"],
        "supervised": status["supervisor"]["alive"],
        "tasks": counts["tasks"],
        "tasks_done": [
            task["id"] for task in status["tasks"] if task["phase"] in (TaskPhase.DONE, TaskPhase.SKIPPED)
        ],
        "tasks_failed": [task["id"] for task in status["tasks"] if task["phase"] == TaskPhase.FAILED],
        "tasks_left": counts["tasks_left"],
        "messages": len(messages),
        "messages_of_people": sum(message.sender == OPERATOR for message in messages),
        "undelivered": sum(agent["undelivered"] for agent in agents if agent["left"]),
        "agents": agents,
        "notes": status["notes"],
        "spec_errors": status["spec_errors"],
    }


def resumption_lines(resumption: Resumption) -> list[str]:
    """Tell a resumption to people."""
    done = len(resumption["tasks_done"])
    failed = f", {len(resumption['tasks_failed'])} failed" if resumption["tasks_failed"] else ""
    lines = [
        f"{resumption['id']}  {resumption['phase']}, {age_text(resumption['created_at'])} old",
        one_line(resumption["request"]),
        f"  tasks: {done} of {resumption['tasks']} done, {resumption['tasks_left']} left{failed}",
        f"  messages: {_messages(resumption)}{_undelivered(resumption)}",
    ]
    at_work = [agent for agent in resumption["agents"] if agent["left"] or agent["pid"] is not None]
    lines += [f"  {agent['name']}: {_from(agent)}" for agent in at_work]
    if finished := len(resumption["agents"]) - len(at_work):
        lines.append(f"  {'1 agent has' if finished == 1 else f'{finished} agents have'} nothing left to do")
    lines += [f"  spec error: {error['text']}" for error in resumption["spec_errors"]]
    return lines + [f"  note: {note}" for note in resumption["notes"]]


def _messages(resumption: Resumption) -> str:
    """All that `messages` shows; what agents sent is what `status` counts."""
    total, of_people = resumption["messages"], resumption["messages_of_people"]
    return f"{total - of_people} sent by agents" + (f", {of_people} by people" if of_people else "")


def _undelivered(resumption: Resumption) -> str:
    """Say what agents with work left have not read; to the others nobody will deliver anything."""
    return f", {resumption['undelivered']} unread" if resumption["tasks_left"] else ""


def _agent(tree: Tree, agent: AgentShown, tasks: list[TaskShown]) -> AgentResumed:
    name = agent["name"]
    history, notes = _history(tree, name)
    current = next(
        (
            task
            for task in tasks
            if task["agent"] == name
            and task["phase"] in (TaskPhase.RUNNING, TaskPhase.INTERRUPTED, TaskPhase.ASKING)
        ),
        None,
    )
    return {
        "name": name,
        "pid": agent["pid"],
        "want": str(agent["want"]),
        "attempt": agent["attempt"],
        "seq": history.seq,
        "checkpoint_seq": _checkpoint_seq(tree, name, agent["attempt"]),
        "task": current["id"] if current else None,
        "progress": history.progress if current else None,
        "steps": len(history.steps.get(f"{current['id']}#{current['run']}", {})) if current else 0,
        "has_saved": history.saved is not None,
        "left": sum(
            task["agent"] == name
            and task["phase"] not in (TaskPhase.DONE, TaskPhase.SKIPPED, TaskPhase.FAILED)
            for task in tasks
        ),
        "undelivered": count_undelivered(tree, name, marks=history.marks),
        "notes": notes,
    }


def _history(tree: Tree, name: str) -> tuple[History, list[str]]:
    try:
        found = recall(tree, name)
    except LayoutError as error:
        return History(), [str(error)]
    return found.history, list(found.notes)


def _checkpoint_seq(tree: Tree, name: str, attempt: int) -> int:
    """The line that the newest checkpoint of the last attempts covers; 0 without one."""
    for number in range(attempt, max(0, attempt - 5), -1):
        try:
            if found := read_checkpoints(tree.agent(name).attempt(number)):
                return found[0].history.seq
        except LayoutError:
            continue
    return 0


def _from(agent: AgentResumed) -> str:
    """Say in words where one agent goes on."""
    if agent["pid"] is not None:
        return f"runs on (pid {agent['pid']}, attempt {agent['attempt']})"
    if agent["want"] != Want.RUN:
        return f"stays as it is: {agent['want']} is wanted (maos-sup start ID --agent {agent['name']})"
    waiting = agent["undelivered"]
    verb = "waits" if waiting == 1 else "wait"
    undelivered = f", {counted(waiting, 'message')} {verb} for it" if waiting else ""
    if agent["task"] is None:
        begun = f"after attempt {agent['attempt']}" if agent["attempt"] else "from the beginning"
        return f"begins its next task {begun}{undelivered}"
    at = f" at {percent(agent['progress'])}" if agent["progress"] is not None else ""
    steps = f", {counted(agent['steps'], 'step')} recorded" if agent["steps"] else ""
    saved = ", from what its program saved" if agent["has_saved"] else ""
    where = f"task {agent['task']}{at} after attempt {agent['attempt']}, journal line {agent['seq']}"
    return f"{where}{steps}{saved}{undelivered}"
