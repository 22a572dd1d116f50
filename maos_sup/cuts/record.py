"""A checkpoint of a team as it stands in `checkpoints/<number>.json`: written once, never changed.

It names lines, sizes and hashes, not contents: journals only grow, so what a cut holds is still in them. The
bytes of the specs, which people replace, are kept beside it by their SHA-256.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from maos_sup.cuts.places import Place
from maos_sup.cuts.traces import Sum
from state_layout.records import TaskPhase

_PHASES = frozenset(phase.value for phase in TaskPhase)


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentCut:
    """Tells where one agent stands. `settling`: why its work may be half done; None: exact."""

    place: Place
    kind: str
    settling: str | None = None
    lowered: int = 0  # lines that were already written and are not part of the cut
    sent: Mapping[str, int] = field(default_factory=dict)  # by recipient
    marks: Mapping[str, int] | None = None  # by "<box>/<sender>"; None: written by an older version
    tasks: Mapping[str, str] = field(default_factory=dict)  # phase by task

    @property
    def sum(self) -> Sum | None:
        """Sum up the agent's lines for those who would read them; None where this does not say it all."""
        is_known = _PHASES.issuperset(self.tasks.values())
        if self.marks is None or not self.place.attempt or not is_known:
            return None
        return Sum(place=self.place, sent=self.sent, marks=self.marks, tasks=self.tasks)

    def to_json(self) -> dict[str, object]:
        """Make the entry under `agents`."""
        return {
            **self.place.to_json(),
            "kind": self.kind,
            "exact": self.settling is None,
            **({"why": self.settling} if self.settling else {}),
            **({"lowered": self.lowered} if self.lowered else {}),
            "sent": dict(self.sent),
            **({} if self.marks is None else {"marks": dict(self.marks)}),
            "tasks": dict(self.tasks),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> AgentCut:
        """Read what `to_json` wrote. Raises KeyError, ValueError, TypeError or AttributeError."""
        marks = value.get("marks")
        return cls(
            place=Place.from_json(value),
            kind=str(value["kind"]),
            settling=None if value["exact"] else str(value.get("why") or "a program was writing"),
            lowered=int(value.get("lowered", 0)),
            sent={str(to): int(n) for to, n in value["sent"].items()},
            marks=None if marks is None else {str(key): int(n) for key, n in marks.items()},
            tasks={str(task): str(phase) for task, phase in value["tasks"].items()},
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TeamCut:
    """`checkpoints/<number>.json` has these keys."""

    number: int
    at: str  # UTC; for people
    by: str  # operator, supervisor, rollback
    why: str
    name: str | None = None
    pinned: bool = False  # never thinned; a named one is not either
    agents: Mapping[str, AgentCut] = field(default_factory=dict)
    in_flight: Mapping[str, int] = field(default_factory=dict)  # by "<box>/<sender>": sent, not yet read
    people: Mapping[str, tuple[int, str]] = field(default_factory=dict)  # size, sign by box
    budget: Mapping[str, tuple[int, int, str]] = field(default_factory=dict)  # [seq, offset, h] by agent
    state: Mapping[str, Mapping[str, tuple[int, int, str]]] | None = (
        None  # by scope and writer; None: unknown
    )
    cost_usd: float | None = 0.0
    tokens: int = 0
    supervisor: tuple[int, int, int, str] | None = None  # life, seq, offset, h
    specs: Mapping[str, str] = field(default_factory=dict)  # SHA-256 by path in spec/
    output: Mapping[str, int] = field(default_factory=dict)  # size in bytes by path in the tree
    notes: tuple[str, ...] = ()  # what is not part of it, and why

    @property
    def places(self) -> dict[str, Place]:
        """Give the place of each agent."""
        return {name: agent.place for name, agent in self.agents.items()}

    @property
    def label(self) -> str:
        """Name the cut as people are shown it: `7 before-refactor`."""
        return f"{self.number} {self.name}" if self.name else str(self.number)

    @property
    def is_kept(self) -> bool:
        """The cut is kept for ever, whatever the rule of keeping says."""
        return self.pinned or self.name is not None

    @property
    def is_exact(self) -> bool:
        """Nobody was in the middle of something that no record describes."""
        return all(agent.settling is None for agent in self.agents.values())

    def to_json(self) -> dict[str, object]:
        """Make the whole file."""
        return {
            "number": self.number,
            "name": self.name,
            "pinned": self.pinned,
            "at": self.at,
            "by": self.by,
            "why": self.why,
            "agents": {name: agent.to_json() for name, agent in self.agents.items()},
            "in_flight": dict(self.in_flight),
            "people": {box: list(mark) for box, mark in self.people.items()},
            "budget": {name: list(end) for name, end in self.budget.items()},
            **({} if self.state is None else {"state": _listed(self.state)}),
            "cost_usd": self.cost_usd,
            "tokens": self.tokens,
            "supervisor": list(self.supervisor) if self.supervisor else None,
            "specs": dict(self.specs),
            "output": dict(self.output),
            "notes": list(self.notes),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> TeamCut:
        """Read what `to_json` wrote. Raises KeyError, ValueError, TypeError or AttributeError."""
        life = value.get("supervisor")
        return cls(
            number=int(value["number"]),
            name=value.get("name"),
            pinned=bool(value.get("pinned")),
            at=str(value["at"]),
            by=str(value["by"]),
            why=str(value["why"]),
            agents={name: AgentCut.from_json(agent) for name, agent in value["agents"].items()},
            in_flight={key: int(count) for key, count in value["in_flight"].items()},
            people={box: (int(size), str(sign)) for box, (size, sign) in value["people"].items()},
            budget={name: (int(s), int(o), str(h)) for name, (s, o, h) in value["budget"].items()},
            state=_ends(value["state"]) if "state" in value else None,
            cost_usd=value.get("cost_usd"),
            tokens=int(value.get("tokens", 0)),
            supervisor=(int(life[0]), int(life[1]), int(life[2]), str(life[3])) if life else None,
            specs={rel: str(digest) for rel, digest in value["specs"].items()},
            output={path: int(size) for path, size in value.get("output", {}).items()},
            notes=tuple(map(str, value.get("notes", ()))),
        )


def _listed(state: Mapping[str, Mapping[str, tuple[int, int, str]]]) -> dict[str, dict[str, list[Any]]]:
    return {scope: {who: list(end) for who, end in ends.items()} for scope, ends in state.items()}


def _ends(value: Mapping[str, Any]) -> dict[str, dict[str, tuple[int, int, str]]]:
    return {
        scope: {who: (int(seq), int(offset), str(h)) for who, (seq, offset, h) in ends.items()}
        for scope, ends in value.items()
    }
