"""A follower: the process that brings one mirror of one tree up to date, again and again.

It only reads the tree (what it says of itself lies in `run/`), holds a lock for life, and keeps nothing that
the mirror does not hold: killed at any instant, the next one goes on from the mirror's cursor. A mirror that
is down costs agents nothing; it is tried again until the tree has come to rest and for a while after.
"""

from __future__ import annotations

import os
import sys
import time
from contextlib import suppress
from math import inf
from pathlib import Path

from maos_sup.mirrors.looking import Looker
from maos_sup.mirrors.mirror import Cursor, Mirror, MirrorTrouble, Superseded
from maos_sup.mirrors.registry import open_mirror
from maos_sup.system.alarms import FolderAlarm
from state_layout.errors import BadInput, Damaged, StorageError
from state_layout.files import atomic, codec, disk
from state_layout.files.chain import utc_now
from state_layout.files.fence import is_home, leave, settle
from state_layout.files.locks import take_life_lock
from state_layout.host.identity import own_handle
from state_layout.host.inhabited import is_inhabited
from state_layout.host.mirrored import Mirrored, mirror_named
from state_layout.paths import Tree
from state_layout.tree import open_tree
from state_layout.witness import id_of

_SHORTEST_S, _LONGEST_S = 0.1, 20.0  # between two looks
_NEWS_SHARE, _NEWS_LONGEST_S = 0.02, 0.3  # of a processor, while there is news; a pause then, at most
_GROWTH = 1.5  # of the pause while nothing happens and nobody would tell
_MOST_SHARE = 0.0007  # of a processor, for looks at which nothing is found
_WHOLE_EVERY_S, _HEARD_WHOLE_EVERY_S = 20.0, 120.0  # the latter where each change rings an alarm
_ALIVE_EVERY_S = 15.0
_REST_S = 3.0  # after so long without news it is asked whether anybody lives
_PATIENCE_S = 60.0  # with a mirror that is down, when nobody lives any more
_FIRST_RETRY_S, _LAST_RETRY_S = 0.5, 30.0
_TOLD_EVERY_S = 2.0
_HOLD_S = 30.0  # a file that is missing for less may be one of a tree that is being deleted


def follow(root: Path, name: str, *, stays: bool = False) -> None:
    """Follow `root` for its mirror `name`, until the tree has come to rest (for ever if it `stays`).

    Raises NotATree, BadInput, Locked (another one follows, or took the mirror over), StorageError.
    """
    tree = open_tree(root)
    mirrored = mirror_named(tree, name)
    lock = take_life_lock(tree.mirror_file(name, "lock"))
    settle(tree.root)
    handle = tree.mirror_file(name, "handle.json")
    try:
        atomic.refresh(handle, codec.encode(own_handle(0).to_json()) + b"\n")
        _Follower(tree, mirrored, stays=stays).run()
    finally:
        with suppress(OSError):
            disk.unlink(handle)
        lock.release()
        leave(tree.root)


