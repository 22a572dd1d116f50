"""Take a cut of a team, living or not: read, make durable what it names, write it down.

Nothing is paused and no process is told. What a cut names is synced before the cut is written, so that
after a power cut there is no checkpoint of lines that are gone.
"""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from operator import itemgetter
from pathlib import Path

from maos_sup.core.cuts import Steps, in_flight
from maos_sup.cuts import store
from maos_sup.cuts.beside import Beside
from maos_sup.cuts.record import AgentCut, TeamCut
from maos_sup.cuts.rewind import sign_of
from maos_sup.cuts.shared import ends_at, sync_shared
from maos_sup.cuts.traces import Moment, TeamReader
from state_layout.errors import LayoutError, storage_error
from state_layout.files import atomic, disk
from state_layout.files.at_once import at_once
from state_layout.files.chain import utc_now
from state_layout.files.looking import is_dir, is_link, is_regular
from state_layout.lives.leases import is_inhabited
from state_layout.mail.boxes import OPERATOR, boxes
from state_layout.paths import Tree, is_name
from state_layout.records import Specs, TaskPhase
from state_layout.scopes.people import files_by_hand
from state_layout.specs import SpecsRead, read_specs
from state_layout.specs.kinds import traits_of


def take_cut(
    tree: Tree,
    *,
    by: str,
    why: str,
    name: str | None = None,
    pinned: bool = False,
    reader: TeamReader | None = None,
    specs: SpecsRead | None = None,
    now: Callable[[], str] = utc_now,
) -> TeamCut:
    """Take a cut of `tree` now and write it, durably. Raises StorageError, BadInput without good specs.

    `reader` is one that was used before, which makes it cheap. A name may be used twice: the newest counts.
    """
    read = specs or read_specs(tree)
    reader = reader or team_reader(tree)
    moment = reader.moment(agents_of(tree, read.specs), needs_of(read.specs))
    _make_durable(tree, moment)
    store.keep_specs(tree, [*read.raw.values(), *files_by_hand(tree).values()])
    cut = replace(_cut(tree, moment, read, reader.beside), at=now(), by=by, why=why, name=name, pinned=pinned)
    return store.write(tree, cut)


def cut_of_now(tree: Tree, *, now: Callable[[], str] = utc_now) -> TeamCut:
    """The cut that `take_cut` would write, number 0, not written. Only reads. Raises as `take_cut` does."""
    read = read_specs(tree)
    reader = team_reader(tree)
    moment = reader.moment(agents_of(tree, read.specs), needs_of(read.specs))
    return replace(_cut(tree, moment, read, reader.beside), at=now())


def _cut(tree: Tree, moment: Moment, read: SpecsRead, beside: Beside) -> TeamCut:
    spent = beside.spent()
    return TeamCut(
        number=0,
        at="",
        by="operator",
        why="now",
        agents={agent: _agent_cut(tree, agent, moment, read.specs) for agent in sorted(moment.places)},
        in_flight=in_flight(moment.traces, moment.cut.ends, readers=sorted(moment.places)),
        people=people_marks(tree),
        budget={agent: end[:3] for agent, end in beside.ends().items()},
        state=ends_at(tree, moment),
        cost_usd=spent.cost_usd,
        tokens=spent.tokens,
        supervisor=beside.supervisor_place(),
        specs=store.digests_of(read.raw | files_by_hand(tree)),
        output=dict(_output_sizes(tree, moment)),
        notes=tuple(f"{agent} is not part of it: {why}" for agent, why in sorted(moment.damaged.items())),
    )


def team_reader(tree: Tree) -> TeamReader:
    """A reader that begins where the newest checkpoint stands: what is before was read when it was taken."""
    try:
        cut = store.read(tree, max(store.numbers(tree), default=0))
        known = {agent: known for agent, each in cut.agents.items() if (known := each.sum) is not None}
    except (LayoutError, ValueError):
        known = {}
    return TeamReader(tree, known)


def agents_of(tree: Tree, specs: Specs) -> list[str]:
    """The agents that are wanted or that have left records."""
    with suppress(OSError):
        folders = {path.name for path in tree.agents.iterdir() if is_name(path.name) and is_dir(path)}
        return sorted(folders | specs.agents.keys())
    return sorted(specs.agents)


def needs_of(specs: Specs) -> dict[str, tuple[str, ...]]:
    """By task what must be settled before it begins; a task that is wanted skipped holds nothing back."""
    return {task: spec.needs for task, spec in specs.tasks.items() if spec.needs}


def people_marks(tree: Tree) -> dict[str, tuple[int, str]]:
    """By box the size of what people wrote into it, and its sign. Raises StorageError."""
    marks = dict[str, tuple[int, str]]()
    for box in boxes(tree):
        path = tree.mail_file(box, OPERATOR)
        if not is_regular(path) or is_link(path):
            continue  # nobody wrote, or something else stands there, which `check` names
        try:
            size = path.stat().st_size
        except OSError as cause:
            raise storage_error("look at", path, cause) from cause
        marks[box] = (size, sign_of(path, size))
    return marks


def _agent_cut(tree: Tree, agent: str, moment: Moment, specs: Specs) -> AgentCut:
    end = moment.cut.ends[agent]
    spec = specs.agents.get(agent)
    kind = spec.kind if spec else "unknown"
    trace = moment.traces[agent]
    return AgentCut(
        place=moment.places[agent],
        kind=kind,
        settling=_settling(tree, agent, kind, moment.tasks[agent]),
        lowered=moment.cut.lowered.get(agent, 0),
        sent={to: n for to, steps in trace.sent.items() if (n := _last(steps, end))},
        marks={key: n for key, steps in trace.marks.items() if (n := _last(steps, end))},
        tasks=moment.tasks[agent],
    )


def _last(steps: Steps, end: int) -> int:
    index = bisect_right(steps, end, key=itemgetter(0))
    return steps[index - 1][1] if index else 0


def _settling(tree: Tree, agent: str, kind: str, tasks: Mapping[str, str]) -> str | None:
    """Say why the agent's work may be half done on the disk, or None."""
    if traits_of(kind).is_exact or TaskPhase.RUNNING not in tasks.values():
        return None
    if not is_inhabited(tree.agent(agent)):
        return None
    return f"a program of kind {kind} was running and may have been writing"


def _make_durable(tree: Tree, moment: Moment) -> None:
    """Sync the journals and files that the cut names: nothing may outlive what it depends on."""
    sync_shared(tree)
    at_once(
        partial(_sync, tree.agent(agent).attempt(place.attempt).journal)
        for agent, place in moment.places.items()
        if place.attempt
    )


def _sync(path: Path) -> None:
    try:
        with atomic.opened(path, os.O_RDONLY) as descriptor:
            disk.fdatasync(descriptor)
    except OSError as cause:
        raise storage_error("sync", path, cause) from cause


def _output_sizes(tree: Tree, moment: Moment) -> Iterator[tuple[str, int]]:
    """Yield how many bytes each agent's newest attempt had written, by path in the tree."""
    for agent, place in sorted(moment.places.items()):
        attempt = tree.agent(agent).attempt(place.attempt)
        for path in (attempt.stdout, attempt.stderr, attempt.control, attempt.events):
            with suppress(OSError):
                yield tree.shown(path), path.stat().st_size
