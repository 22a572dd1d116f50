"""Snapshots: `status.json` of agents and of the supervisor, `exit.json`. Only the type checker imports this.

A reader gets any key or none: what is not in form is left out (`lives.snapshots`); older builds wrote less.
"""

from __future__ import annotations

from typing import Any, TypedDict

from state_layout.records.attempt_lines import Answered, Question


class ChangedFiles(TypedDict):
    """An agent has changed these files of the project in its worktree; at most 500 `paths`."""

    branch: str
    files: int
    added: int  # lines
    removed: int
    paths: list[str]


class TaskSnapshot(TypedDict, total=False):
    """A task in an agent's snapshot has the fields of `TaskOutcome`."""

    phase: str
    run: int
    attempts: int
    progress: float | None
    result: Any
    result_is_in_journal: bool  # `result` is too long for a snapshot
    error: str | None
    exit_code: int | None
    signal: int | None
    elapsed_s: float


class AgentSnapshot(TypedDict, total=False):
    """`agents/<agent>/status.json` has these keys."""

    agent: str
    kind: str
    attempt: int
    seq: int  # of the last line of its journal that is in it
    at: str
    phase: str
    reason: str | None
    task: str | None
    run: int | None
    progress: float | None
    note: str | None
    tasks: dict[str, TaskSnapshot]
    sent: int
    received: int
    marks: dict[str, int]
    mail_marks: dict[str, list[Any]]
    answers: list[Answered]
    questions: list[Question]
    discoveries: int
    last_discovery: str | None
    artifacts: list[str]
    cost_usd: float
    tokens: int
    gains: int
    figures: dict[str, float]  # what is counted from the journal: the rows of `lives/figures.py` by key
    changed: ChangedFiles | None


class SupervisedAgent(TypedDict, total=False):
    """An agent in the supervisor's snapshot has these keys."""

    phase: str
    attempt: int
    restarts: int
    reason: str | None
    next_start_in_s: float | None
    where: str


class SupervisedTask(TypedDict, total=False):
    """A task in the supervisor's snapshot has these keys; `reason` if the supervisor gave it up."""

    phase: str
    run: int
    reason: str | None


class SpecFault(TypedDict, total=False):
    """A fault is something wrong in `spec/`."""

    path: str
    line: int | None
    key: str | None
    text: str


class SupervisorSnapshot(TypedDict, total=False):
    """`supervisor/status.json` has these keys."""

    phase: str
    life: int
    at: str
    agents: dict[str, SupervisedAgent]
    tasks: dict[str, SupervisedTask]
    specs: dict[str, str]
    spec_errors: list[SpecFault]
    notes: list[str]


class ExitSnapshot(TypedDict, total=False):
    """`exit.json` of an attempt has these keys."""

    attempt: int
    at: str
    by: str
    reason: str
    task: str | None
    exit_code: int | None
    signal: int | None
    detail: str | None
    synced_seq: int | None
    h: str
