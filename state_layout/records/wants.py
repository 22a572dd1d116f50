"""Says what people want: the specs.

Readers of spec files validate first (`state_layout.specs`), so these trust what they get. Free settings of
users stay dictionaries.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from msgspec import Struct, convert, field
from msgspec.structs import replace

from state_layout.records.by_name import known_fields

SWAP, MERGE = "swap", "merge"  # where the memory of an agent at rest goes
LOCAL = "local"  # the launcher that starts agents on the supervisor's own machine


class Want(StrEnum):
    """A want says what a person wants of an orchestration, an agent or a task."""

    RUN = "run"
    PAUSE = "pause"
    STOP = "stop"
    CANCEL = "cancel"  # tasks
    SKIP = "skip"  # tasks


class Limits(Struct, frozen=True, kw_only=True):
    """Bounds; an agent may override `timeout_s`, `hang_s` and `stop_grace_s`."""

    timeout_s: float = 600.0  # per task and attempt
    max_agents: int = 16  # processes at once
    on_failure: str = "continue"  # or "stop"
    hang_s: float = 30.0  # without a beat
    stop_grace_s: float = 5.0  # between TERM and KILL
    max_spawned_agents: int | None = None  # that agents may add, all together
    max_spawned_tasks: int | None = None


class Intervals(Struct, frozen=True, kw_only=True):
    """The intervals say how often things are done."""

    save_s: float = 1.0  # longest time raw output stays unsynced
    checkpoint_s: float = 120.0
    beat_s: float = 1.0
    tick_s: float = 1.0  # rescan of the supervisor
    lease_s: float = 20.0  # how long an agent on another machine may be cut off before it gives up
    rest_s: float = 60.0  # with nothing to do, until an agent gives its memory back; 0: never
    at_rest: str = SWAP  # what becomes of that memory
    linger_s: float = 0.0  # an agent stays, while its tasks wait for those of others; 0: it ends
    sync: str = "line"  # what agents did is durable before they say so (`line`), or in a moment (`group`)


class Budget(Struct, frozen=True, kw_only=True):
    """A budget is a pair of caps; None is no cap."""

    max_cost_usd: float | None = None
    max_tokens: int | None = None


class Channels(Struct, frozen=True, kw_only=True):
    """The channels are how people are told what wants them; any number of ways. URLs may be `$NAME` of a
    variable."""

    command: tuple[str, ...] = ()  # argv
    desktop: bool = False
    ntfy: str | None = None
    webhook: str | None = None
    bell: bool = False

    @classmethod
    def of(cls, value: Mapping[str, Any]) -> Channels:
        """As it stands in the spec, which was checked."""
        known = {key: item for key, item in value.items() if key in cls.__struct_fields__}
        return cls(**{**known, "command": tuple(known.get("command") or ())})


class Telemetry(Struct, frozen=True, kw_only=True):
    """The telemetry says where spans are sent while agents work; None: as OpenTelemetry's usual variables
    say."""

    endpoint: str | None = None  # a URL, or `$NAME` of a variable
    headers_from: Mapping[str, str] = field(default_factory=dict)  # by header, the variable that holds it
    service: str | None = None
    resource: Mapping[str, str] = field(default_factory=dict)
    names: str | None = None  # the version of the GenAI conventions
    content: bool | None = None  # also what models and tools said


class Keep(Struct, frozen=True, kw_only=True):
    """These numbers say which checkpoints that nobody named or pinned are kept: the newest of each counts."""

    last: int = 20
    hourly: int = 24
    daily: int = 14


class Workspace(Struct, frozen=True, kw_only=True):
    """A workspace is what an agent works on: the project itself (`shared`), or what is its own alone."""

    workspace: str = "shared"  # or "worktree", "clone", "own"
    base: str = "HEAD"  # or "working-tree", or a revision
    setup: tuple[str, ...] = ()  # lines for /bin/sh, run once
    carry: tuple[str, ...] = ()  # files that git does not know, taken along
    copy_limit_mib: int = 1024  # of a project that is copied whole (`own`)

    @classmethod
    def of(cls, *values: Mapping[str, Any]) -> Workspace:
        """Take key by key what the first of `values` (an agent, then its orchestration) that says it says."""
        told = {
            key: value[key] for value in reversed(values) for key in cls.__struct_fields__ if key in value
        }
        lists = {key: tuple(item) for key, item in told.items() if isinstance(item, list)}
        return cls(**{**told, **lists})


class Placement(Struct, frozen=True, kw_only=True):
    """An agent needs this of the machine that its launcher finds for it; None: what is usual there."""

    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    cpus: int | None = None
    mem_gib: float | None = None
    gpus: int | None = None
    time: str | None = None  # as Slurm writes it: 90, 1:30:00, 2-12:00
    features: str | None = None  # of its node, as Slurm joins them: bigmem&ssd
    array: bool | None = None  # who wants the same is submitted together, as one job array

    @classmethod
    def of(cls, *values: Mapping[str, object]) -> Placement:
        """Take key by key what the first of `values` (an agent, then its orchestration) that says it says."""
        told = {key: item for value in reversed(values) for key, item in value.items()}
        return convert(known_fields(cls, told), cls)


class Land(Struct, frozen=True, kw_only=True):
    """Landing joins what agents did: by `land`, and at the end of a watched run if `when` is `done`."""

    check: str | None = None  # a line for /bin/sh that each merge must pass
    onto: str | None = None  # a branch; None: the one that is checked out
    squash: bool = False
    when: str = "asked"  # or "done"


class Restart(Struct, frozen=True, kw_only=True):
    """A restart is an exponential back-off with full jitter, at most `max` within `window_s`, and at most
    `max_without_progress` in a row."""

    max: int = 5
    window_s: float = 60.0
    backoff_s: float = 0.5
    backoff_max_s: float = 30.0
    max_without_progress: int | None = None  # None: 10, or `max` if that is more

    @property
    def most_fruitless(self) -> int:
        """As many restarts in a row may gain nothing."""
        return max(10, self.max) if self.max_without_progress is None else self.max_without_progress


class OrchestrationSpec(Struct, frozen=True, kw_only=True):
    """`spec/orchestration.json` is read into this."""

    id: str
    request: str
    want: Want = Want.RUN
    project: str | None = None  # relative to the tree
    project_name: str | None = None
    limits: Limits = Limits()
    intervals: Intervals = Intervals()
    budget: Budget = Budget()
    notify: Channels = field(default_factory=lambda: Channels())
    otel: Telemetry | None = None  # None: no spans are sent
    keep: Keep = Keep()
    workspace: Mapping[str, object] = field(default_factory=dict)  # defaults of `Workspace` for all agents
    land: Land = Land()
    hooks: tuple[dict[str, object], ...] = ()  # of changes of shared state, as `scopes.hooks` reads them
    launcher: str = LOCAL  # of all agents that name none
    place: Mapping[str, object] = field(default_factory=dict)  # defaults of `Placement` for all agents

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> OrchestrationSpec:
        return cls(
            id=value["id"],
            request=value["request"],
            want=Want(value.get("want", "run")),
            project=value.get("project"),
            project_name=value.get("project_name"),
            limits=Limits(**known_fields(Limits, value.get("limits"))),
            intervals=Intervals(**known_fields(Intervals, value.get("intervals"))),
            budget=Budget(**known_fields(Budget, value.get("budget"))),
            notify=Channels.of(value.get("notify") or {}),
            otel=Telemetry(**known_fields(Telemetry, value["otel"]))
            if value.get("otel") is not None
            else None,
            keep=Keep(**known_fields(Keep, value.get("keep"))),
            workspace=known_fields(Workspace, value),
            land=Land(**known_fields(Land, value.get("land"))),
            hooks=tuple(value.get("hooks") or ()),
            launcher=value.get("launcher", LOCAL),
            place=value.get("place") or {},
        )


class AgentSpec(Struct, frozen=True, kw_only=True):
    """`spec/agents/<agent>.json` is read into this; `settings` are the keys that belong to the kind."""

    name: str
    kind: str
    role: str = ""
    want: Want = Want.RUN
    cwd: str | None = None  # "project" or "workspace"
    env: dict[str, str] = field(default_factory=dict)
    env_from: dict[str, str] = field(default_factory=dict)  # by its name, the name outside
    restart: Restart = Restart()
    limits: Mapping[str, object] = field(default_factory=dict)  # overrides of Limits
    keywords: tuple[str, ...] = ("discovery", "found", "result", "error")
    on_uncertain: str = "retry"  # or "raise", "ask"
    state: dict[str, list[str]] = field(default_factory=dict)  # scopes granted, by read and write
    workspace: Mapping[str, object] = field(default_factory=dict)  # what is said of `Workspace`
    budget_with: tuple[str, ...] = ()  # agents whose spending counts against this one's own budget as well
    budget_of: str | None = None  # the agent whose budget is in force for this one
    launcher: str | None = None  # None: the orchestration's
    place: Mapping[str, object] = field(default_factory=dict)  # what is said of `Placement`
    settings: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def from_json(cls, name: str, value: Mapping[str, Any]) -> AgentSpec:
        own = {
            *Workspace.__struct_fields__,
            *("kind", "role", "want", "cwd", "env", "env_from"),
            *("restart", "limits", "keywords", "on_uncertain", "state", "budget_with", "budget_of"),
            *("launcher", "place"),
        }
        return cls(
            name=name,
            kind=value["kind"],
            role=value.get("role", ""),
            want=Want(value.get("want", "run")),
            cwd=value.get("cwd"),
            env=value.get("env") or {},
            env_from=value.get("env_from") or {},
            restart=Restart(**known_fields(Restart, value.get("restart"))),
            limits=value.get("limits") or {},
            keywords=tuple(value.get("keywords", ("discovery", "found", "result", "error"))),
            on_uncertain=value.get("on_uncertain", "retry"),
            state=value.get("state") or {},
            workspace=known_fields(Workspace, value),
            budget_with=tuple(value.get("budget_with") or ()),
            budget_of=value.get("budget_of"),
            launcher=value.get("launcher"),
            place=value.get("place") or {},
            settings={key: item for key, item in value.items() if key not in own},
        )

    def limits_in_force(self, common: Limits) -> Limits:
        """Put this agent's own limits in the place of the orchestration's."""
        return replace(common, **known_fields(Limits, self.limits)) if self.limits else common


class TaskSpec(Struct, frozen=True, kw_only=True):
    """`spec/tasks/<task>.json` is read into this."""

    id: str
    agent: str
    description: str = ""
    needs: tuple[str, ...] = ()
    any_of: tuple[str, ...] = ()  # of `needs`: that one of these is done and all have ended is enough
    want: Want = Want.RUN
    run: int = 1
    timeout_s: float | None = None  # the agent's limit otherwise
    order: int | None = None  # its place in the plan; nothing depends on it
    settings: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def from_json(cls, id_: str, value: Mapping[str, Any]) -> TaskSpec:
        own = {"agent", "description", "needs", "any_of", "want", "run", "timeout_s", "order"}
        return cls(
            id=id_,
            agent=value["agent"],
            description=value.get("description", ""),
            needs=tuple(value.get("needs") or ()),
            any_of=tuple(value.get("any_of") or ()),
            want=Want(value.get("want", "run")),
            run=value.get("run", 1),
            timeout_s=value.get("timeout_s"),
            order=value.get("order"),
            settings={key: item for key, item in value.items() if key not in own},
        )


class Specs(Struct, frozen=True, kw_only=True):
    """The specs are all that is wanted, as in force: the last good version of every file."""

    orchestration: OrchestrationSpec
    agents: dict[str, AgentSpec]
    tasks: dict[str, TaskSpec]
    refused: tuple[
        str, ...
    ] = ()  # tasks whose files are there and were never good: wanted, and not in `tasks`

    def launcher_of(self, agent: str) -> str:
        """Name the launcher that starts `agent`."""
        return self.agents[agent].launcher or self.orchestration.launcher

    def place_of(self, agent: str) -> Placement:
        """Say what `agent` needs of its machine."""
        return Placement.of(self.agents[agent].place, self.orchestration.place)
