"""Says which rows belong to which orchestration. Pure.

Only the columns `agents` and `batches` say so, and a crashed orchestration has no row at all: what no other
claims is its. Names of checkpoints (`auto-<8 of its id>-<time>`) tell that there were several, and when.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from maos_sup.incoming.maos.database import MaosDatabase, Row
from maos_sup.incoming.maos.values import json_of, text_of, time_of, words_in
from maos_sup.incoming.tally import Tally

UNCLAIMED = "unclaimed"
_AUTO_SAVE = re.compile(r"auto-([0-9a-f]{8})-\d{6}")
_BARE = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)
_SAVE_EVERY = timedelta(seconds=30)
_ENDED = frozenset({"completed", "failed", "cancelled", "error", "stopped", "partial"})


@dataclass(slots=True, kw_only=True)
class MaosOrchestration:
    """One orchestration of MAOS, with all rows that are its."""

    id: str  # whole, or the 8 characters that a checkpoint tells, or `unclaimed`
    row: Row | None  # None: it crashed before it wrote one
    agents: dict[str, Row] = field(default_factory=dict)
    tasks: dict[str, list[Row]] = field(default_factory=dict)  # by agent
    sessions: dict[str, list[Row]] = field(default_factory=dict)  # by agent
    checkpoints: list[Row] = field(default_factory=list)
    batches: list[list[str]] = field(default_factory=list)  # of agents

    @property
    def is_over(self) -> bool:
        """MAOS came to its end, so what is unfinished stays so."""
        return self.row is not None and text_of(self.row, "status") in _ENDED

    @property
    def created(self) -> datetime | None:
        """Find the time of its beginning, told by agents first, for their times do not depend on a zone."""
        told = [agent.get("created_at") for agent in self.agents.values()]
        told += [] if self.row is None else [self.row.get("created_at")]
        return next((when for each in told if (when := time_of(each)) is not None), None)


def orchestrations_in(database: MaosDatabase, tally: Tally) -> list[MaosOrchestration]:
    """List all orchestrations, the oldest first; `tally` is told of what belongs to none."""
    agents = {text_of(row, "id"): row for row in database.rows("agents")}
    checkpoints = [*database.rows("checkpoints")]
    found = [_claimed(row, agents, tally) for row in database.rows("orchestrations")]
    taken = {agent for each in found for agent in each.agents}
    rest = {id_: row for id_, row in agents.items() if id_ not in taken}
    found += _crashed(rest, checkpoints, {each.id[:8] for each in found})
    owners = {agent: each for each in found for agent in each.agents}
    _give_tasks(database.rows("tasks"), owners, tally)
    for row in database.rows("sessions"):
        agent = text_of(row, "agent_id")
        if agent in owners:
            owners[agent].sessions.setdefault(agent, []).append(row)
        else:
            tally.leave_out("sessions", "of an agent that the database does not have")
    _give_checkpoints(checkpoints, found, tally)
    return found


def chosen(found: Sequence[MaosOrchestration], wanted: str) -> list[MaosOrchestration]:
    """Those whose id begins with `wanted`; all of them for an id that is given whole."""
    return [each for each in found if each.id == wanted] or [
        each for each in found if wanted and each.id.startswith(wanted)
    ]


def _claimed(row: Row, agents: dict[str, Row], tally: Tally) -> MaosOrchestration:
    """Collect what a row of `orchestrations` claims. An agent belongs to who claims it first."""
    told = json_of(row, "batches")
    batches = [words_in(batch) for batch in told] if isinstance(told, list) else []
    names = dict.fromkeys([*words_in(json_of(row, "agents")), *(name for batch in batches for name in batch)])
    made = MaosOrchestration(id=text_of(row, "id"), row=row, batches=batches)
    for name in names:
        if name in agents:
            made.agents[name] = agents[name]
        else:
            tally.leave_out("agents", "an orchestration names them and the database does not have them")
    return made


def _crashed(rest: dict[str, Row], checkpoints: Iterable[Row], known: set[str]) -> list[MaosOrchestration]:
    """The orchestrations that have no row: one for each id that a checkpoint tells, else one for all."""
    if not rest:
        return []
    saved: dict[str, list[datetime]] = {}
    for row in checkpoints:
        told, when = _AUTO_SAVE.fullmatch(text_of(row, "name")), time_of(row.get("created_at"))
        if told and when and told[1] not in known:
            saved.setdefault(told[1], []).append(when)
    made = {
        id_: MaosOrchestration(id=id_, row=None) for id_ in sorted(saved, key=lambda id_: min(saved[id_]))
    }
    if not made:
        return [MaosOrchestration(id=UNCLAIMED, row=None, agents=rest)]
    for id_, row in rest.items():
        when = time_of(row.get("created_at"))
        near = next(iter(made)) if when is None else min(made, key=lambda each: _distance(when, saved[each]))
        made[near].agents[id_] = row
    return [each for each in made.values() if each.agents]


def _distance(when: datetime, saves: list[datetime]) -> timedelta:
    """Measure how far `when` is from the time in which an orchestration with these saves was alive."""
    begin, end = min(saves) - _SAVE_EVERY, max(saves) + _SAVE_EVERY
    return max(begin - when, when - end, timedelta(0))


def _give_tasks(rows: Iterable[Row], owners: dict[str, MaosOrchestration], tally: Tally) -> None:
    """Give each task to its agent. The decomposer of 0.8.9 left copies that nobody ever worked on."""
    for row in rows:
        id_ = text_of(row, "id")
        assigned = words_in(json_of(row, "assigned_agents"))
        known = [agent for agent in (*assigned, id_.removeprefix("task-")) if agent in owners]
        if _BARE.fullmatch(id_) and text_of(row, "status") in ("pending", ""):
            tally.leave_out("tasks", "copies that the decomposer left pending; the agents' own are taken")
        elif not known:
            tally.leave_out("tasks", "of no agent that the database has")
        else:
            owners[known[0]].tasks.setdefault(known[0], []).append(row)


def _give_checkpoints(rows: Iterable[Row], found: Sequence[MaosOrchestration], tally: Tally) -> None:
    for row in rows:
        name = text_of(row, "name")
        told = re.search(r"(?:auto-|orchestration_)([0-9a-f]{8})", name)
        agent = name.removeprefix("Auto-save for ")
        for each in found:
            if agent in each.agents or (told and each.id.startswith(told[1])):
                each.checkpoints.append(row)
                break
        else:
            tally.leave_out("checkpoints", "of no orchestration that the database has")
