"""Says what this process started and what that started: told, reaped and ended, wherever it went to hide.

While an agent lives it is the subreaper of all that it started (`linux.become_subreaper`), so every orphan
is its child again. What a dead agent left is known by its mark.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Set as AbstractSet
from contextlib import suppress

from maos_sup.system.ending import Look, Sighting, Swept, end_all, find
from maos_sup.system.processes import (
    belonging,
    knows_children,
    parents_first,
    read_children,
    read_descendants,
    read_table,
)
from maos_sup.system.targets import Target, await_ends, hold_row
from state_layout.host.kernel import is_linux
from state_layout.host.marks import MARK_VARIABLE, NO_ONES

MOST_NEAR_GLANCES = 10_000  # where only what this process started comes and goes
KILL_PATIENCE_S = 2.0
_MOST_TRIES = 5  # at what is born and gone faster than it can be looked at
_BETWEEN_LOOKS_S = 0.1


def has_children() -> bool:
    """This process may have a child, dead or alive."""
    if not is_linux():
        return True  # an orphan is nobody's child here: only a look at all processes tells
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def reap(*, but: AbstractSet[int] = frozenset()) -> None:
    """Take note of the ends of children that are nobody's business; those of `but` are left to others."""
    for pid in read_children(os.getpid()) if knows_children() else ():
        if pid not in but:
            with suppress(ChildProcessError):
                os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG)


def look_below(known: AbstractSet[int]) -> Sighting:
    """Look for all that descends from this process and lives, but for the `known`.

    Without a child there is none, for orphans become our children: a hundred agents that end together do not
    look at all processes of the machine each.
    """
    if not has_children():
        return Sighting(rows=())
    own = os.getpid()
    if knows_children():
        listing = read_descendants(frozenset(read_children(own)), known)
        rows = parents_first(listing.table)
    else:
        listing = read_table(known)
        roots = {row.pid for row in listing.table.values() if row.parent == own}
        marks = {os.environ.get(MARK_VARIABLE, "")} - {
            "",
            NO_ONES,
        }  # of orphans that are nobody's child
        rows = belonging(listing.table, roots=roots, marks=marks, kin=lambda mark: True, spare={own})
    return Sighting(rows=rows, pids=listing.pids, is_torn=listing.is_torn)


def end_descendants(*, grace_s: float) -> Swept:
    """End all that descends from this process: TERM, `grace_s`, KILL until nothing is left."""
    _ask_to_end(look_below, until_s=time.monotonic() + grace_s)
    return _end_for_sure(look_below, glances=MOST_NEAR_GLANCES)


def end_marked(marks: AbstractSet[str]) -> Swept:
    """End all that wears one of `marks`, with what descends from it, at once; never this process.

    Looks again as long as it ended something and cannot tell whether that was all.
    """

    def look(known: AbstractSet[int]) -> Sighting:
        listing = read_table(known)
        rows = belonging(listing.table, marks=marks, spare={os.getpid()})
        return Sighting(rows=rows, pids=listing.pids, is_torn=listing.is_torn)

    ended = 0
    for _ in range(_MOST_TRIES):
        swept = end_all(look, patience_s=KILL_PATIENCE_S)
        ended += swept.ended
        if swept.is_sure or swept.left or not swept.ended:
            break
    return Swept(ended=ended, left=swept.left, is_sure=swept.is_sure)


def _ask_to_end(look: Look, *, until_s: float) -> None:
    """TERM once to whatever `look` finds until nothing is there or `until_s` (monotonic) has come."""
    asked = set[int]()
    while (now_s := time.monotonic()) < until_s:
        rows = find(look, until_s, glances=MOST_NEAR_GLANCES).rows
        if not rows:
            return
        targets = [target for row in rows if (target := hold_row(row)) is not None]
        for target in targets:
            if target.pid not in asked:
                target.send(signal.SIGTERM, signal.SIGCONT)  # what is stopped would not hear the TERM
                asked.add(target.pid)
        _await_change(targets, min(until_s, now_s + _BETWEEN_LOOKS_S))


def _await_change(targets: list[Target], until_s: float) -> None:
    """Wait until all of `targets` have ended, a moment at most."""
    try:
        await_ends(targets, until_s)
    finally:
        for target in targets:
            target.close()


def _end_for_sure(look: Look, *, glances: int) -> Swept:
    """End what `look` finds; again where a look could not tell whether anything is left."""
    ended = 0
    for _ in range(_MOST_TRIES):
        swept = end_all(look, patience_s=KILL_PATIENCE_S, glances=glances)
        ended += swept.ended
        if swept.is_sure or swept.left:
            break
    return Swept(ended=ended, left=swept.left, is_sure=swept.is_sure)
