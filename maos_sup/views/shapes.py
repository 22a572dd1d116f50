"""Says what `status` shows, as types: the keys of `status --json`, each declared here and nowhere else.

Only the type checker imports this.
"""

from __future__ import annotations

from typing import Any, NotRequired, TypedDict

from state_layout.records import AgentPhase, Phase, TaskPhase, Want
from state_layout.records.attempt_lines import Question
from state_layout.records.snapshots import ChangedFiles, SpecFault


class BudgetShown(TypedDict):
    """The caps of an orchestration are these; None is no cap."""

    max_cost_usd: float | None
    max_tokens: int | None


class SupervisorShown(TypedDict):
    """The supervisor, as `status` shows it."""

    alive: bool
    pid: int | None
    life: int


class AgentShown(TypedDict):
    """One agent, as `status` shows it."""

    name: str
    kind: str
    role: str
    want: Want
    phase: AgentPhase
    reason: str | None
    pid: int | None
    attempt: int
    restarts: int
    where: str | None
    failed_before: str | None  # why the attempt before the living one failed, while it is at the same task
    task: str | None
    progress: float | None
    note: str | None
    last_output_at: str | None
    last_line: str | None
    messages: int
    sent: int
    received: int
    discoveries: int
    last_discovery: str | None
    artifacts: list[str]
    questions: list[Question]
    cost_usd: float
    tokens: int
    figures: dict[str, float]  # by key of `views.figures`; what is measured only where somebody asked
    changed: ChangedFiles | None


class TaskShown(TypedDict):
    """One task, as `status` shows it."""

    id: str
    agent: str
    description: str
    want: Want
    phase: TaskPhase
    run: int
    needs: list[str]
    progress: float | None
    attempts: int
    result: Any
    error: str | None
    exit_code: int | None
    signal: int | None
    elapsed_s: float


class CountsShown(TypedDict):
    """Sums over agents and tasks."""

    agents: int
    alive: int
    tasks: int
    tasks_left: int
    tasks_by_phase: dict[str, int]
    attempts: int
    messages: int
    discoveries: int
    cost_usd: float
    tokens: int


MessageShown = TypedDict(
    "MessageShown",
    {
        "seq": int,
        "at": str,
        "type": str,
        "from": str,
        "to": str,
        "text": NotRequired[str],
        "body": NotRequired[Any],
        "reply_to": NotRequired[str],
        "attempt": NotRequired[int],
    },
)


class MirrorShown(TypedDict):
    """A database that follows the tree, as its follower told last; `alive` None is unknown."""

    name: str
    url: str
    state: str | None
    alive: bool | None
    lag_bytes: int | None
    lag_s: float | None
    trouble: str | None
    at: str | None


class Subject(TypedDict, total=False):
    """Names what an event is about: one of these."""

    agent: AgentShown
    task: TaskShown
    question: Question


class SnapshotsShown(TypedDict):
    """The snapshots of files of all agents are counted, with what their contents take on the disk."""

    count: int
    bytes: int


class Status(TypedDict):
    """The status is that of an orchestration at one moment."""

    id: str
    request: str
    want: Want
    phase: Phase
    directory: str
    project: str | None
    budget: BudgetShown
    created_at: str | None
    supervisor: SupervisorShown
    agents: list[AgentShown]
    tasks: list[TaskShown]
    questions: list[Question]
    spec_errors: list[SpecFault]
    notes: list[str]
    overlaps: dict[str, list[str]]  # by path, who changed it
    mirrors: list[MirrorShown]
    counts: CountsShown
    messages: NotRequired[list[MessageShown]]  # with `status --messages`
    snapshots: NotRequired[SnapshotsShown]  # with `status`
