"""Says what an orchestration of MAOS is in our words: specs of a team, and how far each task had come. Pure.

MAOS ran Claude Code for every agent, so all are of kind `claude`. What was not finished when MAOS itself came
to its end has failed here, so that nobody pays for it unasked; what a crash cut off is left to do.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from maos_sup.incoming.maos.database import Row
from maos_sup.incoming.maos.grouping import MaosOrchestration
from maos_sup.incoming.maos.values import is_unreadable, json_of, number_of, text_of, time_of, words_in
from maos_sup.incoming.tally import Tally
from state_layout.records import TaskPhase

_RESERVED = frozenset({"all", "operator", "supervisor"})
_LONGEST_NAME = 60
_PHASES = {
    "completed": TaskPhase.DONE,
    "done": TaskPhase.DONE,
    "success": TaskPhase.DONE,
    "failed": TaskPhase.FAILED,
    "error": TaskPhase.FAILED,
    "timeout": TaskPhase.FAILED,
    "cancelled": TaskPhase.CANCELLED,
}
_BEGUN = frozenset({"in_progress", "running", "active", "started"})
NO_END = "MAOS noted no end of it; maos-sup retry runs it again"


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskStory:
    """A story is one task, and what MAOS noted of it. `phase` is None where it is left to do."""

    name: str
    description: str
    phase: TaskPhase | None
    is_begun: bool
    result: Any = None
    error: str | None = None
    progress: float | None = None
    began: datetime | None = None
    ended: datetime | None = None
    needs: tuple[str, ...] = ()

    @property
    def elapsed_s(self) -> float | None:
        """Give the seconds that the task took, None where they are not known."""
        if self.began is None or self.ended is None:
            return None
        return max(0.0, (self.ended - self.began).total_seconds())


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentStory:
    """One agent with its tasks, what was said, and what it cost."""

    id: str  # in the database
    name: str
    role: str
    created: datetime | None
    tasks: tuple[TaskStory, ...]
    turns: tuple[tuple[str, str, datetime | None], ...]  # role, text, when
    cost_usd: float
    transcript: Path | None  # of its session of Claude Code, if that is here

    @property
    def is_settled(self) -> bool:
        """Nothing is left for the agent to do."""
        return all(task.phase is not None for task in self.tasks)


@dataclass(frozen=True, slots=True, kw_only=True)
class TeamStory:
    """A story is one orchestration, ready to be written."""

    id: str  # in the database
    request: str
    created: datetime | None
    agents: tuple[AgentStory, ...]

    @property
    def names(self) -> dict[str, str]:
        """Our names by the ids of the database."""
        return {agent.id: agent.name for agent in self.agents}


def team_of(
    source: MaosOrchestration, tally: Tally, *, find: Callable[[str], Path | None] = lambda session: None
) -> TeamStory:
    """The team that `source` was; `tally` is told what became of each row.

    `find` knows where the transcript of a session of Claude Code lies.
    """
    names = _names(source.agents)
    taken = set[str]()
    stories = {id_: _tasks_of(source, id_, names[id_], taken, tally) for id_ in source.agents}
    _link(source, stories)
    agents = [
        replace(
            _agent(source, id_, names[id_], stories[id_], tally),
            transcript=_conversation(source.agents[id_], find, tally),
        )
        for id_ in source.agents
    ]
    if source.row is None:
        tally.change(
            "orchestrations", "it crashed before MAOS noted it: its agents are those that no other claims"
        )
        request = next((task.description for each in stories.values() for task in each), "") or source.id
        request = f"Go on with what MAOS left unfinished: {request}" if request else source.id
    else:
        tally.take("orchestrations")
        request = text_of(source.row, "request")
        _judge_total(source, agents, tally)
    tally.leave_out(
        "checkpoints",
        "MAOS saved no conversation in them; moments of the team are found from journals here",
        len(source.checkpoints),
    )
    return TeamStory(id=source.id, request=request or source.id, created=source.created, agents=tuple(agents))


def _agent(
    source: MaosOrchestration, id_: str, name: str, tasks: list[TaskStory], tally: Tally
) -> AgentStory:
    row = source.agents[id_]
    for column in ("capabilities", "metadata"):
        if is_unreadable(row, column):
            tally.change(f"agents.{column}", "is no JSON; left out of the role, kept in spec/files/maos")
    if name == id_:
        tally.take("agents")
    else:
        tally.change("agents", "another name: ours are of a-z 0-9 _ -, and each is there once")
    turns, cost_usd = [], 0.0
    sessions = source.sessions.get(id_, [])
    for session in sessions:
        turns += _turns(session, tally)
        cost_usd += number_of(session, "total_cost")
    tally.take("sessions", len(sessions))
    return AgentStory(
        id=id_,
        name=name,
        role=_role(row),
        created=time_of(row.get("created_at")) or source.created,
        tasks=tuple(tasks),
        turns=tuple(turns),
        cost_usd=cost_usd,
        transcript=None,
    )


def _conversation(row: Row, find: Callable[[str], Path | None], tally: Tally) -> Path | None:
    """The transcript of the session in which Claude Code was this agent: new tasks begin as forks of it."""
    session = text_of(row, "session_id")
    if not session:
        return None
    found = find(session)
    if found is None:
        tally.leave_out("conversations", "Claude Code had them, and its session is not on this machine")
    else:
        tally.change("conversations", "copied from Claude Code; each new task begins as a fork of it")
    return found


def _role(row: Row) -> str:
    kind, capabilities = text_of(row, "type") or text_of(row, "name"), words_in(json_of(row, "capabilities"))
    skills = f"You are good at: {', '.join(capabilities)}." if capabilities else ""
    return "\n".join(part for part in (f"You are the {kind}." if kind else "", skills) if part)


def _turns(session: Row, tally: Tally) -> list[tuple[str, str, datetime | None]]:
    """Read the conversation of a session. The time of a `result` is a random id, so it has none."""
    told = json_of(session, "conversation_history")
    if is_unreadable(session, "conversation_history") or not isinstance(told, list | None):
        tally.leave_out("turns", "the conversation is no JSON; kept in spec/files/maos")
        return []
    turns, seen = list[tuple[str, str, datetime | None]](), time_of(session.get("created_at"))
    for turn in told or ():
        if not isinstance(turn, dict) or not turn.get("content"):
            tally.leave_out("turns", "without words")
            continue
        content = turn["content"] if isinstance(turn["content"], str) else str(turn["content"])
        when = time_of(turn.get("timestamp"))
        if when is None:
            tally.change("turns", "without a time of their own: that of the turn before")
        else:
            tally.take("turns")
        seen = when or seen
        turns.append((str(turn.get("role") or "assistant"), content, seen))
    return turns


def _tasks_of(
    source: MaosOrchestration, id_: str, name: str, taken: set[str], tally: Tally
) -> list[TaskStory]:
    """List the tasks of one agent; where it has none, the one that its row or its session tells."""
    rows = source.tasks.get(id_, [])
    if rows:
        return [_task(source, row, _free(name, taken), tally) for row in rows]
    told = json_of(source.agents[id_], "metadata")
    text = told.get("task") if isinstance(told, dict) else None
    sessions = source.sessions.get(id_, [])
    text = text or next((text_of(each, "task") for each in sessions if each.get("task")), None)
    if not isinstance(text, str) or not text.strip():
        return []
    tally.change("tasks", "the agent has no row in tasks: the work that its own row or its session names")
    is_done = bool(source.agents[id_].get("session_id"))  # written when Claude Code came to its end
    phase = TaskPhase.DONE if is_done else TaskPhase.FAILED if source.is_over else None
    error = NO_END if phase is TaskPhase.FAILED else None
    return [TaskStory(name=_free(name, taken), description=text, phase=phase, is_begun=is_done, error=error)]


def _task(source: MaosOrchestration, row: Row, name: str, tally: Tally) -> TaskStory:
    status = text_of(row, "status")
    phase = _PHASES.get(status)
    result, error = _result(row)
    if phase is TaskPhase.DONE and error is not None:
        phase = TaskPhase.FAILED
    if phase is None and source.is_over:
        phase, error = TaskPhase.FAILED, NO_END
        tally.change("tasks", "never finished, and MAOS came to its end: failed; maos-sup retry runs them")
    elif phase is None:
        tally.change("tasks", "cut off by a crash: left to do, resume runs them")
    elif is_unreadable(row, "result"):
        tally.change("tasks", "the result is no JSON: its bytes are the result")
    elif len(words_in(json_of(row, "assigned_agents"))) > 1:
        tally.change("tasks", "of several agents: the first of them has it")
    elif status in ("completed", "failed", "cancelled"):
        tally.take("tasks")
    else:
        tally.change("tasks", f"the status {status!r} is {phase.value} here")
    began = time_of(row.get("started_at")) or time_of(row.get("created_at"))
    return TaskStory(
        name=name,
        description=text_of(row, "description"),
        phase=phase,
        is_begun=phase is not None or status in _BEGUN,
        result=result if phase is TaskPhase.DONE else None,
        error=error or (_words(result) or "MAOS noted no reason" if phase is TaskPhase.FAILED else None),
        progress=_progress(row),
        began=began,
        ended=time_of(row.get("completed_at")) if phase is not None else None,
    )


def _result(row: Row) -> tuple[Any, str | None]:
    """The result of a task, and its error where the result itself says that it failed."""
    told = json_of(row, "result")
    if told is None:
        return text_of(row, "result") or None, None
    if not isinstance(told, dict):
        return told, None
    words = told.get("output") or told.get("error")
    if told.get("success") is False:
        return told, _words(words) or "MAOS noted no reason"
    return (words if isinstance(words, str) and told.keys() <= {"success", "output", "error"} else told), None


def _words(value: Any) -> str:
    return value if isinstance(value, str) else "" if value is None else str(value)


def _progress(row: Row) -> float | None:
    """The share that is done: MAOS counts to 1, and to 100 in places."""
    value = number_of(row, "progress")
    share = value / 100 if value > 1 else value
    return min(1.0, max(0.0, share)) or None


def _link(source: MaosOrchestration, stories: dict[str, list[TaskStory]]) -> None:
    """Have tasks of each batch need those of the batch before, but none be blocked by one that failed."""
    before: tuple[TaskStory, ...] = ()
    for batch in source.batches:
        known = [agent for agent in batch if agent in stories]
        for agent in known:
            stories[agent] = [_needing(task, before) for task in stories[agent]]
        before = tuple(task for agent in known for task in stories[agent]) or before


def _needing(task: TaskStory, before: Iterable[TaskStory]) -> TaskStory:
    kept = [each.name for each in before if task.phase is not None or each.phase in (None, TaskPhase.DONE)]
    return replace(task, needs=tuple(kept))


def _names(ids: Iterable[str]) -> dict[str, str]:
    """Choose a name for each agent that FORMAT.md allows: its id where that is one."""
    taken = set[str]()
    return {id_: _free(id_, taken) for id_ in ids}


def _free(wanted: str, taken: set[str]) -> str:
    """`wanted` with the signs that a name may have, once only; it is taken from now on."""
    plain = re.sub(r"[^a-z0-9_-]+", "-", wanted.lower()).strip("-_")[:_LONGEST_NAME] or "agent"
    name, number = (f"{plain}-agent" if plain in _RESERVED else plain), 1
    while name in taken:
        number += 1
        name = f"{plain[: _LONGEST_NAME - 4]}-{number}"
    taken.add(name)
    return name


def _judge_total(source: MaosOrchestration, agents: Iterable[AgentStory], tally: Tally) -> None:
    """Say so where the orchestration cost more than its sessions say: nobody knows whose it was."""
    told, found = number_of(source.row or {}, "total_cost"), sum(agent.cost_usd for agent in agents)
    if abs(told - found) >= 0.0001:
        tally.change("costs", f"MAOS noted {told:.4f} USD in all, its sessions {found:.4f}: these are taken")
