"""Branches of ours, read and moved by hand, under git's own lock files: git would run hooks for it.

Only `refs/heads/maos/*` is ever written. Durable on return. The reflog is kept, so that a commit that was a
branch's end can be found again.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from maos_sup.workspaces.repository import HEX, NoWorktree
from state_layout.errors import BadInput, storage_error
from state_layout.files import atomic, disk
from state_layout.files.locks import try_lock
from state_layout.files.looking import is_dir
from state_layout.files.reading import read_foreign

PREFIX = "refs/heads/maos/"
_PATIENCE_S = 10.0
_MODE, _FOLDER_MODE = 0o644, 0o755
_MOST_LINKS = 5


class Moved(BadInput):
    """A branch is not where it was believed to be."""


def read_ref(common: Path, ref: str) -> str | None:
    """The commit that `ref` names, None if it is not there."""
    for _ in range(_MOST_LINKS):
        told = _loose(common / ref)
        if told is None:
            return dict(packed_refs(common)).get(ref)
        if not told.startswith("ref:"):
            return told if HEX.fullmatch(told) else None
        ref = told.removeprefix("ref:").strip()
    return None


def read_head(git_dir: Path, common: Path) -> tuple[str | None, str | None]:
    """The branch that is checked out (None: detached) and its commit (None: there is none yet)."""
    told = _loose(git_dir / "HEAD") or ""
    if told.startswith("ref:"):
        ref = told.removeprefix("ref:").strip()
        return ref, read_ref(common, ref)
    return None, told if HEX.fullmatch(told) else None


def packed_refs(common: Path) -> Iterator[tuple[str, str]]:
    """Name and commit of each packed ref."""
    try:
        lines = read_foreign(common / "packed-refs").decode("utf-8", "surrogateescape").splitlines()
    except OSError:
        return
    for line in lines:
        commit, _, ref = line.partition(" ")
        if ref and HEX.fullmatch(commit):
            yield ref, commit


def refuse_blocked(common: Path) -> None:
    """Raise NoWorktree where a branch called `maos` stands in the place of ours."""
    if read_ref(common, "refs/heads/maos") is not None:
        raise NoWorktree(
            f"{common}: has a branch called 'maos', so git can have none called 'maos/...'; rename it "
            "(git branch -m maos OTHER), or give the agents workspace = 'shared'"
        )


def move_ref(common: Path, ref: str, commit: str, *, old: str | None, why: str) -> None:
    """Have `ref`, one of ours, name `commit` if it names `old` (None: if it is not there).

    Raises Moved if it does not, StorageError.
    """
    if not ref.startswith(PREFIX):
        raise ValueError(f"{ref} is no branch of ours")
    path = common / ref
    try:
        _make_folders(path.parent)
        with _locked(path) as (lock, descriptor):
            found = read_ref(common, ref)
            if found != old:
                raise Moved(f"{ref}: is at {found or 'nothing'}, not at {old or 'nothing'}; look again")
            atomic.write_all(descriptor, f"{commit}\n".encode())
            disk.fsync(descriptor)
            _log(common, ref, old, commit, why)
            disk.rename(lock, path)
        atomic.fsync_folder(path.parent)
    except OSError as cause:
        raise storage_error("move the branch", path, cause) from cause


@contextmanager
def _locked(path: Path) -> Iterator[tuple[Path, int]]:
    """The lock file that git knows, beside the ref `path`, and its descriptor.

    It is a second name of a file of ours, on which we hold a `flock`: so what a dead process of ours left is
    told from the lock of a git that lives, and only that is removed. Raises Moved where git holds it.
    """
    own, lock = path.with_name(f".{path.name}.maos"), path.with_name(f"{path.name}.lock")
    until_s = time.monotonic() + _PATIENCE_S
    while (descriptor := _owned(own, lock)) is None:
        if time.monotonic() > until_s:
            raise Moved(f"{lock}: git is at work on this branch; remove it if no git runs, then try again")
        time.sleep(0.02)
    try:
        yield lock, descriptor
    finally:
        with suppress(OSError):
            if _is_one(lock, own):
                disk.unlink(lock)
        with suppress(OSError):
            disk.unlink(own)
        os.close(descriptor)


def _owned(own: Path, lock: Path) -> int | None:
    """The file `own`, new and held, with `lock` as its second name; None: another one is at it."""
    try:
        descriptor = disk.create(own, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _MODE)
    except FileExistsError:
        with suppress(FileNotFoundError), atomic.opened(own, os.O_RDONLY) as left:
            if try_lock(left) and _is_one(own, left):  # of a process of ours that died
                if _is_one(lock, own):
                    disk.unlink(lock)
                disk.unlink(own)
        return None
    if try_lock(descriptor) and _is_one(own, descriptor):
        with suppress(FileExistsError):
            disk.link(own, lock)
            return descriptor
        disk.unlink(own)
    os.close(descriptor)
    return None


def _is_one(path: Path, other: Path | int) -> bool:
    """Both are one file."""
    try:
        return os.path.samestat(
            os.lstat(path), os.lstat(other) if isinstance(other, Path) else os.fstat(other)
        )
    except FileNotFoundError:
        return False


def _make_folders(folder: Path) -> None:
    if is_dir(folder):
        return
    _make_folders(folder.parent)
    with suppress(FileExistsError):
        disk.mkdir(folder, _FOLDER_MODE)
    atomic.fsync_folder(folder.parent)


def _log(common: Path, ref: str, old: str | None, commit: str, why: str) -> None:
    path = common / "logs" / ref
    _make_folders(path.parent)
    head = (
        f"{old or '0' * len(commit)} {commit} maos-sup <maos-sup@maos-sup.invalid> {int(time.time())} +0000"
    )
    with suppress(OSError):  # a reflog is a help, no record
        descriptor = disk.create(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, _MODE)
        try:
            atomic.write_all(descriptor, os.fsencode(f"{head}\t{why}\n"))
        finally:
            os.close(descriptor)


def last_reason(common: Path, ref: str) -> str:
    """Say why `ref` was last moved, as its reflog has it; empty if it is not there or says nothing."""
    if read_ref(common, ref) is None:
        return ""
    try:
        lines = read_foreign(common / "logs" / ref).splitlines()
    except OSError:
        return ""
    return os.fsdecode(lines[-1].partition(b"\t")[2]) if lines else ""


def _loose(path: Path) -> str | None:
    try:
        return read_foreign(path).decode("utf-8", "surrogateescape").strip()
    except OSError:
        return None
