"""Workspaces of agents that go back with their team: `rollback --files`. The team rests."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from maos_sup.cuts.record import TeamCut
from maos_sup.workspaces import restoring, snapshots
from maos_sup.workspaces.snapshots import Camera
from state_layout.files.looking import is_dir
from state_layout.paths import Tree


def keep(tree: Tree, cut: TeamCut) -> None:
    """Take a snapshot of each workspace as it is at `cut`, which was just taken. Raises StorageError."""
    for agent, place in cut.places.items():
        known = [*snapshots.every(tree.agent(agent))]
        if known and is_dir(snapshots.folder_of(tree.agent(agent), known[-1].place)):
            camera = Camera(tree, agent, known[-1].place)
            why = f"{snapshots.OF_CHECKPOINT}{cut.number}"
            camera.take(why=why, seq=place.seq, attempt=place.attempt, head=known[-1].head)


def restore(tree: Tree, cut: TeamCut, *, only: Collection[str]) -> Iterator[str]:
    """Bring the workspaces of the agents (of `only`, if any) to what they were at `cut`; a line for each.

    Raises Damaged, StorageError.
    """
    for agent, place in sorted(cut.places.items()):
        paths = tree.agent(agent)
        if (only and agent not in only) or not snapshots.numbers(paths):
            continue
        chosen = snapshots.at_line(paths, place.attempt, place.seq, checkpoint=cut.number)
        if chosen is None:
            yield f"{agent}: no snapshot of its files is as old as checkpoint {cut.label}; they stay"
            continue
        kept = restoring.restore(tree, agent, chosen, ())
        went = f"files are those of snapshot {chosen.number}; what was there is snapshot {kept.number}"
        yield f"{agent}: {went}"
