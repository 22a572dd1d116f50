"""Writes a team that MAOS had as a tree: specs, one life of each agent, mail, and all its rows as they were.

Lines tell the times of MAOS. An agent with nothing left to do counts as having read its mail; the others find
it unread, since MAOS never noted what was delivered: told twice is better than never.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from maos_sup.core.memory import memory_to_json, to_record
from maos_sup.core.model import Acknowledge, Finish, Memory, Submit
from maos_sup.incoming.maos.database import MaosDatabase, Row
from maos_sup.incoming.maos.grouping import MaosOrchestration
from maos_sup.incoming.maos.teams import AgentStory, TaskStory, TeamStory
from maos_sup.incoming.maos.values import at_of, text_of, time_of
from maos_sup.incoming.tally import Tally
from maos_sup.incoming.transcripts import copy_transcript
from state_layout.files import atomic, codec
from state_layout.files.journal import Journal
from state_layout.lives.attempts import Recall, begin_attempt
from state_layout.lives.exits import seal_exit
from state_layout.lives.history import History
from state_layout.mail.boxes import ALL
from state_layout.mail.inbox import Inbox
from state_layout.mail.outbox import Outbox
from state_layout.paths import Tree
from state_layout.records import ExitReason, Phase, TaskPhase
from state_layout.tree.making import create_tree

_TYPES = {
    "info": "info",
    "request": "request",
    "response": "reply",
    "discovery": "discovery",
    "coordination": "coordination",
    "error": "error",
    "broadcast": "info",
    "dependency": "coordination",
}
_KEPT = "maos"  # below spec/files: the rows as they were
_AT_ONCE = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Writing:
    """All that it takes to write one team; `tally` is told what became of its messages."""

    id: str
    database: MaosDatabase
    source: MaosOrchestration
    team: TeamStory
    project: Mapping[str, str]  # entries of the orchestration's spec
    began: datetime
    tally: Tally


class _Clock:
    """Tells the time that lines which are written now bear."""

    def __init__(self, when: datetime) -> None:
        self._when = when

    def __call__(self) -> str:
        return at_of(self._when)

    def set(self, when: datetime | None) -> None:
        """Tell `when` from now on, if it is known."""
        self._when = when or self._when


def write_team(story: Writing, root: Path) -> Tree:
    """Make the tree `root` of a team. Raises BadInput, Damaged, StorageError."""
    team = story.team
    tree = create_tree(
        root,
        orchestration={"id": story.id, "request": _for_spec(team.request), "want": "run", **story.project},
        agents={agent.name: _agent_spec(agent) for agent in team.agents},
        tasks={task.name: _task_spec(agent, task) for agent in team.agents for task in agent.tasks},
    )
    _keep_rows(tree, story)
    for agent in team.agents:
        if agent.transcript is not None:
            copy_transcript(agent.transcript, tree.agent(agent.name).session, story.tally)
        _write_life(tree, story, agent, _Clock(agent.created or story.began))
    for agent in team.agents:
        _end_life(tree, agent, _Clock(agent.created or story.began))
    _write_supervisor(tree, team, _Clock(story.began))
    return tree


def _agent_spec(agent: AgentStory) -> dict[str, object]:
    spec: dict[str, object] = {"kind": "claude", "want": "run"}
    spec |= {"role": _for_spec(agent.role)} if agent.role else {}
    return spec | ({"begins_with": agent.transcript.stem} if agent.transcript is not None else {})


def _task_spec(agent: AgentStory, task: TaskStory) -> dict[str, object]:
    spec: dict[str, object] = {"agent": agent.name, "description": _for_spec(task.description), "want": "run"}
    return spec | ({"needs": list(task.needs)} if task.needs else {})


def _for_spec(text: str) -> str:
    """`text` as a spec may have it: a zero in it could not be given to a program."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")


def _write_life(tree: Tree, story: Writing, agent: AgentStory, clock: _Clock) -> None:
    """Write the first and only life of an agent, up to where its tasks settle."""
    nothing = Recall(history=History(), pin=None, attempt=0, notes=[])
    attempt = begin_attempt(tree, agent.name, recall=nothing, settings={}, now=clock)
    journal = attempt.journal
    outbox = Outbox(tree, agent.name, attempt=attempt.number, now=clock)
    with closing(journal), closing(outbox):
        outbox.catch_up(History())
        first = agent.tasks[0] if agent.tasks else None
        if first is not None and (first.is_begun or agent.turns):
            _begin(journal, first, clock)
        for role, text, when in agent.turns:
            clock.set(when)
            told = (
                {"role": "user", "content": text} if role == "user" else {"role": "assistant", "text": text}
            )
            run = {"task": first.name, "run": 1} if first is not None else {}
            journal.record("turn", {**run, **told})
        for message in _messages(story, agent, clock):
            to = str(message["to"])
            outbox.plan(to, message)  # type: ignore[arg-type]  # a dictionary of its keys
            journal.record("sent", {"sent": [message]})  # synced with all else, before the tree is placed
            outbox.deliver([message])  # type: ignore[list-item]  # the same
        journal.sync()
        outbox.sync()


