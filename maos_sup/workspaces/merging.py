"""Merges commits without a work tree: what comes of it, or which files cannot be merged."""

from __future__ import annotations

from dataclasses import dataclass

from maos_sup.workspaces.git import Git, split_null


@dataclass(frozen=True, slots=True, kw_only=True)
class Merge:
    """The `tree` of a merge (with conflict marks where it failed), and the paths that are in `conflict`."""

    tree: str
    conflicts: tuple[str, ...] = ()


def merge(git: Git, ours: str, theirs: str) -> Merge:
    """Try what comes of merging the commit `theirs` into `ours`. Raises GitFailed."""
    code, told = git.outcome(
        "merge-tree", "--write-tree", "-z", "--name-only", "--no-messages", "--allow-unrelated-histories",
        ours, theirs,
    )  # fmt: skip
    tree, *paths = split_null(told)
    return Merge(tree=tree, conflicts=tuple(dict.fromkeys(paths)) if code else ())


def is_ancestor(git: Git, old: str, new: str) -> bool:
    """The commit `new` holds all of `old`."""
    return git.outcome("merge-base", "--is-ancestor", old, new)[0] == 0


def commit_tree(git: Git, tree: str, *parents: str, text: str, who: str, at: str | None = None) -> str:
    """Make a commit of `tree`, and give its name. With `at`, a time, the same commit whenever it is made."""
    words = [word for parent in dict.fromkeys(parents) for word in ("-p", parent)]
    return git.text("commit-tree", *words, tree, data=text.encode("utf-8", "surrogateescape"), who=who, at=at)


def tree_of(git: Git, commit: str) -> str:
    """Find the tree of `commit`."""
    return git.text("rev-parse", "--verify", f"{commit}^{{tree}}")


def joined(git: Git, ours: str, theirs: str, *, text: str, who: str) -> tuple[str, tuple[str, ...]]:
    """A commit that holds both, forward where that is possible, and no conflicts; or `ours`, and those.

    Raises GitFailed.
    """
    if is_ancestor(git, theirs, ours):
        return ours, ()
    if is_ancestor(git, ours, theirs):
        return theirs, ()
    found = merge(git, ours, theirs)
    if found.conflicts:
        return ours, found.conflicts
    return commit_tree(git, found.tree, ours, theirs, text=text, who=who), ()
