"""Work out a rollback: where each agent goes, what that takes along, and what cannot be taken back.

Only reads. What is shown here before is what is journaled and carried out after, so nobody agrees to one
thing and gets another.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from maos_sup.core.cuts import Trace, consistent_cut
from maos_sup.cuts.difference import Redact, as_it_is
from maos_sup.cuts.places import NOWHERE, Place, place_of, runs_after
from maos_sup.cuts.record import TeamCut
from maos_sup.cuts.rewind import AgentMove, Rewind, agent_moves, mail_moves, next_void, sent_by, spec_moves
from maos_sup.cuts.shared import StateMove, last_lines, moves_back, moves_to
from maos_sup.cuts.store import digests_of
from maos_sup.cuts.take import agents_of, needs_of, team_reader
from maos_sup.cuts.traces import Moment, TeamReader, is_mail_box
from state_layout.errors import BadInput
from state_layout.files import codec
from state_layout.files.chain import Run
from state_layout.mail.boxes import OPERATOR
from state_layout.paths import Tree
from state_layout.records import AgentSpec
from state_layout.scopes.people import files_by_hand
from state_layout.specs import read_specs
from state_layout.specs.kinds import begins_anew

_LONGEST_SHOWN = 72
_AT_ONCE = 64  # lines decoded together
_COUNTED = frozenset({"step", "turn"})
_NEW_SESSION = "the session of its program: a new one begins, which is told what is on record"


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentLoss:
    """Counts what goes back with one agent, and names what stays done outside of the tree."""

    lines: int
    counts: Mapping[str, int] = field(default_factory=dict)  # step, turn, message, discovery
    reopened: tuple[str, ...] = ()  # tasks that had ended and have not now
    outside: tuple[str, ...] = ()  # calls and programs whose effects stay
    is_there: bool = False  # nothing came after where it goes but lives that began


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """Tells what a rollback does, before it is done."""

    cut: TeamCut
    plan: Rewind
    losses: Mapping[str, AgentLoss]
    dragged: Mapping[str, int]  # agents that were not asked for and go back as well: by lines
    people: int  # mail files of people from which words are set aside
    cost_usd: float  # spent since, and not given back
    tokens: int

    @property
    def is_empty(self) -> bool:
        """Nothing would change, but that lives which did nothing would not have begun."""
        is_there = all(loss.is_there for loss in self.losses.values())
        return is_there and not (self.plan.mail or self.plan.state or self.plan.specs)


def preview_rollback(
    tree: Tree,
    cut: TeamCut,
    *,
    only: Collection[str] = (),
    reader: TeamReader | None = None,
    redact: Redact = as_it_is,
) -> Preview:
    """Work out what going back to `cut` does, for all agents or `only` these and whom they drag along.

    What is shortened goes through `redact` before. `reader` is one that was used before: that makes it cheap.
    Raises BadInput for an agent that is not there or whose journals are damaged, StorageError.
    """
    read = read_specs(tree)
    reader = reader or team_reader(tree)
    agents, needs = agents_of(tree, read.specs), needs_of(read.specs)
    moment = TeamReader(tree).whole_moment(agents, needs) if only else reader.moment(agents, needs)
    _refuse(moment, cut, only)
    targets = _targets(tree, moment, cut, only)
    sent = {agent: dict(_sent_at(moment.traces[agent], place)) for agent, place in targets.items()}
    sent |= {agent: numbers for agent, numbers in sent_by(cut).items() if _is_at(cut, agent, targets)}
    moves = agent_moves(tree, moment, targets)
    plan = Rewind(
        void=next_void(tree, moment.ends),
        cut=cut.number,
        back=0,
        agents=moves,
        mail=tuple(mail_moves(tree, sent, None if only else cut.people)),
        state=tuple(_state_moves(tree, moment, cut, targets, is_all=not only)),
        specs={} if only else spec_moves(digests_of(read.raw | _by_hand(tree, cut)), cut.specs),
        next_seq=_next_numbers(moment),
    )
    spent = reader.beside.spent()
    return Preview(
        cut=cut,
        plan=plan,
        losses={
            agent: _loss(tree, move, is_new=_begins_anew(read.specs.agents.get(agent)), redact=redact)
            for agent, move in sorted(moves.items())
        },
        dragged={
            agent: move.before.seq - move.to.seq
            for agent, move in moves.items()
            if only and agent not in only
        },
        people=sum(move.sender == OPERATOR for move in plan.mail),
        cost_usd=max(0.0, (spent.cost_usd or 0.0) - (cut.cost_usd or 0.0)),
        tokens=max(0, spent.tokens - cut.tokens),
    )


def _refuse(moment: Moment, cut: TeamCut, only: Collection[str]) -> None:
    if moment.damaged:
        raise BadInput(
            *(f"{why} (nothing can be taken back before that)" for _, why in sorted(moment.damaged.items()))
        )
    unknown = sorted(set(only) - moment.ends.keys())
    if unknown:
        known = ", ".join(sorted(cut.agents)) or "none"
        raise BadInput(f"agent {unknown[0]!r} is not there; checkpoint {cut.label} holds: {known}")


def _targets(tree: Tree, moment: Moment, cut: TeamCut, only: Collection[str]) -> dict[str, Place]:
    """Find the place that each agent goes to."""
    wanted = {agent: cut.agents[agent].place if agent in cut.agents else NOWHERE for agent in moment.ends}
    if not only:
        return wanted
    traces = {
        agent: replace(trace, end=wanted[agent].seq) if agent in only else trace
        for agent, trace in moment.traces.items()
    }
    found = consistent_cut(traces, needs={})
    targets = dict(moment.ends)
    for agent, seq in found.ends.items():
        if agent in only:
            targets[agent] = wanted[agent] if seq == wanted[agent].seq else place_of(tree, agent, seq)
        elif agent in found.lowered:
            targets[agent] = place_of(tree, agent, seq)
    return targets


def _is_at(cut: TeamCut, agent: str, targets: Mapping[str, Place]) -> bool:
    return agent in cut.agents and targets.get(agent) == cut.agents[agent].place


def _by_hand(tree: Tree, cut: TeamCut) -> dict[str, bytes]:
    """Read what people wrote for shared state; a cut of an older build says nothing of it."""
    return {} if cut.state is None else files_by_hand(tree)


def _state_moves(
    tree: Tree, moment: Moment, cut: TeamCut, targets: Mapping[str, Place], *, is_all: bool
) -> Iterator[StateMove]:
    """Yield what becomes of the files of shared state; a cut of an older build says nothing of them."""
    if cut.state is None:
        return
    if is_all:
        yield from moves_to(tree, cut.state)
        return
    moved = {agent for agent, place in targets.items() if place != moment.ends[agent]}
    at_cut = frozenset(agent for agent in moved if _is_at(cut, agent, targets))
    yield from moves_to(tree, cut.state, only=at_cut)
    yield from moves_back(tree, last_lines(moment, {agent: targets[agent].seq for agent in moved - at_cut}))


def _sent_at(trace: Trace, place: Place) -> Iterator[tuple[str, int]]:
    for to, steps in trace.sent.items():
        if is_mail_box(to):
            yield to, max((number for line, number in steps if line <= place.seq), default=0)


def _next_numbers(moment: Moment) -> dict[str, dict[str, int]]:
    """By sender and recipient the first number that was never given: void messages keep theirs."""
    return {
        agent: {to: steps[-1][1] + 1 for to, steps in trace.sent.items() if steps and is_mail_box(to)}
        for agent, trace in moment.traces.items()
    }


def _begins_anew(spec: AgentSpec | None) -> bool:
    """The agent's program cannot go back, and begins a session anew."""
    return spec is not None and begins_anew(spec.kind, spec.settings)


