"""The heads of a tree's journals, as somebody saw them, and whether what is there now extends them.

Journals only grow, so a head that was seen once stands for ever, whoever was killed; only a rollback takes it
out of what counts, and that is on record. Where one is not there any more, something happened off the record.
Only reads.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from maos_sup.cuts.places import Place
from maos_sup.cuts.take import agents_of
from state_layout.files.chain import ORIGIN, Position
from state_layout.files.journal import Reader
from state_layout.lives.attempts import list_attempts
from state_layout.paths import Tree
from state_layout.specs import read_specs


@dataclass(frozen=True, slots=True, kw_only=True)
class Heads:
    """What was seen of the tree `id` at `at`. `void`: of the last rollback that was on record, 0 for none."""

    id: str
    at: str
    agents: Mapping[str, Place] = field(default_factory=dict)
    void: int = 0

    def to_json(self) -> dict[str, Any]:
        """The heads as they are kept."""
        agents = {agent: place.to_json() for agent, place in self.agents.items()}
        return {"id": self.id, "at": self.at, "void": self.void, "agents": agents}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Heads:
        """Read what `to_json` gave. Raises KeyError, ValueError, TypeError or AttributeError."""
        agents = {agent: Place.from_json(place) for agent, place in value["agents"].items()}
        return cls(id=str(value["id"]), at=str(value["at"]), void=int(value["void"]), agents=agents)


def heads_of(tree: Tree, *, at: str, rewound: Mapping[str, Any] | None, before: Heads | None) -> Heads:
    """The heads of `tree` now; `rewound` is the last line of a rollback. Raises StorageError, BadInput.

    `before` makes it cheap: a journal is read from where it ended then.
    """
    specs = read_specs(tree).specs
    agents = dict[str, Place]()
    for agent in agents_of(tree, specs):
        for attempt in reversed(list_attempts(tree.agent(agent))):
            seen = before.agents.get(agent) if before is not None else None
            known = Position(*seen[1:]) if seen is not None and seen.attempt == attempt else ORIGIN
            end = _end(tree, agent, attempt, known)
            if end.seq:
                agents[agent] = Place(attempt, *end)
                break
    void = int(rewound["void"]) if rewound is not None else 0
    return Heads(id=specs.orchestration.id, at=at, agents=agents, void=void)


def _end(tree: Tree, agent: str, attempt: int, known: Position) -> Position:
    """Where the last whole line of a journal ends, which somebody may be writing."""
    reader = Reader(tree.agent(agent).attempt(attempt).journal, known)
    for _ in reader:
        pass
    return reader.position if not reader.is_displaced else _end(tree, agent, attempt, ORIGIN)


def missing(tree: Tree, seen: Heads) -> Iterator[str]:
    """Yield what `seen` knows and `tree` has not any more. Raises StorageError."""
    for agent, place in sorted(seen.agents.items()):
        journal = tree.agent(agent).attempt(place.attempt).journal
        if not Reader(journal, Position(*place[1:])).stands():
            yield f"{tree.shown(journal)}: line {place.seq}, which was there then, is not there now"


def added(seen: Heads, now: Heads) -> int:
    """How many lines were added; below 0 where a rollback took more than was added."""
    return sum(
        place.seq - (seen.agents[agent].seq if agent in seen.agents else 0)
        for agent, place in now.agents.items()
    )