def _messages(story: Writing, agent: AgentStory, clock: _Clock) -> Iterator[dict[str, object]]:
    """Yield what the agent sent, in order; the clock tells the time of each."""
    names, tally = story.team.names, story.tally
    for row in story.database.rows("messages", "WHERE from_agent = ?", agent.id):
        to, kind = row.get("to_agent"), text_of(row, "message_type") or "info"
        if to is not None and str(to) not in names:
            tally.leave_out("messages", "to nobody of the team; kept in spec/files/maos")
            continue
        if kind in _TYPES and _TYPES[kind] == kind:
            tally.take("messages")
        else:
            tally.change("messages", f"the type {kind!r} is {_TYPES.get(kind, 'info')} here")
        clock.set(time_of(row.get("timestamp")))
        name = ALL if to is None else names[str(to)]
        yield {"to": name, "type": _TYPES.get(kind, "info"), "text": text_of(row, "message")}


def _end_life(tree: Tree, agent: AgentStory, clock: _Clock) -> None:
    """Mark mail as read where nothing is left to do, settle tasks, seal the life. All mail is there now."""
    paths = tree.agent(agent.name).attempt(1)
    with closing(Journal.open(paths.journal, now=clock)) as journal:
        marks = _marks(tree, agent.name) if agent.is_settled else {}
        cost: dict[str, object] = {"cost_usd": agent.cost_usd} if agent.cost_usd else {}
        if marks or cost:
            journal.record("received", {**({"received": marks} if marks else {}), **cost})
        for number, task in enumerate(agent.tasks):
            if number and task.is_begun:
                _begin(journal, task, clock)
            _settle(journal, task, clock)
        journal.sync()
        told = {"synced_seq": journal.synced_seq, "h": journal.position.h}
        seal_exit(tree, agent.name, 1, by="agent", reason=ExitReason.PARKED, **told)


def _write_supervisor(tree: Tree, team: TeamStory, clock: _Clock) -> None:
    """The life of the supervisor that began these attempts and saw them end, as MAOS itself did."""
    atomic.make_folder(tree.life_journal(1).parent)
    with closing(Journal.create(tree.life_journal(1), now=clock)) as journal:
        journal.record("start", {"life": 1, "pin": None, "memory": memory_to_json(Memory(), now_s=0.0)})
        for agent in team.agents:
            clock.set(agent.created)
            journal.record(*to_record(Submit(agent=agent.name, attempt=1)))
            journal.record(*to_record(Acknowledge(agent=agent.name, attempt=1, reason=ExitReason.PARKED)))
        phases = {task.phase for agent in team.agents for task in agent.tasks}
        if None not in phases:
            ended = Phase.DONE if phases <= {TaskPhase.DONE, TaskPhase.CANCELLED} else Phase.FAILED
            journal.record(*to_record(Finish(phase=ended)))
        journal.sync()


def _begin(journal: Journal, task: TaskStory, clock: _Clock) -> None:
    clock.set(task.began)
    journal.record("task", {"task": task.name, "run": 1, "phase": TaskPhase.RUNNING.value})


def _settle(journal: Journal, task: TaskStory, clock: _Clock) -> None:
    clock.set(task.ended)
    fields = {"task": task.name, "run": 1, "phase": (task.phase or TaskPhase.INTERRUPTED).value}
    told = {
        "progress": task.progress,
        "result": task.result,
        "error": task.error,
        "elapsed_s": task.elapsed_s,
    }
    if task.phase is not None or task.is_begun:
        journal.record("task", fields | {key: value for key, value in told.items() if value is not None})


def _marks(tree: Tree, agent: str) -> dict[str, list[object]]:
    """Tell how far mail goes that the agent has."""
    with closing(Inbox(tree, agent, marks={})) as inbox:
        marks: dict[str, list[object]] = {}
        while found := inbox.fetch(_AT_ONCE)[1]:
            marks |= {key: list(mark) for key, mark in found.items()}
    return marks


def _keep_rows(tree: Tree, story: Writing) -> None:
    """Put every row of the orchestration, as JSON, where its agents may read it."""
    folder, source = tree.files / _KEPT, story.source
    atomic.make_folder(folder)
    tables: dict[str, Iterable[Row]] = {
        "orchestrations": [source.row] if source.row is not None else [],
        "agents": source.agents.values(),
        "tasks": [row for rows in source.tasks.values() for row in rows],
        "sessions": [row for rows in source.sessions.values() for row in rows],
        "checkpoints": source.checkpoints,
        "messages": (
            row for row in story.database.rows("messages") if text_of(row, "from_agent") in source.agents
        ),
    }
    for table, rows in tables.items():
        lines = b"".join(codec.encode(_plain(row)) + b"\n" for row in rows)
        if lines:
            atomic.create_once(folder / f"{table}.jsonl", lines)


def _plain(row: Row) -> dict[str, object]:
    """A row with values that JSON has."""
    return {key: _plain_value(value) for key, value in row.items()}


def _plain_value(value: object) -> object:
    if isinstance(value, bytes):
        return value.hex()
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
