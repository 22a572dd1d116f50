"""Trees as they are looked at: their readers, one look at a time, and only while somebody looks."""

from __future__ import annotations

import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple

from maos_sup.cuts import store
from maos_sup.cuts.difference import Side, differences, shared_differences, spec_differences
from maos_sup.cuts.going_back import preview_rollback
from maos_sup.cuts.take import cut_of_now
from maos_sup.metrics.families import TreeFigures
from maos_sup.metrics.gathering import figures_of
from maos_sup.projection.cost_reader import CostReader
from maos_sup.projection.costs import Costs
from maos_sup.projection.reading import Reading, Redact
from maos_sup.projection.text import plain
from maos_sup.projection.timeline import Timeline, timeline_of
from maos_sup.projection.wants import Wanted, wants_of
from maos_sup.views.undoing import difference_lines, preview_lines
from state_layout.errors import LayoutError, NotATree
from state_layout.files.looking import exists
from state_layout.paths import Tree

if TYPE_CHECKING:
    from maos_sup.views.shapes import Status

_MOST_OPEN = 256  # trees whose readers are kept; more than are listed
_FRESH_S = 0.2  # a status this old is shown again
_COSTS_FRESH_S = 2.0
_PARTS = frozenset({"agents", "tasks", "mail", "state", "cost", "specs"})
MOST_LISTED = 200
MOST_LANES = 40  # of a timeline, in one window

ListTrees = Callable[[], Sequence[Tree]]
Word = Callable[[Tree], str]


def key_of(tree: Tree) -> str:
    """Name a tree for addresses: what a request says is never a path."""
    return sha256(os.fsencode(tree.root)).hexdigest()[:12]


class TimeWindow(NamedTuple):
    """Says what of a timeline is drawn: from when to when (None: all), how many lanes from which on."""

    since_s: float | None = None
    until_s: float | None = None
    first: int = 0
    lanes: int = MOST_LANES


class ShownTree:
    """The object reads one tree as it is shown. Its locks let one look at a time be made; money, which
    takes longer, has its own reader."""

    def __init__(self, tree: Tree, *, word: str, redact: Redact) -> None:
        self.tree, self.word, self.key = tree, word, key_of(tree)
        self._lock, self._costs_lock = threading.Lock(), threading.Lock()
        self._redact = redact
        self.reading = Reading(tree, redact=redact)
        self._cost_reader = CostReader(Reading(tree, redact=redact))
        self._status: Status | None = None
        self._stale_s = 0.0
        self._costs: tuple[float, tuple[float, int], Costs] | None = None  # when, of which sums
        self._timeline: tuple[float, TimeWindow, Timeline] | None = None

    def status(self) -> Status:
        """Read the status, at most a moment old. Raises LayoutError."""
        with self._lock:
            begun_s = time.monotonic()
            self.be_there()
            if self._status is None or begun_s > self._stale_s:
                if self._timeline is not None and begun_s > self._timeline[0]:
                    self._timeline = None  # nobody shares it any more
                self._status = self.reading.status()
                now_s = time.monotonic()
                self._stale_s = now_s + max(
                    _FRESH_S, now_s - begun_s
                )  # a large tree is not looked at all the time
            return self._status

    def be_there(self) -> None:
        """Raise NotATree for one that has gone: readers would go on with what they remember."""
        if not exists(self.tree.format):
            raise NotATree(f"{self.tree.root}: is not there any more")

    def wants(self) -> list[Wanted]:
        """List what waits for a person. Raises LayoutError."""
        return wants_of(self.status(), name=self.word)

    def costs(self) -> Costs:
        """Say where the money went, at most seconds old, and never older than the sums of `status`, or a page
        that is told of a change would keep what was before it. The first look reads all. Raises LayoutError.
        """
        status = self.status()
        sums = status["counts"]["cost_usd"], status["counts"]["tokens"]
        with self._costs_lock:
            now_s = time.monotonic()
            if self._costs is None or now_s - self._costs[0] > _COSTS_FRESH_S or self._costs[1] != sums:
                self._costs = (now_s, sums, self._cost_reader.costs(status, now_s=time.time()))
            return self._costs[2]

    def timeline(self, window: TimeWindow) -> Timeline:
        """Read a window of the timeline, the same for all who ask in a moment. Raises LayoutError."""
        status = self.status()
        with self._lock:
            now_s = time.monotonic()
            if self._timeline is not None and self._timeline[1] == window and now_s <= self._timeline[0]:
                return self._timeline[2]
            found = timeline_of(
                self.reading,
                status,
                now_s=time.time(),
                since_s=window.since_s,
                until_s=window.until_s,
                first=window.first,
                most_lanes=window.lanes,
            )
            done_s = time.monotonic()
            self._timeline = done_s + max(_FRESH_S, done_s - now_s), window, found
            return found

    def difference_lines(self, checkpoint: str, other: str | None) -> list[str]:
        """Say what differs between a checkpoint and another one, or now. Raises LayoutError."""
        left, right, redact = self._side(checkpoint), self._side(other), self._redact
        lines = difference_lines(
            left,
            right,
            differences(left, right, redact=redact),
            spec_differences(left, right),
            _PARTS,
            shared=shared_differences(left, right),
            redact=redact,
        )
        return [plain(redact(line)) for line in lines]

    def _side(self, checkpoint: str | None) -> Side:
        if checkpoint is None:
            return Side(tree=self.tree, cut=cut_of_now(self.tree), label="now")
        cut = store.find(self.tree, checkpoint)
        return Side(tree=self.tree, cut=cut, label=f"checkpoint {cut.label}")

    def rollback_lines(self, checkpoint: str) -> list[str]:
        """Say what going back to a checkpoint would do. Raises LayoutError."""
        cut = store.find(self.tree, checkpoint)
        preview = preview_rollback(self.tree, cut, redact=self._redact)
        return [plain(self._redact(line)) for line in preview_lines(preview)]

    def figures(self) -> TreeFigures:
        """Collect what metrics tell. Raises LayoutError."""
        costs, status = self.costs(), self.status()
        with self._lock:
            return figures_of(self.reading, status, costs, now_s=time.time())

    def locked(self) -> threading.Lock:
        """The lock under which `reading` may be used."""
        return self._lock


