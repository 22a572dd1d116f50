"""Tells whether processes work on this very tree where `run/` does not let them be seen as usual.

Two ways lead there. A container has pids of its own: its handles name processes that have other numbers here,
or none. And a tree may have two names (a FUSE mount, a folder shared with a virtual machine) between which
device, inode and `flock` differ: seen by one name, what works by the other looks like the original of a copy.
"""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from state_layout.host.beats import LONGEST_REST_S, read_beat
from state_layout.host.identity import Handle, is_alive, is_of_other_namespace, read_handle
from state_layout.host.stats import boot_id
from state_layout.paths import Tree

LOOK_S = LONGEST_REST_S + 0.5
FRESH_S = 10.0  # an older beat is nobody's
_COPIED_S = 0.05  # between the times of content and of inode: a copy that kept the first
_LOOK_EVERY_S = 0.02


def place_of(handle: Handle) -> str:
    """Say in words where the process of `handle` runs."""
    host = f" on host {handle.host!r}" if handle.host else ""
    if is_of_other_namespace(handle):
        return f"process {handle.pid} of another pid namespace (a container?){host}"
    if handle.boot_id != boot_id():
        return f"process {handle.pid} of another machine or virtual machine{host}"
    return f"process {handle.pid}"


def works_under_another_name(tree: Tree) -> str | None:
    """Say in words where processes work on this very tree under another name; None if none are seen.

    Reads only, and waits for nothing: it tells of processes that can be seen from here.
    """
    return _words([_seen_name(tree, handle) for handle in _handles(tree) if is_alive(handle)])


def _words(told: Iterable[str | None]) -> str | None:
    names = sorted(name for name in told if name)
    return f"{names[0]!r}, another name of this folder" if names else None


def moves_under_another_name(tree: Tree, *, but: Collection[str] = ()) -> str | None:
    """Do as `works_under_another_name`; where no process is seen, await that a beat moves, at most
    `LOOK_S`.

    Agents of `but` say nothing of names: they live on whatever machine, this one perhaps. Only a beat that
    was written within `FRESH_S`, and not copied with its time, is worth the wait: a tree that was copied is
    taken up at once. The times compared are all of that file system.
    """
    living = [handle for handle in _handles(tree, but=but) if is_alive(handle)]
    told = [_seen_name(tree, handle) for handle in living]
    if any(told):
        return _words(told)
    if any(name is not None for name in told):
        return None  # what lives works on another folder: this is a copy of it
    before = {beat: read_beat(beat) for beat in _fresh_beats(tree) if beat.stem not in but}
    until_s = time.monotonic() + LOOK_S
    while before and time.monotonic() < until_s:
        for beat, counters in before.items():
            if (now := read_beat(beat)) is not None and now != counters:
                handle = read_handle(tree.handle(beat.stem)) or read_handle(tree.supervisor_handle)
                where = place_of(handle) if handle is not None else "another place"
                return f"{where}, under another name of this folder: {tree.shown(beat)} moves"
        time.sleep(_LOOK_EVERY_S)
    return None


def _handles(tree: Tree, *, but: Collection[str] = ()) -> Iterator[Handle]:
    passed_over = {tree.handle(agent) for agent in but}
    for path in (tree.supervisor_handle, *tree.run_agents.glob("*.handle.json")):
        handle = None if path in passed_over else read_handle(path)
        if handle is not None:
            yield handle


def _seen_name(tree: Tree, handle: Handle) -> str | None:
    """Find the name by which a living process works on `tree`; "" if on another folder, None if not told.

    The time at which an inode changed last cannot be copied: it is the same by both names of one file, and
    another one in a copy.
    """
    root = _root_of(handle.pid)
    if root is None:
        return None
    try:
        theirs = os.stat(f"/proc/{handle.pid}/root{root}/{tree.format.name}").st_ctime_ns  # noqa: PTH116
        ours = tree.format.stat().st_ctime_ns
    except OSError:
        return None
    if theirs == ours:
        return root
    is_coarse = not (theirs % 10**9 and ours % 10**9)
    return None if is_coarse and theirs // 10**9 == ours // 10**9 else ""


def _root_of(pid: int) -> str | None:
    """Find the root of the tree whose life lock a process holds open, as that process names it."""
    folder = Path(f"/proc/{pid}/fd")
    with suppress(OSError):
        for link in folder.iterdir():
            with suppress(OSError):
                parts = link.readlink().parts
                if parts[-2:] == ("supervisor", "lock"):
                    return str(Path(*parts[:-2]))
                if parts[-1:] == ("lock",) and parts[-3:-2] == ("agents",):
                    return str(Path(*parts[:-3]))
    return None


def _fresh_beats(tree: Tree) -> Iterator[Path]:
    """Yield the beats that may be somebody's: written a moment ago, and where they lie."""
    with suppress(OSError):
        os.utime(tree.supervisor_lock)
        now_s = tree.supervisor_lock.stat().st_mtime  # by the clock that the other times are of
        for beat in tree.run_agents.glob("*.beat"):
            with suppress(OSError):
                found = beat.stat()
                if now_s - found.st_mtime < FRESH_S and abs(found.st_ctime - found.st_mtime) < _COPIED_S:
                    yield beat
