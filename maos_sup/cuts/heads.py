"""The heads of a tree's journals, as somebody saw them, and whether what is there now extends them.

Journals only grow, so a head that was seen once stands for ever, whoever was killed; only a rollback takes it
out of what counts, and that is on record. Where one is not there any more, something happened off the record.
Only reads.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from maos_sup.cuts.places import NOWHERE, Place
from maos_sup.cuts.take import agents_of
from state_layout.files.chain import ORIGIN, Position
from state_layout.files.journal import Reader
from state_layout.lives.attempts import list_attempts
from state_layout.paths import Tree
from state_layout.specs import read_specs


@dataclass(frozen=True, slots=True, kw_only=True)
class Heads:
    """Tells what was seen of the tree `id` at `at`. `void`: of the last rollback on record, 0 for none."""

    id: str
    at: str
    agents: Mapping[str, Place] = field(default_factory=dict)  # in the newest attempt
    earlier: Mapping[str, Sequence[Place]] = field(default_factory=dict)  # in each one before, oldest first
    void: int = 0

    def of(self, agent: str) -> list[Place]:
        """The heads of all attempts of `agent`, oldest first."""
        newest = [self.agents[agent]] if agent in self.agents else []
        return [*self.earlier.get(agent, ()), *newest]

    def to_json(self) -> dict[str, object]:
        """The heads as they are kept."""
        agents = {agent: place.to_json() for agent, place in self.agents.items()}
        earlier = {agent: [place.to_json() for place in places] for agent, places in self.earlier.items()}
        return {"id": self.id, "at": self.at, "void": self.void, "agents": agents, "earlier": earlier}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Heads:
        """Read what `to_json` gave. Raises KeyError, ValueError, TypeError or AttributeError."""
        agents = {agent: Place.from_json(place) for agent, place in value["agents"].items()}
        earlier = {
            agent: [Place.from_json(place) for place in places]
            for agent, places in value.get("earlier", {}).items()  # older versions looked at the newest only
        }
        return cls(
            id=str(value["id"]),
            at=str(value["at"]),
            void=int(value["void"]),
            agents=agents,
            earlier=earlier,
        )


def heads_of(tree: Tree, *, at: str, rewound: Mapping[str, Any] | None, before: Heads | None) -> Heads:
    """Read the heads of `tree` now; `rewound` is the last line of a rollback. Raises StorageError,
    BadInput.

    `before` makes it cheap: a journal is read from where it ended then.
    """
    specs = read_specs(tree).specs
    agents, earlier = dict[str, Place](), dict[str, Sequence[Place]]()
    for agent in agents_of(tree, specs):
        known = {place.attempt: place for place in before.of(agent)} if before is not None else {}
        places = [
            Place(attempt, *end)
            for attempt in list_attempts(tree.agent(agent))
            if (end := _end(tree, agent, attempt, known.get(attempt, NOWHERE).position)).seq
        ]
        if places:
            *earlier[agent], agents[agent] = places
    void = int(rewound["void"]) if rewound is not None else 0
    return Heads(id=specs.orchestration.id, at=at, agents=agents, earlier=earlier, void=void)


def _end(tree: Tree, agent: str, attempt: int, known: Position) -> Position:
    """Find the end of the last whole line of a journal, which somebody may be writing."""
    reader = Reader(tree.agent(agent).attempt(attempt).journal, known)
    for _ in reader.runs():
        pass
    return reader.position if not reader.is_displaced else _end(tree, agent, attempt, ORIGIN)


def missing(tree: Tree, seen: Heads) -> Iterator[str]:
    """Yield what `seen` knows and `tree` has not any more. Raises StorageError."""
    for agent in sorted({*seen.agents, *seen.earlier}):
        for place in seen.of(agent):
            journal = tree.agent(agent).attempt(place.attempt).journal
            if not Reader(journal, place.position).stands():
                yield f"{tree.shown(journal)}: line {place.seq}, which was there then, is not there now"


def added(seen: Heads, now: Heads) -> int:
    """Count the lines that were added; below 0 where a rollback took more than was added."""
    return sum(
        place.seq - (seen.agents[agent].seq if agent in seen.agents else 0)
        for agent, place in now.agents.items()
    )
