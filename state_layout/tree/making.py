"""Make a tree: a whole one or none, whatever stops it.

A tree exists when its `FORMAT` does, and that is renamed into place last of all. The temporary `FORMAT` tells
a half-made folder from others; it is locked while the making goes on, and the next making there begins anew:
it removes only what making writes, never a file that an agent or a person could have put there.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from state_layout.errors import BadInput, Locked, storage_error
from state_layout.files import atomic, disk, locks
from state_layout.files.at_once import at_once
from state_layout.files.looking import is_dir, is_link
from state_layout.files.reading import Unreadable, is_file, is_folder, is_there, read_regular, real
from state_layout.paths import FORMAT_LINE, Tree, checked_name
from state_layout.specs.files import encoded_spec
from state_layout.tree.names import UNFINISHED
from state_layout.tree.readme import README

LARGEST_FILE_BYTES = 64 << 20
_MADE = frozenset({"README.txt", "spec", "supervisor", "agents", "mail", "budget", "run"})

Objects = Mapping[str, Mapping[str, Any]]


def create_tree(
    root: Path,
    *,
    orchestration: Mapping[str, Any],
    agents: Objects,
    tasks: Objects,
    files: Mapping[str, Path] | None = None,
) -> Tree:
    """Make a tree of these spec objects and copies of `files` (path in `spec/files` -> source), durably.

    Whatever stops it, there is a whole tree or none. The objects are not checked here but for their size.
    Raises BadInput if one is too large, or `root` is a tree already or holds anything else, Locked while
    another process makes it, StorageError.
    """
    tree = Tree(real(root))
    contents = _spec_contents(tree, orchestration, agents, tasks)
    sources = _sources(tree, files or {})
    try:
        _claim(tree)
        with _making(tree):
            _refuse_tree(tree)
            _close_to_others(tree)
            atomic.fsync_folder(tree.root)
            _clear(tree)
            _fill(tree, contents, sources)
            _publish(tree)
    except OSError as cause:
        raise storage_error("make the orchestration", tree.root, cause) from cause
    return tree


@contextmanager
def _making(tree: Tree) -> Iterator[None]:
    """Hold the lock of a making; on an error remove what was made, but for the lock's file and the folder.

    That file stays, since another process may be waiting for it.
    """
    try:
        lock = locks.take_life_lock(tree.root / UNFINISHED)
    except Locked as cause:
        raise Locked(f"{tree.root}: another process is making an orchestration here") from cause
    try:
        with ExitStack() as on_error:
            on_error.callback(_clear_quietly, tree)
            yield
            on_error.pop_all()
    finally:
        lock.release()


def _clear_quietly(tree: Tree) -> None:
    with suppress(OSError, BadInput):
        if not is_there(tree.format):
            _clear(tree)


def _spec_contents(
    tree: Tree, orchestration: Mapping[str, Any], agents: Objects, tasks: Objects
) -> dict[Path, bytes]:
    values = {tree.orchestration_spec: orchestration}
    values |= {tree.agent_spec(checked_name(name, "agent")): value for name, value in agents.items()}
    values |= {tree.task_spec(checked_name(name, "task")): value for name, value in tasks.items()}
    contents = {tree.readme: README}
    for path, value in values.items():
        try:
            contents[path] = encoded_spec(value)
        except BadInput as cause:
            raise BadInput(f"{path.relative_to(tree.root)}: {cause}") from cause
    return contents


def _sources(tree: Tree, files: Mapping[str, Path]) -> dict[Path, Path]:
    """Find the source of each target in `spec/files`. Raises BadInput for targets outside `spec/files` and
    sources that cannot be read."""
    sources = dict[Path, Path]()
    for rel, source in files.items():
        path = PurePosixPath(rel)
        if path.is_absolute() or ".." in path.parts or not path.parts or "\0" in rel:
            raise BadInput(f"{rel!r}: cannot be a path in spec/files; use a relative one without '..'")
        if not is_file(source):
            raise BadInput(f"{source}: is no file that can be copied to spec/files")
        sources[tree.files / path] = source
    return sources


def _claim(tree: Tree) -> None:
    """Make sure that the folder is there and free. Raises BadInput."""
    if is_there(tree.root) and not is_folder(tree.root):
        raise BadInput(f"{tree.root}: is a file; name a new or empty folder")
    atomic.make_folder(tree.root)
    _refuse_tree(tree)
    names = {entry.name for entry in tree.root.iterdir()}
    if not names:
        return
    others = sorted(name for name in names - _MADE if not atomic.is_temporary(name))
    if UNFINISHED not in names or others:
        example = (others or sorted(names))[0]
        raise BadInput(f"{tree.root}: is not empty (it holds {example!r}); name a new or empty folder")
    for name in sorted(names & _MADE - {"README.txt"}):
        _refuse_what_was_not_made(tree.root / name, holds_files=name == "spec")


def _refuse_what_was_not_made(folder: Path, *, holds_files: bool) -> None:
    """Making makes folders, and files only in `spec`: anything else there is somebody's."""
    for found in [folder] if holds_files else [folder, *folder.rglob("*")]:
        if not is_dir(found) or is_link(found):
            raise BadInput(f"{found}: does not belong to a half-made orchestration; name another folder")


