"""`diff DIR [AGENT...]`: what agents changed of the project, each in a worktree of its own."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from maos_sup.cli.places import name_of, tree_at, tree_or_default
from maos_sup.cli.says import say, say_json
from maos_sup.core.overlaps import changed_text, overlap_lines, overlaps
from maos_sup.cuts import store
from maos_sup.steering.wanting import known_agent
from maos_sup.views.files import printable
from maos_sup.workspaces.changes import Changes, FileChange, changes_of
from maos_sup.workspaces.repository import Repository, repository_around
from state_layout.errors import BadInput, LayoutError
from state_layout.paths import Tree
from state_layout.specs import read_specs

_LETTERS = {"added": "A", "changed": "M", "removed": "D", "moved": "R"}


def is_meant(words: tuple[str, ...]) -> bool:
    """Whether `words` name an orchestration and agents of it, or nothing, rather than moments."""
    if not words:
        return True
    try:
        tree, agents = _meant(words, None)
    except LayoutError:
        return False
    if len(words) == 1 and not agents:
        return not _is_checkpoint(words[0]) and _has_worktrees(tree)
    return bool(agents)


def show(words: tuple[str, ...], *, directory: str | None, shows_patch: bool, as_json: bool) -> None:
    """Print what was changed. Raises BadInput where nobody has a worktree, NotATree."""
    tree, agents = _meant(words, directory)
    repository = repository_of(tree)
    names = agents or sorted(read_specs(tree).specs.agents)
    found = {name: changes_of(tree.agent(name), repository, patch=shows_patch) for name in names}
    known = {name: changes for name, changes in found.items() if changes is not None}
    lacking = [name for name in agents if name not in known]
    if lacking or not known:
        who = f"agent {lacking[0]!r}" if lacking else "no agent"
        raise BadInput(
            f"{name_of(tree)}: {who} has {'no' if lacking else 'a'} worktree of its own; "
            "what agents change in the project itself is shown by git there"
        )
    if as_json:
        say_json(_told(tree, known))
    elif shows_patch:
        sys.stdout.flush()
        for changes in known.values():
            os.write(1, changes.patch)
    else:
        say("\n".join(_lines(known)))


def repository_of(tree: Tree) -> Repository:
    """The repository of the project of `tree`. Raises BadInput."""
    project = read_specs(tree).specs.orchestration.project
    if project is None:
        raise BadInput(f"{name_of(tree)}: has no project")
    folder = Path(os.path.normpath(tree.root / project))
    if not folder.is_dir():
        raise BadInput(
            f"{folder}: the project is not there; say where it is with 'maos-sup resume --project P'"
        )
    return repository_around(folder)


def _meant(words: tuple[str, ...], directory: str | None) -> tuple[Tree, list[str]]:
    """The tree and the agents that `words` name; none: all of them."""
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


def _has_worktrees(tree: Tree) -> bool:
    return any(tree.agents.glob("*/worktree.json"))


def _lines(known: dict[str, Changes]) -> list[str]:
    lines = []
    for name, changes in known.items():
        record = changes.record
        told = changed_text(len(changes.files), changes.added, changes.removed)
        lines.append(f"{name}: {told}, on {record.branch}, from {record.base[:10]}")
        lines += [f"  {_line(change)}" for change in changes.files]
    return lines + overlap_lines(overlaps({name: changes.paths for name, changes in known.items()}))


def _line(change: FileChange) -> str:
    count = "binary" if change.added is None else f"+{change.added} -{change.removed}"
    moved = f"{printable(change.source)} -> " if change.source else ""
    return f"{_LETTERS[change.sort]} {moved}{printable(change.path)}  {count}"


def _told(tree: Tree, known: dict[str, Changes]) -> dict[str, Any]:
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
    touched = {name: changes.paths for name, changes in known.items()}
    return {"id": name_of(tree), "agents": agents, "overlaps": overlaps(touched)}
