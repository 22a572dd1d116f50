"""Brings a workspace back to a snapshot: journaled, put in place by renames, looked at again.

What is there before is kept as a snapshot of its own, so nothing is lost and all of it can be undone. The
record `agents/<agent>/restoring/restore.json` says what is to be; whoever finds it, the next command or the
agent at its start, brings that to its end: each step can be done again. Nothing of the way is followed: each
folder is opened beneath the one above it, and a link in the place of a folder is removed, not entered.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from maos_sup.workspaces.manifest import FILE, FOLDER, LINK, Manifest, ManifestEntry, differences
from maos_sup.workspaces.snapshots import (
    NO_SEQ,
    RESTORING,
    Camera,
    Snapshot,
    every,
    folder_of,
    manifest_of,
    read,
)
from maos_sup.workspaces.store import Store
from state_layout.errors import BadInput, Damaged, reason_of, storage_error
from state_layout.files import atomic, codec, disk
from state_layout.files.looking import exists, is_dir
from state_layout.files.reading import read_record
from state_layout.paths import AgentPaths, Tree

_FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A step is one path: what is there, and what is to be (None: nothing)."""

    path: str
    before: ManifestEntry | None
    after: ManifestEntry | None


def steps_between(now: Manifest, then: Manifest, paths: Collection[str]) -> list[Step]:
    """List the steps from `now` to `then`, for `paths` and what lies in them; () is everything."""
    return [
        Step(path=path, before=before, after=after)
        for path, before, after in differences(now, then)
        if (not paths or any(path == one or path.startswith(f"{one}/") for one in paths))
        and not _lies_in(path, then.excluded)
    ]


def restore(tree: Tree, agent: str, target: Snapshot, paths: Collection[str]) -> Snapshot:
    """Bring the workspace of `agent`, whose lock is held, to `target`; the snapshot of what was before.

    Raises Damaged where a content is lost (nothing is changed then), StorageError.
    """
    camera = Camera(tree, agent, target.place)
    with camera.in_use():
        return _restored(tree, agent, target, paths, camera)


def _restored(tree: Tree, agent: str, target: Snapshot, paths: Collection[str], camera: Camera) -> Snapshot:
    own = tree.agent(agent)
    now = camera.look()
    newest, why = next(iter([*every(own)][-1:]), target), f"before restore to {target.number}"
    before = camera.take(why=why, seq=NO_SEQ, head=newest.head, is_new=True, seen=now)
    then = manifest_of(camera.store, target)
    work = _Work(tree, agent, target, then, tuple(paths))
    steps = steps_between(now, then, paths)
    with work.told():
        ready = work.make_ready(
            steps, camera.store
        )  # a content that is lost is found before anything changes
        os.sync()  # what is replaced is kept for good
        told: RestoringFile = {"target": target.number, "before": before.number, "paths": sorted(paths)}
        atomic.replace(own.restoring / RESTORING, codec.encode(told) + b"\n")
        work.put(steps, ready)
    work.end()
    return before


def finish(tree: Tree, agent: str) -> RestoringFile | None:
    """Bring a restore that was cut off to its end; what it was, None if there is none. The lock is held.

    Raises Damaged, StorageError.
    """
    own = tree.agent(agent)
    told = under_way(own)
    if told is None:
        return None
    target = read(own, told["target"])
    camera = Camera(tree, agent, target.place)
    then = manifest_of(camera.store, target)
    work = _Work(tree, agent, target, then, tuple(told["paths"]))
    steps = steps_between(camera.look(), then, told["paths"])
    with work.told():
        work.put(steps, work.make_ready(steps, camera.store))
    work.end()
    return told


class RestoringFile(TypedDict):
    """A restore that is under way."""

    target: int  # the number of the snapshot to go to
    before: int  # of the one that was made of what was there
    paths: list[str]


@dataclass(frozen=True, slots=True)
class _Work:
    """The work is a restore under way."""

    tree: Tree
    agent: str
    target: Snapshot
    then: Manifest
    paths: tuple[str, ...]

    @property
    def own(self) -> AgentPaths:
        return self.tree.agent(self.agent)

    @property
    def root(self) -> Path:
        return folder_of(self.own, self.target.place)

    @contextmanager
    def told(self) -> Iterator[None]:
        try:
            yield
        except OSError as cause:
            raise storage_error("restore", self.root, cause) from cause

    def make_ready(self, steps: list[Step], store: Store) -> Mapping[str, Path | None]:
        atomic.make_folder(self.own.restoring)
        return _all_ready(self.own.restoring / "contents", steps, store)

    def put(self, steps: list[Step], ready: Mapping[str, Path | None]) -> None:
        put_all(self.root, steps, ready)
        os.sync()

    def end(self) -> None:
        """See that it is as it should be, and forget that it was under way."""
        after = Camera(self.tree, self.agent, self.target.place)
        with after.in_use():
            seen = after.look()
            left = steps_between(seen, self.then, self.paths)
            if left:
                raise Damaged(
                    f"{self.root}: {left[0].path} is not as it should be after a restore; "
                    "somebody writes there"
                )
            newest = next(iter([*every(self.own)][-1:]), self.target)
            why = f"restored to {self.target.number}"
            after.take(why=why, seq=NO_SEQ, head=newest.head, is_new=True, seen=seen)
        disk.unlink(self.own.restoring / RESTORING)
        shutil.rmtree(self.own.restoring, ignore_errors=True)


