"""Keeps what an agent did in its worktree: a commit on its branch, and what others did taken up into it.

The user's hooks and filters are not run. The order is: objects, branch, index; who is killed between is
followed by one that finds the branch at its commit and mends the index.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path

from maos_sup.workspaces.git import Git, split_null
from maos_sup.workspaces.git_look import as_old
from maos_sup.workspaces.merging import commit_tree, is_ancestor, joined, merge, tree_of
from maos_sup.workspaces.record import Record, write_record
from maos_sup.workspaces.refs import move_ref, read_head
from maos_sup.workspaces.repository import Repository
from maos_sup.workspaces.worktree import admin_of, stage_all
from state_layout.errors import BadInput, storage_error
from state_layout.files import disk
from state_layout.files.looking import exists, is_regular
from state_layout.files.reading import read_foreign
from state_layout.paths import AgentPaths

_UNDER_WAY = ("MERGE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD", "rebase-merge", "rebase-apply")


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """Tells what became of the work in a worktree: its new `record`, how many `files` were committed.

    `note` says why something was left, None if nothing was.
    """

    record: Record
    files: int = 0
    note: str | None = None


def keep(paths: AgentPaths, repository: Repository, record: Record, *, text: str, who: str) -> Kept:
    """Commit what is not committed in the worktree of `record`, untracked files as well, ignored ones not.

    Raises StorageError.
    """
    admin = admin_of(repository, record)
    ref, head = read_head(admin, repository.common)
    if (why := _cannot(admin, record, ref, head)) is not None or head is None:
        return Kept(record=record, note=f"not committed to {record.branch}: {why}")
    with _Index(admin) as index:
        with Git(repository, index=index.path, work_tree=paths.worktree, head=head) as git:
            if not exists(index.path):
                git.run("read-tree", head)
            stage_all(git)
            tree = git.text("write-tree")
            nested = _nested(git)
            commit, files = head, 0
            if tree != tree_of(git, head):
                told = git.run("diff-tree", "-r", "-z", "--no-renames", "--name-only", head, tree)
                files = len(split_null(told))
                commit = commit_tree(git, tree, head, text=text, who=who)
        if commit != head:
            move_ref(repository.common, record.ref, commit, old=head, why="work of a task")
        index.put()
    note = f"left out, as repositories of their own: {', '.join(nested[:5])}" if nested else None
    return Kept(record=replace(record, tip=commit), files=files, note=note)


def take_up(
    paths: AgentPaths,
    repository: Repository,
    record: Record,
    needs: dict[str, str],
    *,
    who: str,
    as_own: bool = False,
) -> Kept:
    """Merge the commits `needs` (by agent) into the worktree of `record`, where nothing stands against it.

    `as_own`: what they hold counts as its own work from then on. Raises StorageError.
    """
    new = {agent: commit for agent, commit in needs.items() if record.taken.get(agent) != commit}
    admin = admin_of(repository, record)
    ref, head = read_head(admin, repository.common)
    if not new:
        return Kept(record=record)
    named = ", ".join(new)
    if (why := _cannot(admin, record, ref, head)) is not None or head is None:
        return Kept(record=record, note=f"the results of {named} were not taken up: {why}")
    kept = keep(paths, repository, record, text="work before results of others were taken up\n", who=who)
    head, notes = kept.record.tip, [kept.note] if kept.note else []
    with Git(repository) as git:
        ground, tip, taken = record.ground, head, dict(record.taken)
        for agent, commit in new.items():
            text = f"results of {agent}\n"
            joint, conflicts = joined(git, tip, commit, text=text, who=who)
            if conflicts:
                notes.append(
                    f"the results of {agent} were not taken up: {', '.join(conflicts[:5])} cannot be merged; "
                    f"the agent may: git merge {commit[:12]}"
                )
                continue
            if not as_own:
                ground, _ = joined(git, ground, commit, text=text, who=who)
            tip, taken[agent] = joint, commit
    if tip != head:
        _go_to(paths, repository, record, head, tip)
    told = "; ".join(notes) or None
    return Kept(record=replace(kept.record, ground=ground, tip=tip, taken=taken), note=told)


BEGINNING, BEGUN = "beginning", "begun"
_MARKS = (b"<<<<<<< ", b">>>>>>> ")


def begin_merge(
    paths: AgentPaths, repository: Repository, record: Record, *, run: str, ours: str, theirs: str, who: str
) -> Record:
    """Put the merge of `theirs` into `ours` into the worktree, with conflict marks, for the task run `run`.

    Once: who was killed within is followed by one that begins anew; who was killed later goes on. The record
    is durable. Raises BadInput where what is there does not go together with `ours`, StorageError.
    """
    if record.merging.get("run") == run and record.merging["state"] == BEGUN:
        return record
    admin = admin_of(repository, record)
    if record.merging.get("run") != run:
        kept = keep(paths, repository, record, text="work before a merge\n", who=who)
        told = {"run": run, "ours": ours, "theirs": theirs, "state": BEGINNING}
        record = replace(kept.record, merging=told)
        write_record(paths, record)
    ref, head = read_head(admin, repository.common)
    if (why := _cannot(admin, record, ref, head)) is not None or head is None:
        raise BadInput(f"the merge cannot begin in its worktree: {why}")
    with Git(repository) as git:
        tip, conflicts = joined(git, head, ours, text="what has landed\n", who=who)
        if conflicts:
            raise BadInput(
                f"what it did before and what has landed change the same: {', '.join(conflicts[:5])}; "
                f"land its branch {record.branch} by itself first"
            )
        found = merge(git, tip, theirs)
    with _Index(admin) as index:
        with Git(repository, index=index.path, work_tree=paths.worktree, head=tip) as git:
            git.run("read-tree", "--reset", "-u", found.tree)
        if tip != head:
            move_ref(repository.common, record.ref, tip, old=head, why="what has landed")
        index.put()
    begun = replace(record, tip=tip, ground=tip, merging={**record.merging, "state": BEGUN})
    write_record(paths, begun)
    return begun


def drop_merge(paths: AgentPaths, repository: Repository, record: Record) -> Record:
    """Take a merge that its task will not end out of the worktree again. The record is durable."""
    admin = admin_of(repository, record)
    _, head = read_head(admin, repository.common)
    if head is not None:
        with _Index(admin) as index:
            with Git(repository, index=index.path, work_tree=paths.worktree, head=head) as git:
                git.run("read-tree", "--reset", "-u", head)
            index.put()
    dropped = replace(record, merging={})
    write_record(paths, dropped)
    return dropped


def end_merge(paths: AgentPaths, repository: Repository, record: Record, *, text: str, who: str) -> Kept:
    """Commit the merge that the worktree of `record` holds by now. Raises BadInput where marks are left."""
    admin = admin_of(repository, record)
    ref, head = read_head(admin, repository.common)
    if (why := _cannot(admin, record, ref, head)) is not None or head is None:
        raise BadInput(f"the merge was not committed to {record.branch}: {why}")
    theirs = record.merging["theirs"]
    with _Index(admin) as index:
        with Git(repository, index=index.path, work_tree=paths.worktree, head=head) as git:
            stage_all(git)
            tree = git.text("write-tree")
            if is_ancestor(git, theirs, head) and tree == tree_of(git, head):
                return Kept(record=replace(record, tip=head, merging={}))
            marked = _marked(git, head, tree)
            if marked:
                raise BadInput(f"conflict marks are left in {', '.join(marked[:5])}; resolve them")
            commit = commit_tree(git, tree, head, theirs, text=text, who=who)
            files = len(split_null(git.run("diff-tree", "-r", "-z", "--name-only", head, commit)))
        move_ref(repository.common, record.ref, commit, old=head, why="a merge that was resolved")
        index.put()
    return Kept(record=replace(record, tip=commit, merging={}), files=files)


def _marked(git: Git, head: str, tree: str) -> list[str]:
    """The files that differ from `head` and have conflict marks, of both sorts."""
    words = ("-r", "-z", "--no-renames", "--diff-filter=AM", "--name-only")
    found = []
    for path in split_null(git.run("diff-tree", *words, head, tree)):
        lines = git.run("cat-file", "blob", f"{tree}:{path}").splitlines()
        if all(any(line.startswith(mark) for line in lines) for mark in _MARKS):
            found.append(path)
    return found


def _go_to(paths: AgentPaths, repository: Repository, record: Record, head: str, tip: str) -> None:
    """Bring files, index and branch from `head`, which they are at, to `tip`."""
    with _Index(admin_of(repository, record)) as index:
        with Git(repository, index=index.path, work_tree=paths.worktree, head=head) as git:
            git.run("read-tree", "-m", "-u", head, tip)
        move_ref(repository.common, record.ref, tip, old=head, why="results of others")
        index.put()


def _cannot(admin: Path, record: Record, ref: str | None, head: str | None) -> str | None:
    """Say why nothing is committed there by us, None if it may be."""
    if ref == record.ref and head is None:
        tip = record.tip or record.base
        return f"that branch is not there any more; to have it again: git branch {record.branch} {tip[:12]}"
    if ref != record.ref:
        return f"the agent left {ref or 'a commit without a branch'} checked out"
    under_way = next((name for name in _UNDER_WAY if exists(admin / name)), None)
    return None if under_way is None else f"the agent left a {under_way.partition('_')[0].lower()} unfinished"


def _nested(git: Git) -> list[str]:
    told = git.run("ls-files", "-z", "--others", "--exclude-standard")
    return [path for path in split_null(told) if path.endswith("/")]


class _Index:
    """The index is a copy of a worktree's to work on, under git's lock; put in its place, or not."""

    def __init__(self, admin: Path) -> None:
        self._index, self._lock = admin / "index", admin / "index.lock"
        self.path = admin / "index.maos"

    def __enter__(self) -> _Index:
        try:
            disk.unlink(self._lock)  # nobody works there now: whoever had it is dead
            disk.unlink(self.path)
            if is_regular(self._index):
                data = read_foreign(self._index)
                descriptor = disk.create(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
                with os.fdopen(descriptor, "wb") as file:
                    file.write(data)
                as_old(self.path, self._index)
        except OSError as cause:
            raise storage_error("write", self.path, cause) from cause
        return self

    def put(self) -> None:
        """Make the copy the worktree's index. Raises StorageError."""
        try:
            disk.rename(self.path, self._index)
        except OSError as cause:
            raise storage_error("replace", self._index, cause) from cause

    def __exit__(self, *_: object) -> None:
        disk.unlink(self.path)
