"""What is persisted, as types: the specs, the snapshots, messages. Shapes and units are those of FORMAT.md.

Pure: no file is touched here. Each record has `from_json` where it is read; readers of spec files validate
first (`state_layout.specs`), so these trust what they get. Free settings of users stay dictionaries.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any


class Want(StrEnum):
    """What a person wants of an orchestration, an agent or a task."""

    RUN = "run"
    PAUSE = "pause"
    STOP = "stop"
    CANCEL = "cancel"  # tasks
    SKIP = "skip"  # tasks


class TaskPhase(StrEnum):
    """Where a task stands. The first five are derived, the others are recorded outcomes or work under way."""

    WAITING = "waiting"  # a need is not done yet
    READY = "ready"
    PAUSED = "paused"  # wanted so, not begun
    BLOCKED = "blocked"  # a need failed or was cancelled
    SKIPPED = "skipped"
    RUNNING = "running"
    ASKING = "asking"
    INTERRUPTED = "interrupted"  # its attempt ended, it will go on
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


class AgentPhase(StrEnum):
    """Where an agent stands, as `status` shows it."""

    WAITING = "waiting"  # no process: none of its tasks is ready
    QUEUED = "queued"  # no process: a task is ready, no slot is free
    STARTING = "starting"
    RUNNING = "running"
    SLOW = "slow"  # beats, without progress for long
    HUNG = "hung"  # no beat
    BACKOFF = "backoff"  # died, will be restarted
    PARKED = "parked"  # the process ended: nothing ready
    PAUSED = "paused"
    ASKING = "asking"
    STOPPED = "stopped"
    FAILED = "failed"  # given up
    DONE = "done"  # all its tasks are settled


class Phase(StrEnum):
    """Where an orchestration stands."""

    RUNNING = "running"
    PAUSED = "paused"
    STOPPED = "stopped"
    DONE = "done"
    FAILED = "failed"
    INTERRUPTED = "interrupted"  # wanted to run, no supervisor alive


class ExitReason(StrEnum):
    """How a life of an agent ended (`exit.json`)."""

    PARKED = "parked"
    PAUSED = "paused"
    ASKING = "asking"
    STOPPED = "stopped"
    FAILED = "failed"
    DISK_FULL = "disk_full"
    DAMAGED = "damaged"
    POISONED = "poisoned"
    LOST = "lost"


SETTLED = frozenset({TaskPhase.DONE, TaskPhase.FAILED, TaskPhase.CANCELLED})
CALM_EXITS = frozenset({ExitReason.PARKED, ExitReason.PAUSED, ExitReason.ASKING, ExitReason.STOPPED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds; an agent may override `timeout_s`, `hang_s` and `stop_grace_s`."""

    timeout_s: float = 600.0  # per task and attempt
    max_agents: int = 16  # processes at once
    on_failure: str = "continue"  # or "stop"
    hang_s: float = 30.0  # without a beat
    stop_grace_s: float = 5.0  # between TERM and KILL
    max_spawned_agents: int | None = None  # that agents may add, all together
    max_spawned_tasks: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Intervals:
    """How often things are done."""

    save_s: float = 1.0  # longest time raw output stays unsynced
    checkpoint_s: float = 120.0
    beat_s: float = 1.0
    tick_s: float = 1.0  # rescan of the supervisor


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """Caps; None is no cap."""

    max_cost_usd: float | None = None
    max_tokens: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Channels:
    """How people are told what wants them; any number of ways. URLs may be `$NAME` of a variable."""

    command: tuple[str, ...] = ()  # argv
    desktop: bool = False
    ntfy: str | None = None
    webhook: str | None = None
    bell: bool = False

    @classmethod
    def of(cls, value: Mapping[str, Any]) -> Channels:
        """As it stands in the spec, which was checked."""
        known = {key: item for key, item in value.items() if key in cls.__dataclass_fields__}
        return cls(**{**known, "command": tuple(known.get("command") or ())})


@dataclass(frozen=True, slots=True, kw_only=True)
class Keep:
    """Which of the checkpoints that nobody named or pinned are kept: the newest of each is what counts."""

    last: int = 20
    hourly: int = 24
    daily: int = 14


