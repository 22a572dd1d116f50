"""Says when programs wrote their lines, as far as that is on record:
output itself has no times in it. Only reads.

A line of `stdout.log` was there when a later journal line says that it was understood, when a checkpoint of
the team found the file that long, at the latest when the file was changed last. The first of these is its
time; it is exact to the moment for discoveries, else a bound from above.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from datetime import UTC, datetime

from maos_sup.views.output import OutputLine
from state_layout.errors import LayoutError
from state_layout.files import codec
from state_layout.files.journal import Reader
from state_layout.paths import Tree

_SOURCE = b'"source":{"file":"stdout.log"'


class OutputTimes:
    """The times of lines that are in the files already; what is recorded later is not seen."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._known: dict[tuple[str, int, str], list[tuple[int, str]]] = {}
        self._sizes: dict[str, list[tuple[int, str]]] | None = None

    def at(self, line: OutputLine) -> str | None:
        """Tell when `line` was there for certain, in UTC as records write it; None if its file is gone."""
        key = (line.agent, line.attempt, line.stream)
        if key not in self._known:
            self._known[key] = _rising(sorted(self._anchors(*key)))
        known = self._known[key]
        index = bisect_left(known, (line.end, ""))
        return known[index][1] if index < len(known) else None

    def _anchors(self, agent: str, attempt: int, stream: str) -> Iterator[tuple[int, str]]:
        paths = self._tree.agent(agent).attempt(attempt)
        path = paths.stdout if stream == "stdout" else paths.stderr
        if stream == "stdout":
            try:
                for line in Reader(paths.journal):
                    if _SOURCE in line.raw:
                        entry = line.fields()
                        yield int(entry["source"]["offset"]), str(entry["at"])
            except (LayoutError, codec.NotJson, KeyError, TypeError, ValueError):
                pass  # `check` says what is wrong with it
        if self._sizes is None:
            self._sizes = dict(self._sizes_in_checkpoints())
        yield from self._sizes.get(self._tree.shown(path), ())
        try:
            found = path.stat()
        except OSError:
            return
        changed = datetime.fromtimestamp(found.st_mtime, UTC)
        yield found.st_size, changed.isoformat(timespec="microseconds").replace("+00:00", "Z")

    def _sizes_in_checkpoints(self) -> Iterator[tuple[str, list[tuple[int, str]]]]:
        from maos_sup.cuts.store import all_cuts

        sizes = dict[str, list[tuple[int, str]]]()
        for cut in all_cuts(self._tree)[0]:
            for path, size in cut.output.items():
                sizes.setdefault(path, []).append((size, cut.at))
        yield from sizes.items()


def _rising(anchors: list[tuple[int, str]]) -> list[tuple[int, str]]:
    """Each offset with the earliest time at which it, or more, was there."""
    rising = list[tuple[int, str]]()
    earliest = "9"
    for offset, at in reversed(anchors):
        earliest = min(earliest, at)
        rising.append((offset, earliest))
    return rising[::-1]
