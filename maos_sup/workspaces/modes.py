"""Says which sort of workspace an agent has, and where git keeps what belongs to it: the same for all sorts.

`worktree`: in the project's repository. `own`: in a repository of the tree. `clone`: in one of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

from maos_sup.workspaces import cloning, own, worktree
from maos_sup.workspaces.cloning import CLONE
from maos_sup.workspaces.linking import is_linked
from maos_sup.workspaces.own import OWN
from maos_sup.workspaces.record import Record
from maos_sup.workspaces.repository import Repository, repository_around
from maos_sup.workspaces.worktree import Wish
from state_layout.files.looking import is_dir, is_regular
from state_layout.paths import AgentPaths, Tree

WORKTREE = "worktree"


@dataclass(frozen=True, slots=True)
class Mode:
    """Says how a workspace of one sort is begun, made and found again; all raise BadInput, StorageError."""

    begin: Callable[[AgentPaths, Repository, Wish], Record]
    make: Callable[[AgentPaths, Repository, Record, Wish], Record]
    find: Callable[[AgentPaths, Repository, Record, Wish], Record]


MODES = {
    WORKTREE: Mode(worktree.begin, worktree.make, worktree.find),
    CLONE: Mode(cloning.begin, cloning.make, cloning.find),
    OWN: Mode(own.begin, own.make, own.find),
}


def repository_for(tree: Tree, project: Path, mode: str) -> Repository:
    """Find the repository that agents with workspaces of this `mode` share. Raises NoWorktree."""
    return own.own_repository(tree, project) if mode == OWN else repository_around(project)


def home_of(paths: AgentPaths, repository: Repository, record: Record) -> Repository:
    """The repository that holds the index, HEAD and newest commits of a workspace.

    Raises BadInput where the git folder of a clone leads out of it.
    """
    if record.mode != CLONE:
        return repository
    home = cloning.home_of(paths, repository)
    cloning.refuse_strange(home)
    return home


def bring(paths: AgentPaths, repository: Repository, record: Record, commits: Collection[str]) -> None:
    """Have a workspace know `commits` of the project, or of others. Raises BadInput, StorageError."""
    if record.mode == CLONE and commits:
        cloning.bring(paths, repository, record, commits)


def share(paths: AgentPaths, repository: Repository, record: Record) -> Record:
    """Have others see the newest commit of a workspace. Raises BadInput, StorageError."""
    return cloning.share(paths, repository, record) if record.mode == CLONE else record


def is_there(paths: AgentPaths, record: Record) -> bool:
    """The workspace of `record` is where it should be."""
    if record.mode == WORKTREE:
        return is_regular(paths.worktree / ".git")
    return is_dir(paths.worktree / ".git") if record.mode == CLONE else is_dir(paths.worktree)


def in_place(paths: AgentPaths, repository: Repository, record: Record, *, id: str, agent: str) -> Record:
    """The workspace, which is there, found again if its repository knows it no more, or as another tree's.

    So nothing is ever committed for a copy of a tree to the branch of the original. Raises NoWorktree,
    StorageError.
    """
    if record.mode != WORKTREE or is_linked(paths, worktree.admin_of(repository, record)):
        return record
    return worktree.find(paths, repository, record, Wish(id=id, agent=agent, base=record.asked, needs={}))
