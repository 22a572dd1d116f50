"""A follower that sends the spans of one tree as they end: a process beside the team, which costs it nothing.

It only reads the tree; which spans the collector has taken it notes in `run/`, so that the next one, after a
crash, sends the rest. A collector that is down is asked again until nobody has lived here for a while; what
it missed, the next follower sends, or `maos-sup trace`.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

from maos_sup.core.telemetry import wants_spans
from maos_sup.projection.reading import Reading, Redact
from maos_sup.traces.sending import Exporter, SendingManner
from maos_sup.traces.sent import SentSpans
from maos_sup.traces.settings import manner_of
from state_layout.errors import LayoutError
from state_layout.files import atomic
from state_layout.files.chain import utc_now
from state_layout.files.fence import is_home, leave, settle
from state_layout.files.locks import take_life_lock
from state_layout.host.inhabited import is_inhabited
from state_layout.paths import Tree
from state_layout.records import Telemetry
from state_layout.specs import read_specs
from state_layout.tree import open_tree

_SHORTEST_S, _LONGEST_S = 1.0, 20.0  # between two looks
_MOST_SHARE = 0.01  # of a processor
_FIRST_RETRY_S, _LAST_RETRY_S = 1.0, 30.0
_PATIENCE_S = 60.0  # with a collector that is down, when nobody lives any more
RedactOf = Callable[[Tree], Redact]
Place = tuple[int, int]  # of the spec: size, time of change


def follow(root: Path, environment: Mapping[str, str], redact_of: RedactOf) -> None:
    """Send what ends in `root`, until nobody lives there or it is not wanted any more.

    Raises NotATree, Locked (another one does), StorageError.
    """
    tree = open_tree(root)
    atomic.make_folder(tree.otel)
    lock = take_life_lock(tree.otel_file("lock"))
    settle(tree.root)
    try:
        _SpanFollower(tree, environment, redact_of).run()
    finally:
        lock.release()
        leave(tree.root)


class _SpanFollower:
    def __init__(self, tree: Tree, environment: Mapping[str, str], redact_of: RedactOf) -> None:
        self._tree, self._environment, self._redact_of = tree, environment, redact_of
        self._place: Place | None = None
        self._wish: Telemetry | None = None
        self._exporter: Exporter | None = None
        self._trouble: str | None = None
        self._troubled_since_s = 0.0
        self._retry_s = _FIRST_RETRY_S

    def run(self) -> None:
        """Look, send, wait, until it is over. Raises StorageError."""
        while is_home(self._tree.root) and self._is_wanted():
            was_inhabited, cost_s = is_inhabited(self._tree), time.process_time()
            try:
                self._export()
                if not was_inhabited:
                    return
            except LayoutError as cause:
                self._have_trouble(str(cause))
                if not was_inhabited and time.monotonic() - self._troubled_since_s > _PATIENCE_S:
                    return
                time.sleep(self._retry_s)
                self._retry_s = min(_LAST_RETRY_S, self._retry_s * 2)
                continue
            self._trouble, self._retry_s = None, _FIRST_RETRY_S
            least_s = (time.process_time() - cost_s) / _MOST_SHARE
            time.sleep(min(_LONGEST_S, max(_SHORTEST_S, least_s)))

    def _is_wanted(self) -> bool:
        """Look at the spec where it changed; whether it, or the environment, still asks for spans."""
        with suppress(OSError):
            found = self._tree.orchestration_spec.stat()
            place = found.st_size, found.st_mtime_ns
            if place != self._place:
                with suppress(LayoutError):  # what was good last is in force
                    wish = read_specs(self._tree).specs.orchestration.otel
                    self._exporter = self._exporter if wish == self._wish else None
                    self._wish = wish
                self._place = place
        return wants_spans(self._wish, self._environment)

    def _export(self) -> None:
        if self._exporter is None:
            manner = manner_of(self._environment, self._wish)
            reading = Reading(self._tree, redact=self._redact_of(self._tree))
            self._exporter = Exporter(reading, manner, SentSpans(self._kept_in(manner)))
        self._exporter.export()

    def _kept_in(self, manner: SendingManner) -> Path:
        """Name the file of what this collector has taken: by a hash, since an address may hold a key."""
        return self._tree.otel_file(f"{sha256(manner.collector.url.encode()).hexdigest()[:12]}.sent")

    def _have_trouble(self, text: str) -> None:
        if self._trouble is None:
            self._troubled_since_s = time.monotonic()
        if text != self._trouble:
            sys.stderr.write(f"{utc_now()} {text}\n")
            sys.stderr.flush()
        self._trouble = text