@dataclass(frozen=True, slots=True, kw_only=True)
class Workspace:
    """On what an agent works: the project itself (`shared`), or a worktree of its own."""

    workspace: str = "shared"  # or "worktree"
    base: str = "HEAD"  # or "working-tree", or a revision
    setup: tuple[str, ...] = ()  # lines for /bin/sh, run once
    carry: tuple[str, ...] = ()  # files that git does not know, taken along

    @classmethod
    def of(cls, *values: Mapping[str, Any]) -> Workspace:
        """What the first of `values` (an agent, then its orchestration) that says it says, key by key."""
        told = {
            key: value[key] for value in reversed(values) for key in cls.__dataclass_fields__ if key in value
        }
        lists = {key: tuple(item) for key, item in told.items() if isinstance(item, list)}
        return cls(**{**told, **lists})


@dataclass(frozen=True, slots=True, kw_only=True)
class Land:
    """How what agents did is put together: `land`, and at the end of a watched run if `when` is `done`."""

    check: str | None = None  # a line for /bin/sh that each merge must pass
    onto: str | None = None  # a branch; None: the one that is checked out
    squash: bool = False
    when: str = "asked"  # or "done"


@dataclass(frozen=True, slots=True, kw_only=True)
class Restart:
    """Restart policy: exponential back-off with full jitter, at most `max` within `window_s`, and at most
    `max_without_progress` in a row."""

    max: int = 5
    window_s: float = 60.0
    backoff_s: float = 0.5
    backoff_max_s: float = 30.0
    max_without_progress: int | None = None  # None: 10, or `max` if that is more

    @property
    def most_fruitless(self) -> int:
        """How many restarts in a row may gain nothing."""
        return max(10, self.max) if self.max_without_progress is None else self.max_without_progress