def _loss(tree: Tree, move: AgentMove, *, is_new: bool, redact: Redact) -> AgentLoss:
    """Count what stands in the lines between where the agent goes and where it is, if it goes back in its own
    line of attempts; from another one nothing is lost that was not shown before.
    """
    counts, reopened = Counter[str](), list[str]()
    outside = [_NEW_SESSION] if is_new else list[str]()
    runs, lines, starts = runs_after(tree, move.agent, move.to), 0, 0
    for entry in _entries(runs or ()):
        lines += 1
        starts += entry["type"] == "start"
        if entry["type"] in _COUNTED:
            counts[entry["type"]] += 1
        for message in entry.get("sent", ()):
            counts["discovery" if message.get("type") == "discovery" else "message"] += 1
        if entry["type"] == "task" and entry.get("phase") in ("done", "failed", "cancelled"):
            reopened.append(entry["task"])
        outside += _outside(entry, redact)
    return AgentLoss(
        lines=lines,
        counts=dict(counts),
        reopened=tuple(dict.fromkeys(reopened)),
        outside=tuple(outside),
        is_there=runs is not None and lines == starts,
    )


def _entries(runs: Iterable[tuple[int, Run]]) -> Iterator[Mapping[str, Any]]:
    for _, run in runs:
        for start in range(0, len(run.raws), _AT_ONCE):
            yield from codec.decode_objects(run.raws[start : start + _AT_ONCE])


def _outside(entry: Mapping[str, Any], redact: Redact) -> Iterator[str]:
    """Yield what the line says was done to the world outside of the records."""
    match entry["type"]:
        case "tool_call":
            yield f"{entry.get('name')} {_shortened(redact(entry.get('input')))}".strip()
        case "task" if entry.get("phase") == "running":
            yield f"work on task {entry['task']} (files it wrote stay)"
        case "artifact":
            yield f"artifact {entry.get('path')}"


def _shortened(value: object) -> str:
    text = "" if value is None else str(value)
    return text if len(text) <= _LONGEST_SHOWN else text[: _LONGEST_SHOWN - 3] + "..."