class ShownTrees:
    """All trees that are shown: given ones, or those of the home as it is at each look."""

    def __init__(self, list_trees: ListTrees, *, word: Word, redact: Callable[[Tree], Redact]) -> None:
        self._list, self._word, self._redact = list_trees, word, redact
        self._open = OrderedDict[str, ShownTree]()
        self._lock = threading.Lock()

    def trees(self) -> list[Tree]:
        """List the newest trees, the newest first. Raises LayoutError."""
        return [*reversed(self._list())][:MOST_LISTED]

    def find(self, key: str) -> ShownTree | None:
        """The tree of that key, if it is one of those that are shown."""
        with self._lock:
            found = self._open.get(key)
            if found is not None and exists(found.tree.format):
                self._open.move_to_end(key)
                return found
        tree = next((tree for tree in self._list() if key_of(tree) == key), None)
        return None if tree is None else self._opened(tree)

    def listed(self) -> list[dict[str, object]]:
        """Make a row for each tree, the newest first."""
        return [self._row(tree) for tree in self.trees()]

    def warm(self) -> None:
        """Read what a first screen needs, before it is asked for; what cannot be read is told when it is."""
        try:
            if len(self.listed()) == 1:
                self._opened(self.trees()[0]).timeline(TimeWindow())
        except LayoutError:
            return

    def figures(self) -> list[TreeFigures]:
        """Collect what metrics tell of all of them; what cannot be read is left out."""
        found = []
        for tree in self.trees():
            try:
                found.append(self._opened(tree).figures())
            except LayoutError:
                continue  # its row says why
        return found

    def _opened(self, tree: Tree) -> ShownTree:
        """Find the readers of `tree`: those that are kept, else new ones, for which the longest unused go."""
        key = key_of(tree)
        with self._lock:
            shown = self._open.get(key)
            if shown is None:
                shown = self._open[key] = ShownTree(tree, word=self._word(tree), redact=self._redact(tree))
            self._open.move_to_end(key)
            while len(self._open) > _MOST_OPEN:
                self._open.popitem(last=False)
        return shown

    def _row(self, tree: Tree) -> dict[str, object]:
        shown = self._opened(tree)
        head = {"key": shown.key, "id": tree.root.name}
        try:
            status = shown.status()
        except LayoutError as error:
            return {**head, "phase": "unreadable", "request": str(error)}
        counts = status["counts"]
        return {
            **head,
            "phase": str(status["phase"]),
            "request": status["request"],
            "created_at": status["created_at"],
            "tasks": counts["tasks"],
            "done": counts["tasks_by_phase"].get("done", 0),
            "agents": counts["agents"],
            "alive": counts["alive"],
            "cost_usd": counts["cost_usd"],
            "wants": len(shown.wants()),
        }