class _Follower:
    def __init__(self, tree: Tree, mirrored: Mirrored, *, stays: bool) -> None:
        self._tree, self._mirrored, self._stays = tree, mirrored, stays
        self._config = os.fspath(tree.mirror_file(mirrored.name, "json"))
        self._lines = 0  # that this follower took
        self._unapplied_bytes = 0  # of a batch that was made and not taken
        self._trouble: str | None = None
        self._troubled_since_s = 0.0
        self._retry_s = _FIRST_RETRY_S
        self._told: tuple[str, str | None] | None = None
        self._told_s = 0.0
        self._told_behind = False  # that it was behind: then it is told when it is not any more
        self._looker: Looker | None = None
        self._alarm = FolderAlarm()

    def run(self) -> None:
        """Follow until there is nothing left to follow. Raises Superseded, StorageError."""
        while self._is_wanted():
            try:
                if self._follow():
                    self._tell("ended")
                    return
            except Superseded as cause:
                self._trouble = str(cause)
                self._tell("ended")
                raise
            except (MirrorTrouble, BadInput) as cause:  # a variable that is not set, a package that lacks
                self._have_trouble(str(cause))
                if not self._stays and self._is_given_up():
                    return
                time.sleep(self._retry_s)
                self._retry_s = min(_LAST_RETRY_S, self._retry_s * 2)

    def _follow(self) -> bool:
        """Connect, and bring the mirror up to date again and again; true when the tree has come to rest."""
        mirror = open_mirror(self._mirrored.place, id_of(self._tree), may_make=True)
        try:
            self._looker = Looker(self._tree, mirror.cursor(), hold_s=_HOLD_S)
            return self._look_on(mirror, self._looker)
        finally:
            mirror.close()

    def _look_on(self, mirror: Mirror, looker: Looker) -> bool:
        pause_s, whole_s, alive_s = _SHORTEST_S, -inf, -inf  # the latter: when it was done last
        news_s, must_look = time.monotonic(), True
        while self._is_wanted():
            now_s, cost_s = time.monotonic(), time.process_time()
            whole_every_s = _HEARD_WHOLE_EVERY_S if self._is_heard(looker) else _WHOLE_EVERY_S
            is_whole, has_news = now_s - whole_s >= whole_every_s, False
            if must_look or is_whole or now_s >= looker.due_s:
                has_news = self._take(mirror, looker, is_whole=is_whole)
            whole_s = now_s if is_whole else whole_s
            self._trouble, self._retry_s = None, _FIRST_RETRY_S
            if has_news:
                news_s, pause_s = now_s, _pause_s(looker)
                self._tell("following", seldom=True)
                time.sleep(pause_s)
                continue
            if now_s - alive_s >= _ALIVE_EVERY_S:
                mirror.keep_alive()
                alive_s = now_s
            self._tell("following")
            rest_s = news_s + _REST_S
            is_at_rest = now_s > rest_s and not (looker.missing or looker.unsettled)
            if is_at_rest and not self._stays and not is_inhabited(self._tree):
                return not self._take(mirror, looker, is_whole=True)
            least_s = (time.process_time() - cost_s) / _MOST_SHARE
            pause_s = min(_LONGEST_S, pause_s * _GROWTH, max(least_s, 1.0))
            must_look = self._pause(looker, pause_s, until_s=rest_s if now_s <= rest_s else inf)
        return True

    def _pause(self, looker: Looker, pause_s: float, *, until_s: float) -> bool:
        """Sleep for `pause_s` after a look that found nothing; longer where an alarm wakes, but `until_s`.

        True if it is time to look again. The alarm is set between two such looks: what came before it was
        set, the second finds.
        """
        if self._is_heard(looker):
            longest_s = min(until_s, looker.due_s) - time.monotonic()
            has_rung = self._alarm.wait(min(_LONGEST_S, max(longest_s, _SHORTEST_S)))
            if has_rung:
                time.sleep(_pause_s(looker))  # what comes together is taken together
            return has_rung
        if looker.scanner.folders:
            self._alarm.watch(self._places(looker))
        time.sleep(pause_s)
        return True

    def _is_heard(self, looker: Looker) -> bool:
        """Say whether an alarm rings wherever something may change: what other machines write rings none."""
        scanner = looker.scanner
        return bool(scanner.folders) and not scanner.is_leased and self._alarm.covers(self._places(looker))

    def _places(self, looker: Looker) -> frozenset[str]:
        """All folders of mirrored files, and the one where the supervisor's handle goes when it ends."""
        return looker.scanner.folders | {str(self._tree.run)}

    def _take(self, mirror: Mirror, looker: Looker, *, is_whole: bool) -> bool:
        """Bring the mirror up to date once; whether there was anything new."""
        has_news = False
        for batch in looker.batches(is_whole=is_whole):
            self._unapplied_bytes = batch.size_bytes
            mirror.apply(batch)
            self._unapplied_bytes = 0
            self._lines += sum(len(run.raws) for lines in batch.lines for run in lines.runs)
            has_news = True
        return has_news

    def _is_wanted(self) -> bool:
        """The tree is still at its place, and the mirror is one of its mirrors."""
        return os.path.exists(self._config) and is_home(self._tree.root)  # noqa: PTH110 - at each look

    def _have_trouble(self, text: str) -> None:
        if self._trouble is None:
            self._troubled_since_s = time.monotonic()
            sys.stderr.write(f"{utc_now()} {text}\n")
        self._trouble = text
        with suppress(StorageError, Damaged):
            if self._looker is None:
                self._looker = Looker(self._tree, Cursor())
            self._looker.scanner.look(is_whole=True)
        self._tell("waiting")

    def _behind_bytes(self) -> int | None:
        return self._looker.behind_bytes + self._unapplied_bytes if self._looker is not None else None

    def _is_given_up(self) -> bool:
        lasted_s = time.monotonic() - self._troubled_since_s
        return lasted_s > _PATIENCE_S and not is_inhabited(self._tree)

    def _tell(self, state: str, *, seldom: bool = False) -> None:
        """Refresh what viewers are shown, where it changed; `seldom`: at most every two seconds."""
        troubles = [self._trouble] if self._trouble else []
        if self._looker is not None:
            troubles += [*self._looker.troubles.values(), *self._looker.scanner.left_out]
        known = (f"{state} {self._lines}", "; ".join(troubles) or None)
        now_s = time.monotonic()
        if known == self._told and self._trouble is None and not self._told_behind:
            return
        if seldom and now_s - self._told_s < _TOLD_EVERY_S:
            return
        behind = self._behind_bytes()
        self._told, self._told_s, self._told_behind = known, now_s, bool(behind)
        told = {
            "state": state,
            "at": utc_now(),
            "lag_bytes": behind,
            "lag_s": round(now_s - self._troubled_since_s, 1) if self._trouble else 0.0,
            "lines": self._lines,
            "trouble": known[1],
        }
        with suppress(StorageError):
            atomic.refresh(
                self._tree.mirror_file(self._mirrored.name, "status.json"), codec.encode_pretty(told)
            )


def _pause_s(looker: Looker) -> float:
    """Say how long to wait with a look while there is news: longer where a look costs more."""
    return min(_NEWS_LONGEST_S, max(_SHORTEST_S, looker.scanner.cost_s / _NEWS_SHARE))
