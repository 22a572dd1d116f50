"""`import maos`: each orchestration of a database becomes a tree of its own; the database is only read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from random import Random

from maos_sup.incoming.maos.database import opened
from maos_sup.incoming.maos.grouping import MaosOrchestration, chosen, orchestrations_in
from maos_sup.incoming.maos.teams import TeamStory, team_of
from maos_sup.incoming.maos.writing import Writing, write_team
from maos_sup.incoming.placing import placed
from maos_sup.incoming.tally import Tally
from maos_sup.incoming.transcripts import transcript_of
from state_layout.errors import BadInput
from state_layout.files.reading import is_there
from state_layout.paths import Tree
from state_layout.tree import relative_project
from state_layout.tree.names import new_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Brought:
    """One orchestration was brought: where it lies now, or would lie, and what became of its rows."""

    id: str  # of MAOS
    tree: Tree
    request: str
    agents: int
    tally: Tally
    is_old: bool = False  # it was there already


@dataclass(slots=True, kw_only=True)
class MaosImport:
    """Tells what came of one database; `beside` counts what belongs to no orchestration."""

    brought: list[Brought] = field(default_factory=list)
    beside: Tally = field(default_factory=Tally)


def bring(
    path: Path,
    place: Callable[[str], Path],
    *,
    wanted: str | None = None,
    project: Path | None = None,
    claude: Path | None = None,
    is_dry: bool = False,
    may_be_newer: bool = False,
) -> MaosImport:
    """Make a tree at `place(id)` of each orchestration in `path`, or of that whose id begins with `wanted`.

    `claude` is Claude Code's configuration folder: conversations that lie there come along. One that is there
    already is left as it is. Each is placed whole or not at all. Raises BadInput, Damaged,
    Locked, StorageError.
    """
    made = MaosImport()
    with opened(path, may_be_newer=may_be_newer) as database:
        known = orchestrations_in(database, made.beside)
        for table in ("key_value_store",):
            count = sum(1 for _ in database.rows(table))
            made.beside.leave_out(table, "of no orchestration; put what you need: maos-sup state put", count)
        for name in database.unknown:
            made.beside.leave_out(name, "MAOS up to 0.9.4 does not have it")
        for source in _meant(path, known, wanted):
            tally = Tally()
            team = team_of(source, tally, find=partial(transcript_of, claude) if claude else lambda _: None)
            began = team.created or datetime.fromtimestamp(path.stat().st_mtime, UTC)
            id_ = new_id(team.request, began, Random(source.id))
            root = place(id_)
            is_old = is_there(root) and wanted is None
            if not is_old:
                writing = Writing(
                    id=id_,
                    database=database,
                    source=source,
                    team=team,
                    project=relative_project(root, project) if project else {},
                    began=began,
                    tally=tally,
                )
                write = partial(write_team, writing)
                placed(root, write, is_dry=is_dry)
            made.brought.append(_told(source, team, root, tally, is_old=is_old))
    return made


def _meant(path: Path, known: list[MaosOrchestration], wanted: str | None) -> list[MaosOrchestration]:
    if not known:
        raise BadInput(f"{path}: is a database of MAOS and holds no orchestration and no agent")
    if wanted is None:
        return known
    found = chosen(known, wanted)
    if len(found) != 1:
        what = "no orchestration" if not found else f"{len(found)} orchestrations"
        ids = ", ".join(each.id for each in known[-8:])
        raise BadInput(f"{path}: {what} with an id that begins with {wanted!r}; it has {ids}")
    return found


def _told(source: MaosOrchestration, team: TeamStory, root: Path, tally: Tally, *, is_old: bool) -> Brought:
    return Brought(
        id=source.id,
        tree=Tree(root),
        request=team.request,
        agents=len(team.agents),
        tally=tally,
        is_old=is_old,
    )
