"""The moments between two cuts of one line of work: one after each journal line, each of them consistent.

The lines of all agents are put in an order in which nobody knows of what its author has not done yet; so
the team after any number of them is a moment that could have been. Only reads.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from maos_sup.cuts.difference import words_of
from maos_sup.cuts.places import NOWHERE, Place, lines_up_to
from maos_sup.cuts.record import AgentCut, TeamCut
from state_layout.errors import BadInput
from state_layout.files.chain import Line
from state_layout.paths import Tree


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryStep:
    """A step is one journal line of one agent, and what it shares with others."""

    agent: str
    place: Place
    at: str  # UTC, for people and to break ties
    words: str
    sent: Mapping[str, int] = field(default_factory=dict)  # by recipient: the highest number
    marks: Mapping[str, int] = field(default_factory=dict)  # by "<box>/<sender>"
    phases: Mapping[str, str] = field(default_factory=dict)  # by task


class Past:
    """A past is all lines that lead to the cut `bad` of `tree`. Raises Damaged, StorageError."""

    def __init__(self, tree: Tree, bad: TeamCut) -> None:
        self._bad = bad
        self._lines = {
            agent: [_step(agent, attempt, line) for attempt, line in lines_up_to(tree, agent, each.place)]
            for agent, each in bad.agents.items()
        }
        self._ends = {
            agent: {(step.place.seq, step.place.h) for step in steps} for agent, steps in self._lines.items()
        }

    def holds(self, cut: TeamCut) -> bool:
        """The `cut` lies on the way to `bad`."""
        return all(
            not each.place.attempt or (each.place.seq, each.place.h) in self._ends.get(agent, ())
            for agent, each in cut.agents.items()
        )

    def after(self, good: TeamCut) -> list[HistoryStep]:
        """List the lines from `good` to `bad`, causes before effects. Raises BadInput if it is not on the
        way."""
        if not self.holds(good):
            raise BadInput(
                f"checkpoint {good.label} does not lie on the way to {self._bad.label}: the team was taken "
                "back between them; name one of the same future (see: maos-sup checkpoints)"
            )
        waiting = {
            agent: [step for step in steps if step.place.seq > _seq(good, agent)][::-1]
            for agent, steps in self._lines.items()
        }
        return _in_causal_order(waiting, good)


def _step(agent: str, attempt: int, line: Line) -> HistoryStep:
    entry: Mapping[str, Any] = line.fields()
    sent = dict[str, int]()
    for message in entry.get("sent", ()):
        sent[message["to"]] = max(int(message["n"]), sent.get(message["to"], 0))
    return HistoryStep(
        agent=agent,
        place=Place(attempt, *line.end),
        at=str(entry.get("at")),
        words=words_of(entry),
        sent=sent,
        marks={key: int(mark[0]) for key, mark in entry.get("received", {}).items()},
        phases={entry["task"]: str(entry["phase"])} if entry["type"] == "task" else {},
    )


def _in_causal_order(waiting: dict[str, list[HistoryStep]], good: TeamCut) -> list[HistoryStep]:
    """Order the steps of `waiting` (by agent, the last first): always the oldest that knows of nothing to
    come."""
    sent = {(agent, to): n for agent, each in good.agents.items() for to, n in each.sent.items()}
    order = list[HistoryStep]()
    while any(waiting.values()):
        heads = [steps[-1] for steps in waiting.values() if steps]
        may = [step for step in heads if _is_possible(step, sent, waiting)] or heads
        step = min(may, key=lambda each: (each.at, each.agent))
        waiting[step.agent].pop()
        for to, number in step.sent.items():
            sent[step.agent, to] = max(number, sent.get((step.agent, to), 0))
        order.append(step)
    return order


def _is_possible(
    step: HistoryStep, sent: Mapping[tuple[str, str], int], waiting: Mapping[str, list[HistoryStep]]
) -> bool:
    """All that `step` has read is sent, or will never be: then nothing is known of its sender."""
    for key, mark in step.marks.items():
        box, _, sender = key.partition("/")
        if sender != step.agent and waiting.get(sender) and sent.get((sender, box), 0) < mark:
            return False
    return True


def cut_after(good: TeamCut, bad: TeamCut, steps: list[HistoryStep]) -> TeamCut:
    """Make the moment after `steps`, the first lines that follow `good`; specs are those of `good`."""
    places = {agent: _place(good, agent) for agent in bad.agents}
    sent: dict[str, dict[str, int]] = defaultdict(dict)
    tasks: dict[str, dict[str, str]] = defaultdict(dict)
    for agent, each in good.agents.items():
        sent[agent], tasks[agent] = dict(each.sent), dict(each.tasks)
    for step in steps:
        places[step.agent] = step.place
        sent[step.agent] |= step.sent
        tasks[step.agent] |= step.phases
    agents = {
        agent: AgentCut(place=place, kind=bad.agents[agent].kind, sent=sent[agent], tasks=tasks[agent])
        for agent, place in places.items()
    }
    return replace(good, agents=agents, people=bad.people, name=None, at=steps[-1].at if steps else good.at)


def _place(cut: TeamCut, agent: str) -> Place:
    return cut.agents[agent].place if agent in cut.agents else NOWHERE


def _seq(cut: TeamCut, agent: str) -> int:
    return _place(cut, agent).seq