@dataclass(frozen=True, slots=True, kw_only=True)
class OrchestrationSpec:
    """`spec/orchestration.json`."""

    id: str
    request: str
    want: Want = Want.RUN
    project: str | None = None  # relative to the tree
    project_name: str | None = None
    limits: Limits = Limits()
    intervals: Intervals = Intervals()
    budget: Budget = Budget()
    notify: Channels = field(default_factory=lambda: Channels())
    keep: Keep = Keep()
    workspace: dict[str, Any] = field(default_factory=dict)  # defaults of `Workspace` for all agents
    land: Land = Land()
    hooks: tuple[dict[str, Any], ...] = ()  # of changes of shared state, as `scopes.hooks` reads them

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> OrchestrationSpec:
        return cls(
            id=value["id"],
            request=value["request"],
            want=Want(value.get("want", "run")),
            project=value.get("project"),
            project_name=value.get("project_name"),
            limits=Limits(**_known(Limits, value.get("limits"))),
            intervals=Intervals(**_known(Intervals, value.get("intervals"))),
            budget=Budget(**_known(Budget, value.get("budget"))),
            notify=Channels.of(value.get("notify") or {}),
            keep=Keep(**_known(Keep, value.get("keep"))),
            workspace=_known(Workspace, value),
            land=Land(**_known(Land, value.get("land"))),
            hooks=tuple(value.get("hooks") or ()),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentSpec:
    """`spec/agents/<agent>.json`; `settings` are the keys that belong to the kind."""

    name: str
    kind: str
    role: str = ""
    want: Want = Want.RUN
    cwd: str | None = None  # "project" or "workspace"
    env: dict[str, str] = field(default_factory=dict)
    env_from: dict[str, str] = field(default_factory=dict)  # by its name, the name outside
    restart: Restart = Restart()
    limits: dict[str, Any] = field(default_factory=dict)  # overrides of Limits
    keywords: tuple[str, ...] = ("discovery", "found", "result", "error")
    on_uncertain: str = "retry"  # or "raise", "ask"
    state: dict[str, list[str]] = field(default_factory=dict)  # scopes granted, by read and write
    workspace: dict[str, Any] = field(default_factory=dict)  # what is said of `Workspace`
    settings: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def from_json(cls, name: str, value: dict[str, Any]) -> AgentSpec:
        own = {
            *Workspace.__dataclass_fields__,
            *("kind", "role", "want", "cwd", "env", "env_from"),
            *("restart", "limits", "keywords", "on_uncertain", "state"),
        }
        return cls(
            name=name,
            kind=value["kind"],
            role=value.get("role", ""),
            want=Want(value.get("want", "run")),
            cwd=value.get("cwd"),
            env=value.get("env") or {},
            env_from=value.get("env_from") or {},
            restart=Restart(**_known(Restart, value.get("restart"))),
            limits=value.get("limits") or {},
            keywords=tuple(value.get("keywords", ("discovery", "found", "result", "error"))),
            on_uncertain=value.get("on_uncertain", "retry"),
            state=value.get("state") or {},
            workspace=_known(Workspace, value),
            settings={key: item for key, item in value.items() if key not in own},
        )

    def limits_in_force(self, common: Limits) -> Limits:
        """The orchestration's limits with this agent's own in their place."""
        return replace(common, **_known(Limits, self.limits)) if self.limits else common


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskSpec:
    """`spec/tasks/<task>.json`."""

    id: str
    agent: str
    description: str = ""
    needs: tuple[str, ...] = ()
    want: Want = Want.RUN
    run: int = 1
    timeout_s: float | None = None  # the agent's limit otherwise
    order: int | None = None  # its place in the plan; nothing depends on it
    settings: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def from_json(cls, id_: str, value: dict[str, Any]) -> TaskSpec:
        own = {"agent", "description", "needs", "want", "run", "timeout_s", "order"}
        return cls(
            id=id_,
            agent=value["agent"],
            description=value.get("description", ""),
            needs=tuple(value.get("needs") or ()),
            want=Want(value.get("want", "run")),
            run=value.get("run", 1),
            timeout_s=value.get("timeout_s"),
            order=value.get("order"),
            settings={key: item for key, item in value.items() if key not in own},
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Specs:
    """All that is wanted, as in force: the last good version of every file."""

    orchestration: OrchestrationSpec
    agents: dict[str, AgentSpec]
    tasks: dict[str, TaskSpec]
    refused: tuple[
        str, ...
    ] = ()  # tasks whose files are there and were never good: wanted, and not in `tasks`


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskOutcome:
    """Where a task stands in an agent's records (journal `task`, `status.json`)."""

    phase: TaskPhase
    run: int = 1
    attempts: int = 0
    progress: float | None = None
    result: Any = None
    error: str | None = None
    exit_code: int | None = None
    signal: int | None = None
    elapsed_s: float = 0.0

    def __post_init__(self) -> None:
        """Raises TypeError: it is made of what anybody may have written, and compared and shown by many."""
        counts = (self.run, self.attempts, self.exit_code or 0, self.signal or 0)
        amounts = (self.elapsed_s, self.progress or 0.0)
        if not all(type(count) is int for count in counts):
            raise TypeError("run, attempts, exit_code and signal are whole numbers")
        if not all(type(amount) in (int, float) and math.isfinite(amount) for amount in amounts):
            raise TypeError("elapsed_s and progress are numbers")
        if not isinstance(self.error, str | None):
            raise TypeError("error is text")

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> TaskOutcome:
        """Raises ValueError, KeyError or TypeError for what is no outcome."""
        return cls(**{**_known(cls, value), "phase": TaskPhase(value["phase"])})


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message, as its reader gets it."""

    sender: str
    to: str
    seq: int
    type: str = "info"
    text: str | None = None
    body: Any = None
    reply_to: str | None = None
    at: str = ""

    @property
    def id(self) -> str:
        return f"{self.sender}/{self.to}/{self.seq}"

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Message:
        return cls(
            sender=value["from"],
            to=value["to"],
            seq=value["seq"],
            type=_text_in(value, "type") or "info",
            text=_text_in(value, "text"),
            body=value.get("body"),
            reply_to=_text_in(value, "reply_to"),
            at=_text_in(value, "at") or "",
        )


MESSAGE_TYPES = ("info", "request", "reply", "discovery", "coordination", "error")


def fields_of(record: Any) -> dict[str, Any]:
    """The fields of a record by name, their values as they are; `asdict` copies them, at tenfold cost."""
    return {name: getattr(record, name) for name in record.__dataclass_fields__}


def _text_in(value: dict[str, Any], key: str) -> str | None:
    """The text under `key`; what is none counts as not there."""
    found = value.get(key)
    return found if isinstance(found, str) else None


def _known(cls: Any, value: dict[str, Any] | None) -> dict[str, Any]:
    """The entries of `value` that `cls` has fields for: unknown keys are kept on disk, not here."""
    return {key: item for key, item in (value or {}).items() if key in cls.__dataclass_fields__}
