"""Finds what `git rev-parse --git-dir --git-common-dir` names for a folder, without running git.

A worktree, a submodule and a folder below the top of a repository have their git folder elsewhere, and a
confined git works only if it is opened. The `.git` file that says where is one that a confined program may
write. So what it names counts only if that names this place in turn, by a file that lies there: `gitdir` of a
worktree, `core.worktree` of a submodule. The common folder is where a worktree's folder lies, whatever a file
says. Configuration and hooks name programs that run when the user calls git: they are guarded.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from state_layout.files.looking import is_dir, is_link, is_regular
from state_layout.paths import FORMAT_WORD

_MOST_BYTES = 1 << 16
_MOST_MODULES = 200
_SECTION = re.compile(r"^\s*\[\s*([A-Za-z0-9.-]+)\s*\]")
_WORKTREE = re.compile(r"^\s*worktree\s*=\s*(.*?)\s*$", re.IGNORECASE)
_GUARDED = ("config", "config.worktree", "hooks", "commondir", "gitdir")
_HOOKS = "hooks"


@dataclass(frozen=True, slots=True, kw_only=True)
class GitPlaces:
    """Git needs these places (`open` to write, `read`); `guarded` is of them; `notes` are for a person."""

    open: tuple[Path, ...] = ()
    read: tuple[Path, ...] = ()
    guarded: tuple[Path, ...] = ()
    notes: tuple[str, ...] = ()


def git_places(folder: Path, *, branch: str | None = None) -> GitPlaces:
    """Find the places of the repository around `folder`, which has no links in its path. Reads files only.

    With `branch`, `folder` is in a worktree made for one agent, which may move that branch and write objects:
    nothing else that the worktrees share.
    """
    entry = _entry_of(folder)
    if entry is None:
        return GitPlaces()
    is_folder = stat.S_ISDIR(entry.lstat().st_mode)
    found = entry if is_folder else _named(entry)
    if found is None or not _is_ours(found):
        return GitPlaces(notes=_doubt(entry, found))
    common = found if is_folder else _confirmed(found, entry)
    if common is None or not _is_repository(common):
        return GitPlaces(notes=_doubt(entry, found) if not is_folder else ())
    guarded = [*_guarded_in(common), *(_guarded_in(found) if found != common else ())]
    if branch is not None and found != common:
        return GitPlaces(
            open=(found, common / "objects", *_rooms(common, branch)),
            read=(entry, common),
            guarded=tuple(dict.fromkeys([*guarded, entry, *_others(common, branch)])),
        )
    return GitPlaces(
        open=() if found.is_relative_to(folder) else (common,),
        read=() if is_folder else (entry,),
        guarded=tuple(dict.fromkeys([*guarded, *(() if is_folder else (entry,))])),
    )


def _entry_of(folder: Path) -> Path | None:
    """Find the nearest `.git`; of a folder in an orchestration not one that lies around that."""
    for above in (folder, *folder.parents):
        if _is_there(above / ".git"):
            return above / ".git"
        if (_read(above / "FORMAT") or "").startswith(f"{FORMAT_WORD} "):
            return None
    return None


def _rooms(common: Path, branch: str) -> Iterator[Path]:
    """Yield the folders where git keeps that branch and its log: it renames a lock into place there."""
    for folder in (common / "refs" / "heads", common / "logs" / "refs" / "heads"):
        room = (folder / branch).parent
        with suppress(OSError):
            room.mkdir(parents=True, exist_ok=True)
        if is_dir(room) and os.path.realpath(room) == str(room):
            yield room


def _others(common: Path, branch: str) -> Iterator[Path]:
    """Yield the branches of other agents that lie beside it, and their logs."""
    for room in _rooms(common, branch):
        own = room / branch.rpartition("/")[2]
        yield from (path for path in sorted(room.iterdir()) if path != own and _is_plain(path))


def _is_there(path: Path) -> bool:
    try:
        path.lstat()
    except OSError:
        return False
    return True


def _is_ours(path: Path) -> bool:
    """A folder of this user is at `path`: git trusts no other."""
    try:
        found = path.stat()
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid()


def _is_repository(path: Path) -> bool:
    return is_regular(path / "HEAD") and is_dir(path / "objects") and is_dir(path / "refs")


def _named(entry: Path) -> Path | None:
    """Find the folder that a `.git` file names; None for what is no such file."""
    text = _read(entry)
    if text is None or not text.startswith("gitdir:"):
        return None
    return Path(os.path.realpath(entry.parent / text.removeprefix("gitdir:").strip()))


def _read(path: Path) -> str | None:
    """Read the text of a small file, not through a link."""
    with suppress(OSError, UnicodeDecodeError):
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                return file.read(_MOST_BYTES).decode()
    return None


def _confirmed(found: Path, entry: Path) -> Path | None:
    """Find the common folder of the git folder `found`, if that says that it belongs to `entry`."""
    back = _read(found / "gitdir")
    if back is not None and found.parent.name == "worktrees":
        told = os.path.realpath(found / back.strip())
        return found.parent.parent if told == os.path.realpath(entry) else None
    for name in ("config", "config.worktree"):
        worktree = _worktree_of(_read(found / name) or "")
        if worktree is not None and "modules" in found.parts:
            return found if os.path.realpath(found / worktree) == str(entry.parent) else None
    return None


def _worktree_of(config: str) -> str | None:
    """Read `core.worktree` of a git configuration; files that it includes do not count."""
    section = ""
    for line in config.splitlines():
        if head := _SECTION.match(line):
            section = head[1].lower()
        elif section == "core" and (value := _WORKTREE.match(line)):
            return value[1].strip('"')
    return None


def _guarded_in(folder: Path) -> Iterator[Path]:
    """Yield what in a git folder, and in those of its submodules and worktrees, names programs."""
    with suppress(OSError):
        (folder / _HOOKS).mkdir(exist_ok=True)  # as git does: what is not there cannot be guarded
    inner = [*(folder / "worktrees").glob("*"), *_modules(folder / "modules", depth=4)]
    for place in (folder, *inner):
        yield from (place / name for name in _GUARDED if _is_plain(place / name))


def _modules(folder: Path, *, depth: int) -> Iterator[Path]:
    if depth == 0 or is_link(folder) or not is_dir(folder):
        return
    for path in sorted(folder.iterdir())[:_MOST_MODULES]:
        if is_regular(path / "HEAD"):
            yield path
            yield from _modules(path / "modules", depth=depth - 1)
        else:
            yield from _modules(path, depth=depth - 1)


def _is_plain(path: Path) -> bool:
    """A file or a folder is at `path`: a link would stand for what it points to."""
    try:
        mode = path.lstat().st_mode
    except OSError:
        return False
    return stat.S_ISREG(mode) or stat.S_ISDIR(mode)


def _doubt(entry: Path, found: Path | None) -> tuple[str, ...]:
    if found is None:
        return (f"{entry} is not a git folder nor names one; git will not work for confined commands",)
    return (
        f"{entry} names {found}, which does not name it in turn; it is not opened for confined commands, so "
        "git will not work for them; give it as 'sandbox_write' if that is meant",
    )
