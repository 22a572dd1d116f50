"""Make a new orchestration that begins where a cut of another one stands; the original is only read.

A fork is a copy that is brought to the cut like any other: what came after lies in it, void. It has an id and
a budget of its own and shares nothing that can be written. Where it comes from stands in `spec/lineage.json`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from maos_sup.cuts.carry_out import carry_out
from maos_sup.cuts.copying import copy_tree
from maos_sup.cuts.going_back import preview_rollback
from maos_sup.cuts.record import TeamCut
from state_layout.errors import BadInput
from state_layout.files import atomic, codec
from state_layout.files.looking import exists
from state_layout.files.reading import read_record
from state_layout.paths import FORMAT_LINE, Tree
from state_layout.specs import edit_spec

_OWN = frozenset({"budget"})  # what a fork has of its own, empty at first


def fork(
    tree: Tree,
    cut: TeamCut,
    root: Path,
    *,
    id_: str,
    change: Callable[[dict[str, object]], dict[str, object]],
    memory: Mapping[str, object] | None,
    is_durable: bool = True,
) -> Tree:
    """Make the tree `root` of `tree` as it was at `cut`; `change` edits its orchestration spec.

    Durable when it returns if `is_durable`: what is only looked at need not be.

    It is a tree only when all is done: `FORMAT` is written last. `memory` is what its supervisor knows at
    the cut. Raises BadInput if `root` is there and not empty or `change` gives no good spec, Damaged,
    StorageError.
    """
    target = copy_tree(tree, root, without=_OWN, is_durable=is_durable)
    preview = preview_rollback(target, cut)
    carry_out(target, replace(preview.plan, memory=memory))
    project = _project_from(tree, target)
    edit_spec(
        target,
        target.orchestration_spec,
        lambda spec: change({**spec, **project, "id": id_, "want": "run"}),
    )
    atomic.create_once(target.lineage, codec.encode_pretty(_lineage(tree, cut)))
    atomic.create_once(target.format, FORMAT_LINE)
    return target


def _lineage(tree: Tree, cut: TeamCut) -> dict[str, object]:
    """Tell where the fork comes from, by names that mean something elsewhere too."""
    return {"id": tree.root.name, "checkpoint": cut.number, "name": cut.name, "at": cut.at}


def _project_from(tree: Tree, target: Tree) -> dict[str, object]:
    """Make the project's path as seen from the fork."""
    spec = codec.decode_object(read_record(target.orchestration_spec))
    project = spec.get("project")
    if not isinstance(project, str):
        return {}
    return {"project": os.path.relpath((tree.root / project).resolve(), target.root)}


def fork_roots(base: Path, count: int) -> list[Path]:
    """Choose `count` places beside each other: `base` itself for one, else `base-1`, `base-2`, ..."""
    if count == 1:
        return [base]
    roots = [base.with_name(f"{base.name}-{number}") for number in range(1, count + 1)]
    taken = [root for root in roots if exists(root)]
    if taken:
        raise BadInput(f"{taken[0]}: is there already; name another place with -o")
    return roots
