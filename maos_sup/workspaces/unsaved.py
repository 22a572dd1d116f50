"""Says whether a workspace holds work that would be lost with its tree. Only reads."""

from __future__ import annotations

from maos_sup.workspaces.changes import looked_at
from maos_sup.workspaces.cloning import CLONE
from maos_sup.workspaces.merging import is_ancestor, tree_of
from maos_sup.workspaces.modes import home_of
from maos_sup.workspaces.own import OWN, STATES
from maos_sup.workspaces.record import MADE, read_record
from maos_sup.workspaces.refs import read_head, read_ref
from maos_sup.workspaces.repository import Repository
from maos_sup.workspaces.worktree import admin_of, has
from state_layout.files.looking import is_dir
from state_layout.paths import AgentPaths


def is_unsaved(paths: AgentPaths, repository: Repository) -> bool:
    """Something in the agent's clone or copy is neither in the project nor on a branch there.

    A worktree's commits are in the project. Raises BadInput where git cannot tell, Damaged.
    """
    record = read_record(paths)
    if record is None or record.state != MADE or record.mode not in (CLONE, OWN):
        return False
    if not is_dir(paths.worktree):
        return False
    home = home_of(paths, repository, record)
    admin = admin_of(home, record)
    _, head = read_head(admin, home.common)
    if head is None:
        return True
    with looked_at(home, admin / "index", paths.worktree, head) as git:
        if git.text("write-tree") != tree_of(git, head):
            return True
        if record.mode == CLONE:
            return not has(repository, head)
        landed = read_ref(repository.common, f"refs/heads/{STATES}")
        return landed is None or not is_ancestor(git, head, landed)