def _close_to_others(tree: Tree) -> None:
    """Close a folder that somebody made for us, as wide as his umask: a tree is for its owner alone."""
    if tree.root.stat().st_mode & 0o777 != atomic.FOLDER_MODE:
        disk.chmod(tree.root, atomic.FOLDER_MODE)


def _refuse_tree(tree: Tree) -> None:
    if is_there(tree.format):
        disk.unlink(tree.root / UNFINISHED)
        raise BadInput(f"{tree.root}: is an orchestration already; resume it or name another folder")


def _clear(tree: Tree) -> None:
    """Remove what a making that was cut off left, and nothing else."""
    disk.unlink(tree.readme)
    for name in sorted(_MADE - {"README.txt"}):
        if is_there(tree.root / name):
            _remove_folder(tree.root / name, with_files=name == "spec")


def _remove_folder(folder: Path, *, with_files: bool) -> None:
    for path in sorted(folder.iterdir()):
        if is_dir(path) and not is_link(path):
            _remove_folder(path, with_files=with_files)
        elif with_files:
            disk.unlink(path)
    disk.rmdir(folder)


def _fill(tree: Tree, contents: Mapping[Path, bytes], sources: Mapping[Path, Path]) -> None:
    folders = {tree.agent_specs, tree.task_specs, tree.approvals, tree.files}
    folders |= {tree.supervisor, tree.agents, tree.mail, tree.budget, tree.run}
    folders |= {path.parent for path in sources}
    agents = [path.stem for path in contents if path.parent == tree.agent_specs]
    folders |= {tree.mail_box(name) for name in ("all", *agents)}  # so that people can append at once
    empty = {folder for name in agents for folder in _rooms_of(tree, name)}  # so that agents start at once
    made = [folder for folder in _make_folders(tree, folders | empty) if folder not in empty]
    at_once(partial(_write, path, data, atomic.FILE_MODE) for path, data in contents.items())
    for path, source in sources.items():
        _copy(source, path)
    for folder in made:
        atomic.fsync_folder(folder)


def _rooms_of(tree: Tree, agent: str) -> list[Path]:
    """The folders an agent needs before it does anything. To lose an empty one does no harm."""
    paths = tree.agent(agent)
    return [paths.attempts, paths.session, paths.workspace, paths.artifacts]


def _make_folders(tree: Tree, folders: set[Path]) -> list[Path]:
    """Make `folders` and those between them and the tree; return all, the tree's own included."""
    made = {tree.root}
    for folder in folders:
        made |= {folder, *(parent for parent in folder.parents if parent.is_relative_to(tree.root))}
    for folder in sorted(made - {tree.root}):
        disk.mkdir(folder, atomic.FOLDER_MODE)
    return sorted(made, reverse=True)


def _copy(source: Path, target: Path) -> None:
    try:
        data, _ = read_regular(source, most_bytes=LARGEST_FILE_BYTES, through_links=True)
    except FileNotFoundError as cause:
        raise BadInput(f"{source}: has gone before it was copied; run it again") from cause
    except Unreadable as cause:
        raise BadInput(f"{source}: {cause}") from cause
    runs = source.stat().st_mode & 0o100
    _write(target, data, atomic.FOLDER_MODE if runs else atomic.FILE_MODE)


def _write(path: Path, data: bytes, mode: int) -> None:
    """Write a new file, synced; its name becomes durable with its folder."""
    descriptor = disk.create(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        atomic.write_all(descriptor, data)
        disk.fsync(descriptor)
    finally:
        os.close(descriptor)


def _publish(tree: Tree) -> None:
    unfinished = tree.root / UNFINISHED
    with atomic.opened(unfinished, os.O_WRONLY) as descriptor:
        disk.truncate(descriptor, 0)
        atomic.write_all(descriptor, FORMAT_LINE)
        disk.fsync(descriptor)
    disk.rename(unfinished, tree.format)
    atomic.fsync_folder(tree.root)
