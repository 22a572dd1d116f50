"""Says what a plan may hold: the tables of the spec files, joined with the settings of the kinds at hand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from state_layout.shapes.shape import (
    At,
    Effect,
    Fault,
    Field,
    ListOf,
    MapOf,
    Number,
    Shape,
    Text,
    Unknown,
    wrong,
)
from state_layout.shapes.wording import closest, key_text, listed
from state_layout.specs.kinds import KindShapes
from state_layout.specs.placement import PLACEMENT
from state_layout.specs.tables import (
    AGENT,
    NAME,
    NAME_WISH,
    NOTIFY,
    ORCHESTRATION,
    TASK,
    WORKSPACE,
    name,
    orchestration_want,
)
from state_layout.specs.telemetry import OTEL

Kinds = Mapping[str, Shape]

_PLAN_AGENT = Shape(
    fields={
        **AGENT.fields,
        "task": Field(
            Text(least=1, wish="text that says what to do"),
            "one task, named after the agent",
            effect=Effect.FIXED,
            example="Count the files",
        ),
    },
    instead={
        "timeout_s": "write limits = { timeout_s = ... }",
        "timeout": "write limits = { timeout_s = ... }",
        "needs": "give the agent a [[tasks]] entry with needs instead of 'task'",
        "depends_on": "give the agent a [[tasks]] entry with needs instead of 'task'",
        "tasks": "use task = '...' for one, [[tasks]] entries for more",
        "type": "use 'kind'",
        "name": "the name is in the heading: [agents.NAME]",
        "id": "the name is in the heading: [agents.NAME]",
        "cmd": "use 'command'",
        "args": "put the arguments into 'command', after the program",
        "environment": "use 'env'",
        "retries": "write restart = { max = ... }",
    },
)
_MOST_ATTEMPTS = 16
_NOT_IN_PLANS = ("run", "order", "merge", "any_of", "attempt_of", "choose")
_PLAN_TASK = Shape(
    fields={
        "id": Field(
            name, "the name that others need it by", required=True, effect=Effect.FIXED, example="report"
        ),
        **{key: known for key, known in TASK.fields.items() if key not in _NOT_IN_PLANS},
        "attempts": Field(
            Number(least=2, most=_MOST_ATTEMPTS, whole=True),
            "by how many agents it is tried, each in a worktree from the same commit; one is taken over",
            effect=Effect.FIXED,
            example=3,
        ),
        "choose": Field(
            Text(least=1, wish="a line for /bin/sh"),
            "gives each attempt a score, the last line that it prints; the highest is taken. It runs what "
            "agents wrote, as you",
            effect=Effect.FIXED,
            example="./score.sh",
        ),
        "reviewer": Field(
            name, "the agent that chooses among the attempts", effect=Effect.FIXED, example="judge"
        ),
    },
    instead={
        "name": "use 'id'",
        "task": "use 'description'",
        "prompt": "use 'description'",
        "depends_on": "use 'needs'",
        "dependencies": "use 'needs'",
        "after": "use 'needs'",
        "timeout": "use 'timeout_s', in seconds",
        "run": "it is 1 in a new orchestration; leave it out",
        "order": "tasks are shown as they stand here; leave it out",
    },
    wish="a table {...}, in TOML under [[tasks]]",
)


@dataclass(frozen=True, slots=True)
class AgentOfKind:
    """An agent has the common keys and those of its kind."""

    kinds: Kinds
    wish: str = "a table {...}, in TOML under [agents.NAME]"
    common: Shape = _PLAN_AGENT

    def faults(self, value: object, at: At, *, unknown: Unknown) -> Iterator[Fault]:
        if not isinstance(value, dict):
            yield wrong(value, at, self.wish)
            return
        kind = value.get("kind")
        if isinstance(kind, str) and kind in self.kinds:
            yield from _PLAN_AGENT.extended(self.kinds[kind]).faults(value, at, unknown=unknown)
            return
        yield from self._kind_faults(value, (*at, "kind"))
        common = {key: item for key, item in value.items() if key in _PLAN_AGENT.fields and key != "kind"}
        yield from _optional_kind().faults(common, at, unknown=unknown)

    def schema(self) -> dict[str, object]:
        return {"oneOf": [self._schema_of(kind, shape) for kind, shape in self.kinds.items()]}

    def _schema_of(self, kind: str, shape: Shape) -> dict[str, object]:
        schema = _PLAN_AGENT.extended(shape).schema()
        schema["properties"]["kind"] = {"const": kind, "description": AGENT.fields["kind"].doc}
        return schema

    def _kind_faults(self, value: Mapping[str, object], at: At) -> Iterator[Fault]:
        known = listed(self.kinds, last="or")
        if "kind" not in value:
            yield Fault(at=at, text=f"{key_text(at)} is missing; add {known}")
        elif isinstance(self.kinds, KindShapes) and (why := self.kinds.left_out.get(str(value["kind"]))):
            yield Fault(at=at, text=f"{key_text(at)}: {why}")
        elif isinstance(kind := value["kind"], str) and (meant := closest(kind, self.kinds)):
            yield Fault(at=at, text=f"{key_text(at)} is {kind!r}, which is no kind here; {meant}")
        else:
            yield wrong(value["kind"], at, known)


def plan_shape(kinds: Kinds, *, is_addition: bool = False) -> Shape:
    """Make the shape of a plan whose agents are of these `kinds` (name -> settings); an addition needs
    none."""
    return Shape(
        fields={
            "request": Field(
                Text(least=1, wish="text that says what is wanted"),
                "what is wanted, in words",
                required=True,
                effect=Effect.NEXT_TASK,
                example="Audit this repository",
            ),
            "project": Field(
                Text(least=1, wish="the path of a folder"),
                "what the agents work on; relative to the plan",
                effect=Effect.NEXT_TASK,
                example=".",
            ),
            "want": Field(orchestration_want, "pause begins paused", default="run", effect=Effect.AT_ONCE),
            **{key: ORCHESTRATION.fields[key] for key in ("limits", "intervals", "budget")},
            "notify": Field(NOTIFY, "how to tell people", effect=Effect.AT_ONCE),
            "otel": Field(
                OTEL, "where spans for OpenTelemetry are sent while agents work", effect=Effect.AT_ONCE
            ),
            "keep": ORCHESTRATION.fields["keep"],
            "hooks": ORCHESTRATION.fields["hooks"],
            **WORKSPACE,
            **PLACEMENT,
            "land": ORCHESTRATION.fields["land"],
            "files": Field(
                ListOf(item=Text(least=1, wish="a path or pattern like lib/*.py"), unique=True),
                "files beside the plan that go into spec/files, more than those that commands name",
                effect=Effect.FIXED,
                example=["lib/*.py"],
            ),
            "agents": Field(
                MapOf(
                    value=AgentOfKind(kinds),
                    key=NAME,
                    key_wish=NAME_WISH,
                    least=0 if is_addition else 1,
                    wish="at least one agent, in TOML under [agents.NAME]",
                ),
                "the agents by name",
                required=not is_addition,
            ),
            "tasks": Field(
                ListOf(item=_PLAN_TASK, wish="a list of tasks, in TOML under [[tasks]]"),
                "what they do; agents with 'task' need none here",
            ),
        },
        instead={
            "agent": "use [agents.NAME]",
            "task": "use [[tasks]]",
            "id": "a new orchestration gets its id by itself; leave it out",
            "name": "use 'request'",
            "goal": "use 'request'",
            "prompt": "use 'request'",
            "title": "use 'request'",
            "timeout_s": "put it under [limits]",
            "timeout": "put timeout_s under [limits]",
            "max_agents": "put it under [limits]",
            "on_failure": "put it under [limits]",
            "save_s": "put it under [intervals]",
            "checkpoint_s": "put it under [intervals]",
            "save_interval": "put save_s under [intervals]",
            "workdir": "use 'project'",
            "repo": "use 'project'",
        },
        less=((("intervals", "beat_s"), ("limits", "hang_s")),),
    )


def plan_schema(kinds: Kinds) -> dict[str, object]:
    """Describe a plan as JSON Schema (draft 2020-12)."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "maos-sup plan",
        **plan_shape(kinds).schema(),
    }


def _optional_kind() -> Shape:
    """Take the common keys of an agent whose kind is already found wanting."""
    return Shape(fields={key: known for key, known in _PLAN_AGENT.fields.items() if key != "kind"})
