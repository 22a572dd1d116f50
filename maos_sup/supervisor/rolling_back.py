"""Takes a team that rests back to a checkpoint, keeping where it stood; for commands and the page alike."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace

from maos_sup.cuts import store
from maos_sup.cuts.going_back import Preview, preview_rollback
from maos_sup.cuts.record import TeamCut
from maos_sup.cuts.take import take_cut
from maos_sup.cuts.traces import TeamReader
from maos_sup.supervisor.rewinding import memory_at, rewind
from state_layout.paths import Tree

Keep = Callable[[TeamCut], None]


def rolled_back(
    tree: Tree,
    number: int,
    *,
    by: str,
    word: str = "rollback",
    only: Collection[str] = (),
    reader: TeamReader | None = None,
    keep: Keep | None = None,
) -> Preview:
    """Go to checkpoint `number`, with all agents or `only` these; what was done. Nobody lives in the tree.

    Where the team stood becomes a pinned checkpoint first, which `keep` is told of. Durable on return. Raises
    BadInput, Damaged, StorageError.
    """
    cut = store.read(tree, number)
    why = f"before {word} to checkpoint {cut.label}"
    back = take_cut(tree, by=by, why=why, pinned=True, reader=reader)
    preview = preview_rollback(tree, cut, only=only, reader=reader)
    memory = None if only else memory_at(tree, cut.supervisor)
    plan = replace(preview.plan, back=back.number, memory=memory)
    if keep is not None:
        keep(back)
    rewind(tree, plan, by=by, why=f"asked for checkpoint {cut.label}")
    return replace(preview, plan=plan)
