"""`cleanup`: delete what is finished and old. What could still be wanted stays unless it is said so."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypedDict

import click

from maos_sup.cli import options
from maos_sup.cli.changed import repository_of
from maos_sup.cli.places import home
from maos_sup.cli.says import say, say_json
from maos_sup.views.events import counted, duration_text
from maos_sup.views.status import status_of
from maos_sup.workspaces.forgetting import forget, linked_folders
from maos_sup.workspaces.git_look import CannotLook, git_answer
from maos_sup.workspaces.unsaved import is_unsaved
from state_layout.errors import LayoutError
from state_layout.files.looking import is_dir, is_regular
from state_layout.paths import Tree
from state_layout.records import Phase
from state_layout.tree import list_trees
from state_layout.tree.removal import remove_tree

_FINISHED = (Phase.DONE, Phase.FAILED)
_QUESTIONS = (
    ["status", "--porcelain", "--ignore-submodules=all"],
    ["log", "--branches", "--not", "--remotes", "--oneline", "-1"],
)


@click.command("cleanup")
@click.option(
    "--older-than",
    "days",
    metavar="DAYS",
    type=options.AmountType(),
    required=True,
    help="Nothing in it changed for so many days.",
)
@click.option("--dry-run", is_flag=True, help="Only say what would be deleted.")
@click.option("--with-artifacts", is_flag=True, help="Also those that hold artifacts.")
@click.option("--force", is_flag=True, help="Also unfinished ones, and uncommitted work in workspaces.")
@options.as_json
def command(*, days: float, dry_run: bool, with_artifacts: bool, force: bool, as_json: bool) -> None:
    """Delete finished orchestrations of the home in which nothing changed for DAYS.

    Never one with a living process. Kept, unless you say otherwise: unfinished work, artifacts, workspaces
    with uncommitted work.
    """
    found = list[CleanedRow]()
    for tree in list_trees(home()):
        idle_s = time.time() - _last_change(tree)
        if idle_s < days * 86400:
            continue
        kept = reason_to_keep(tree, with_artifacts=with_artifacts, force=force)
        size = _size(tree.root)
        if kept is None and not dry_run:
            kept = _remove(tree)
        found.append({"id": tree.root.name, "idle_s": round(idle_s), "bytes": size, "kept": kept})
    if as_json:
        say_json({"home": str(home()), "dry_run": dry_run, "orchestrations": found})
    else:
        say("\n".join(_lines(found, dry_run=dry_run)) or f"{home()}: nothing is older than {days:g} days")


class CleanedRow(TypedDict):
    """One orchestration, and why it is kept if it is."""

    id: str
    idle_s: int
    bytes: int
    kept: str | None


def _lines(found: list[CleanedRow], *, dry_run: bool) -> Iterator[str]:
    for row in found:
        what = f"kept: {row['kept']}" if row["kept"] else ("would be deleted" if dry_run else "deleted")
        yield f"{row['id']} ({row['bytes'] / 1e6:.1f} MB, idle for {duration_text(row['idle_s'])}): {what}"


def reason_to_keep(
    tree: Tree, *, with_artifacts: bool, force: bool, option: str = "--with-artifacts"
) -> str | None:
    """Say why `tree` is not to be deleted, with the option that does it all the same; None: it may go.

    `option` is the command's own for trees that hold artifacts.
    """
    try:
        status = status_of(tree)
    except LayoutError as error:
        return None if force else f"cannot be read ({error}); --force deletes it"
    if status["counts"]["alive"] or status["supervisor"]["alive"]:
        return "somebody works on it"
    if status["phase"] not in _FINISHED and not force:
        return f"unfinished ({status['phase']}); --force deletes it"
    artifacts = sum(
        1 for folder in tree.agents.glob("*/artifacts") for path in folder.rglob("*") if is_regular(path)
    )
    if artifacts and not (with_artifacts or force):
        return f"holds {counted(artifacts, 'artifact')}; {option} deletes it"
    dirty = next((folder for folder in _repositories(tree) if _is_dirty(folder, _QUESTIONS)), None)
    worktrees = [folder for folder in sorted(tree.agents.glob("*/worktree")) if is_regular(folder / ".git")]
    dirty = dirty or next((folder for folder in worktrees if _is_dirty(folder, _QUESTIONS[:1])), None)
    dirty = dirty or next((folder for folder in _clones_and_copies(tree) if folder is not None), None)
    if dirty is not None and not force:
        return f"uncommitted or unpushed work in {dirty}; --force deletes it"
    return None


def _clones_and_copies(tree: Tree) -> Iterator[Path | None]:
    """The clones and copies of agents with work that is nowhere else; where git cannot tell, those too."""
    for record in sorted(tree.agents.glob("*/worktree.json")):
        paths = tree.agent(record.parent.name)
        if is_regular(paths.worktree / ".git") or not is_dir(paths.worktree):
            continue
        try:
            yield paths.worktree if is_unsaved(paths, repository_of(tree)) else None
        except LayoutError:
            yield paths.worktree


def remove_with_worktrees(tree: Tree) -> None:
    """Delete `tree`, and what the project's repository knows of its worktrees. Raises as `remove_tree`."""
    linked = linked_folders(tree)
    remove_tree(tree)
    forget(linked)


def _remove(tree: Tree) -> str | None:
    """Delete; why not, if it cannot be."""
    try:
        remove_with_worktrees(tree)
    except LayoutError as error:
        return str(error)
    return None


def _last_change(tree: Tree) -> float:
    """Find the time at which anything in the tree was written last, in seconds since the epoch."""
    newest = 0.0
    for folder, _, names in os.walk(tree.root):
        for name in (".", *names):
            try:
                newest = max(newest, Path(folder, name).lstat().st_mtime)
            except OSError:
                continue
    return newest


def _repositories(tree: Tree) -> Iterator[Path]:
    """Yield the git work trees in workspaces."""
    for workspace in sorted(tree.agents.glob("*/workspace")):
        for folder, folders, names in os.walk(workspace):
            if ".git" in folders or ".git" in names:
                folders.clear()
                yield Path(folder)


def _is_dirty(folder: Path, questions: Sequence[list[str]]) -> bool:
    """Git knows of work there that is nowhere else, or cannot tell.

    What an agent wrote into the repository's configuration is not obeyed.
    """
    try:
        return any(git_answer(folder, question).strip() for question in questions)
    except CannotLook:
        return True


def _size(root: Path) -> int:
    total = 0
    for folder, _, names in os.walk(root):
        for name in names:
            with suppress(OSError):  # it went meanwhile
                total += Path(folder, name).lstat().st_size
    return total