def under_way(paths: AgentPaths) -> RestoringFile | None:
    """Read what is on record of a restore that has not ended. Raises Damaged."""
    path = paths.restoring / RESTORING
    try:
        told: RestoringFile = codec.decode(read_record(path))
        _see_form(told)
    except FileNotFoundError:
        return None
    except (OSError, codec.NotJson, TypeError) as cause:
        raise Damaged(
            f"{path}: cannot be read ({reason_of(cause)}); remove it, then restore again"
        ) from cause
    return told


def _see_form(told: object) -> None:
    """Raise TypeError unless it is an object with what a restore needs."""
    if not isinstance(told, dict) or type(told.get("target")) is not int:
        raise TypeError("it names no 'target'")
    paths = told.get("paths")
    if not isinstance(paths, list) or not all(isinstance(path, str) for path in paths):
        raise TypeError("its 'paths' are no list of texts")


def lay_out(store: Store, manifest: Manifest, paths: Collection[str], folder: Path) -> int:
    """Put the files of `manifest` into the new or empty `folder`; how many. Raises BadInput, Damaged."""
    if exists(folder) and (not is_dir(folder) or any(folder.iterdir())):
        raise BadInput(f"{folder}: is not empty; name a new or empty folder")
    folder.mkdir(parents=True, exist_ok=True)
    empty = Manifest(top="", entries={})
    steps = steps_between(empty, manifest, paths)
    aside = folder.with_name(f".{folder.name}.maos-new")
    try:
        put_all(folder, steps, _all_ready(aside, steps, store))
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return sum(step.after is not None and step.after.kind != FOLDER for step in steps)


def _lies_in(path: str, excluded: Collection[str]) -> bool:
    """The path was left out of the snapshot, which says nothing of it then."""
    return any(path == one or path.startswith(f"{one}/") for one in excluded)


def _all_ready(contents: Path, steps: list[Step], store: Store) -> Mapping[str, Path | None]:
    """All that is new, in files beside the place. Raises Damaged where a content is lost."""
    shutil.rmtree(contents, ignore_errors=True)
    contents.mkdir(parents=True, mode=atomic.FOLDER_MODE)
    return {step.path: _made_ready(contents, number, step, store) for number, step in enumerate(steps)}


def put_all(root: Path, steps: list[Step], ready: Mapping[str, Path | None]) -> None:
    """Remove, rename into place, and set modes and times."""
    for step in reversed(steps):  # what lies in a folder goes before it
        if step.before is not None and (step.after is None or step.after.kind != step.before.kind):
            _remove(root, step)
    for step in steps:
        if step.after is not None:
            _put(root, step, ready)
    for step in reversed(steps):
        if step.after is not None and step.after.kind == FOLDER:
            with _beneath(root, step.path) as (folder, name):
                os.chmod(name, step.after.mode, dir_fd=folder)
                os.utime(name, ns=(step.after.mtime_ns, step.after.mtime_ns), dir_fd=folder)


def _made_ready(contents: Path, number: int, step: Step, store: Store) -> Path | None:
    after = step.after
    if after is None or after.kind == FOLDER:
        return None
    path = contents / str(number)
    data = store.get(after.object)
    if after.kind == LINK:
        Path(path).symlink_to(os.fsdecode(data))
    else:
        descriptor = disk.create(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            atomic.write_all(descriptor, data)
            os.fchmod(descriptor, after.mode)
        finally:
            os.close(descriptor)
    os.utime(path, ns=(after.mtime_ns, after.mtime_ns), follow_symlinks=False)
    return path


def _put(root: Path, step: Step, ready: Mapping[str, Path | None]) -> None:
    with _beneath(root, step.path, makes=True) as (folder, name):
        source = ready[step.path]
        if source is not None:
            disk.rename_to(source, folder, name)
            return
        with suppress(FileExistsError):
            os.mkdir(name, 0o700, dir_fd=folder)


def _remove(root: Path, step: Step) -> None:
    with suppress(FileNotFoundError, NotADirectoryError), _beneath(root, step.path) as (folder, name):
        mode = os.lstat(name, dir_fd=folder).st_mode
        if stat.S_ISDIR(mode):
            with suppress(OSError):  # something lies there that no snapshot has
                os.rmdir(name, dir_fd=folder)
        else:
            disk.unlink_in(folder, Path(name))


@contextmanager
def _beneath(root: Path, path: str, *, makes: bool = False) -> Iterator[tuple[int, str]]:
    """The open folder that `path` lies in, beneath `root`, and its name there; no link is entered.

    With `makes`, folders on the way are made, and what is no folder in their place is removed.
    """
    *above, name = path.split("/")
    folder = os.open(root, _FOLDER_FLAGS)
    try:
        for part in above:
            inner = _entered(folder, part, makes=makes)
            os.close(folder)
            folder = inner
        yield folder, name
    finally:
        os.close(folder)


def _entered(folder: int, part: str, *, makes: bool) -> int:
    try:
        return os.open(part, _FOLDER_FLAGS, dir_fd=folder)
    except (FileNotFoundError, NotADirectoryError, OSError):
        if not makes:
            raise
    with suppress(FileNotFoundError):
        os.unlink(part, dir_fd=folder)
    os.mkdir(part, 0o700, dir_fd=folder)
    return os.open(part, _FOLDER_FLAGS, dir_fd=folder)


__all__ = ["FILE", "Step", "finish", "lay_out", "put_all", "restore", "steps_between", "under_way"]
