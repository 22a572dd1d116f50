"""`diff DIR [AGENT...]`: what agents changed of the project, each in a worktree of its own."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from maos_sup.cli.files import snapshot_at
from maos_sup.cli.places import name_of, tree_at, tree_or_default
from maos_sup.cli.says import say, say_json
from maos_sup.core.overlaps import changed_text, only_tried, overlap_lines, overlaps
from maos_sup.cuts import store
from maos_sup.steering.wanting import known_agent
from maos_sup.views.files import printable
from maos_sup.workspaces.changes import Changes, FileChange, Since, changes_of
from maos_sup.workspaces.own import OWN, has_own, own_repository
from maos_sup.workspaces.repository import Repository, repository_around
from maos_sup.workspaces.snapshots import manifest_of
from maos_sup.workspaces.store import Store
from state_layout.errors import BadInput, LayoutError
from state_layout.files.looking import is_dir
from state_layout.paths import Tree
from state_layout.specs import read_specs

_LETTERS = {"added": "A", "changed": "M", "removed": "D", "moved": "R"}
_SHARED = "what agents change in the project itself is there, for git to show if it has one"


def is_meant(words: tuple[str, ...]) -> bool:
    """These `words` name an orchestration and agents of it, or nothing, rather than moments."""
    if not words:
        return True
    try:
        _, agents = _meant(words, None)
    except LayoutError:
        return False
    if len(words) == 1 and not agents:
        return not _is_checkpoint(words[0])
    return bool(agents)


def show(
    words: tuple[str, ...],
    *,
    directory: str | None,
    shows_patch: bool,
    as_json: bool,
    since: str | None = None,
) -> None:
    """Print what was changed, all or `since` a checkpoint.

    Raises BadInput where nobody has a worktree, or nothing was kept as old as the checkpoint; NotATree.
    """
    tree, agents = _meant(words, directory)
    if not agents and not has_workspaces(tree):
        raise BadInput(f"{name_of(tree)}: no agent has a workspace of its own; {_SHARED}")
    repository = repository_of(tree)
    names = agents or sorted(read_specs(tree).specs.agents)
    then = {name: _since(tree, name, since, must=bool(agents)) for name in names}
    found = {
        name: changes_of(tree.agent(name), repository, patch=shows_patch, since=then[name]) for name in names
    }
    known = {name: changes for name, changes in found.items() if changes is not None}
    lacking = [name for name in agents if name not in known]
    if lacking or not known:
        who = f"agent {lacking[0]!r} has no" if lacking else "no agent has a"
        raise BadInput(f"{name_of(tree)}: {who} workspace of its own; {_SHARED}")
    if as_json:
        say_json(_told(tree, known))
    elif shows_patch:
        sys.stdout.flush()
        for changes in known.values():
            os.write(1, changes.patch)
    else:
        say("\n".join(_lines(known, since, _touched(tree, known))))


def _since(tree: Tree, agent: str, checkpoint: str | None, *, must: bool) -> Since | None:
    """Find what the agent had at the checkpoint; of one who had nothing yet, all that it did is new."""
    if checkpoint is None:
        return None
    kept = Store(tree)
    try:
        return Since(store=kept, manifest=manifest_of(kept, snapshot_at(tree, agent, checkpoint)))
    except BadInput:
        store.find(tree, checkpoint)
        if must:
            raise
        return None


def repository_of(tree: Tree) -> Repository:
    """Find the repository of the project of `tree`. Raises BadInput."""
    project = read_specs(tree).specs.orchestration.project
    if project is None:
        raise BadInput(f"{name_of(tree)}: has no project")
    folder = Path(os.path.normpath(tree.root / project))
    if not is_dir(folder):
        raise BadInput(
            f"{folder}: the project is not there; say where it is with 'maos-sup resume --project P'"
        )
    return own_repository(tree, folder) if has_own(tree) else repository_around(folder)


def _meant(words: tuple[str, ...], directory: str | None) -> tuple[Tree, list[str]]:
    """Find the tree and the agents that `words` name; none: all of them."""
    if directory is not None:
        tree = tree_at(directory)
    else:
        try:
            tree, words = (tree_at(words[0]), words[1:]) if words else (tree_or_default(None), ())
        except LayoutError:
            tree = tree_or_default(None)
    return tree, [known_agent(tree, word) for word in words]


def _is_checkpoint(word: str) -> bool:
    try:
        store.find(tree_or_default(None), word)
    except LayoutError:
        return False
    return True


def has_workspaces(tree: Tree) -> bool:
    """Some agent has a workspace of the project for itself, or is to have one."""
    return any(tree.agents.glob("*/worktree.json"))


def _touched(tree: Tree, known: dict[str, Changes]) -> dict[str, list[str]]:
    """The paths that each agent changed, of those whose work is to be put together."""
    tried = only_tried(read_specs(tree).specs.tasks.values())
    return {name: changes.paths for name, changes in known.items() if name not in tried}


def _lines(known: dict[str, Changes], since: str | None, touched: dict[str, list[str]]) -> list[str]:
    lines = []
    for name, changes in known.items():
        record = changes.record
        told = changed_text(len(changes.files), changes.added, changes.removed)
        where = "in a copy of its own" if record.mode == OWN else f"on {record.branch}"
        start = record.base[:10] if since is None else f"checkpoint {since}"
        lines.append(f"{name}: {told}, {where}, from {start}")
        lines += [f"  {_line(change)}" for change in changes.files]
    return lines + overlap_lines(overlaps(touched))


def _line(change: FileChange) -> str:
    count = "binary" if change.added is None else f"+{change.added} -{change.removed}"
    moved = f"{printable(change.source)} -> " if change.source else ""
    return f"{_LETTERS[change.sort]} {moved}{printable(change.path)}  {count}"


def _told(tree: Tree, known: dict[str, Changes]) -> dict[str, object]:
    agents = [
        {
            "name": name,
            "branch": changes.record.branch,
            "base": changes.record.base,
            "ground": changes.record.ground,
            "taken": changes.record.taken,
            "files": [
                {"path": each.path, "sort": each.sort, "added": each.added, "removed": each.removed}
                | ({"source": each.source} if each.source else {})
                for each in changes.files
            ],
            **({"patch": changes.patch.decode("utf-8", "replace")} if changes.patch else {}),
        }
        for name, changes in known.items()
    ]
    return {"id": name_of(tree), "agents": agents, "overlaps": overlaps(_touched(tree, known))}
