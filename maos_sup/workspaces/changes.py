"""Says what an agent changed of the project: files and lines, against what it began with and took up of
others.

Only reads: the agent may be at work, and neither its index nor the repository is written.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from maos_sup.workspaces.git import Git
from maos_sup.workspaces.git_look import as_old
from maos_sup.workspaces.manifest import Manifest
from maos_sup.workspaces.modes import home_of
from maos_sup.workspaces.record import MADE, Record, read_record
from maos_sup.workspaces.repository import Repository
from maos_sup.workspaces.restoring import lay_out
from maos_sup.workspaces.store import Store
from maos_sup.workspaces.worktree import admin_of, stage_all
from state_layout.files.looking import exists, is_dir, is_regular
from state_layout.paths import AgentPaths

ADDED, CHANGED, REMOVED, MOVED = "added", "changed", "removed", "moved"
_SORTS = {"A": ADDED, "D": REMOVED, "R": MOVED, "C": ADDED}
_RENAMES = ("--find-renames", "--no-ext-diff", "--no-textconv")


@dataclass(frozen=True, slots=True, kw_only=True)
class FileChange:
    """A file was changed: `path` is as it is now, `sort` of the change, lines (None: it has none), what it
    was before."""

    path: str
    sort: str
    added: int | None = None
    removed: int | None = None
    source: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Since:
    """Holds what a workspace held at another time: a snapshot's `manifest`, and where its contents are."""

    store: Store
    manifest: Manifest


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """The changes are all that one agent changed; `patch` only if it was asked for."""

    record: Record
    files: tuple[FileChange, ...]
    patch: bytes = b""

    @property
    def added(self) -> int:
        """Count the added lines, as far as files have lines."""
        return sum(change.added or 0 for change in self.files)

    @property
    def removed(self) -> int:
        return sum(change.removed or 0 for change in self.files)

    @property
    def paths(self) -> list[str]:
        """Every path that is touched, those that files were moved from as well."""
        moved = [change.source for change in self.files if change.source is not None]
        return sorted({*(change.path for change in self.files), *moved})


def changes_of(
    paths: AgentPaths, repository: Repository, *, patch: bool = False, since: Since | None = None
) -> Changes | None:
    """Find what the agent with these `paths` changed, or changed `since`; None without a worktree (yet).

    Raises BadInput where git cannot tell, Damaged.
    """
    record = read_record(paths)
    if record is None or record.state != MADE or not is_dir(paths.worktree):
        return None
    home = home_of(paths, repository, record)
    index = admin_of(home, record) / "index"
    with ExitStack() as stack:
        ground, borrowed = record.ground, list[Path]()
        if since is not None:
            ground, objects = stack.enter_context(_as_it_was(home, index, record, since))
            borrowed = [objects]
        git = stack.enter_context(looked_at(home, index, paths.worktree, record.ground, borrows=borrowed))
        if since is not None and since.manifest.excluded:  # the snapshot says nothing of these
            left = git.run("ls-files", "-z", "--", *since.manifest.excluded)
            git.run("update-index", "-z", "--force-remove", "--stdin", data=left)
        told = git.run("diff", "--cached", "--raw", "--numstat", "-z", *_RENAMES, ground)
        text = git.run("diff", "--cached", "--binary", *_RENAMES, ground) if patch else b""
    return Changes(record=record, files=tuple(_files(told)), patch=text)


@contextmanager
def _as_it_was(
    repository: Repository, index: Path, record: Record, since: Since
) -> Iterator[tuple[str, Path]]:
    """The tree of what a workspace held then, by the same rules as now, and where its objects are."""
    with tempfile.TemporaryDirectory(prefix="maos-sup-since-") as name:
        folder = Path(name) / "files"
        lay_out(since.store, since.manifest, (), folder)
        with looked_at(repository, index, folder, record.ground) as git:
            yield git.text("write-tree"), git.folder / "objects"


@contextmanager
def looked_at(
    repository: Repository, index: Path, work_tree: Path, head: str, *, borrows: Sequence[Path] = ()
) -> Iterator[Git]:
    """Git with a copy of the index that knows the work tree as it is now."""
    with Git(repository, writes=False) as place:
        copy = place.folder / "index"
        if is_regular(index):
            shutil.copyfile(index, copy)
            as_old(copy, index)
        with Git(
            repository, index=copy, work_tree=work_tree, head=head, writes=False, borrows=borrows
        ) as git:
            if not exists(copy):
                git.run("read-tree", head)
            stage_all(git)
            yield git


def _files(told: bytes) -> Iterator[FileChange]:
    """The changes in what `git diff --raw --numstat -z` says: first every file's sort, then its lines."""
    words = iter(told.decode("utf-8", "surrogateescape").split("\0"))
    sorts = dict[str, str]()
    for word in words:
        if word.startswith(":"):
            letter = word.rpartition(" ")[2][:1]
            path = next(words)
            sorts[next(words) if letter in "RC" else path] = _SORTS.get(letter, CHANGED)
            continue
        if word.count("\t") < 2:
            continue
        added, removed, path = word.split("\t", 2)
        source = None
        if not path:
            source, path = next(words), next(words)
        yield FileChange(
            path=path,
            sort=sorts.get(path, CHANGED),
            added=int(added) if added.isdecimal() else None,
            removed=int(removed) if removed.isdecimal() else None,
            source=source if sorts.get(path) == MOVED else None,
        )
