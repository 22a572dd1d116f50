"""Says how often an agent looks at what its program writes: often while something comes, then ever more
seldom.

When a look found nothing it rests: the kernel tells of the next write, so nobody has to look. Where the
kernel does not, looks go on once a second. Being told is a hint; what it missed is found by a look once
in a while.
"""

from __future__ import annotations

from pathlib import Path

from maos_sup.agents.pulse.dnotify import WatchedFolder

SHORTEST_LOOK_S, LONGEST_LOOK_S = 0.02, 0.25  # while something comes
QUIET_LOOK_S = 1.0  # when nothing does and nobody tells
_SLOWER = 1.5


class Pace:
    """A pace is that of one thread, which alone uses it but for `hurry`. `folder` is where the output
    lies."""

    def __init__(self, folder: Path) -> None:
        self._path = folder
        self._folder: WatchedFolder | None = None  # made when there is time for it
        self.idle_s = SHORTEST_LOOK_S

    @property
    def is_resting(self) -> bool:
        """The next write will be told: nobody has to look."""
        return self._folder is not None and self._folder.is_armed

    def descriptors(self) -> list[int]:
        """List what is readable when something was written."""
        return [self._folder.fileno()] if self._folder is not None and self.is_resting else []

    def hurry(self) -> None:
        """Look again soon, unless it will be told. From any thread."""
        if not self.is_resting:
            self.idle_s = SHORTEST_LOOK_S

    def hear(self) -> bool:
        """The rest is over: something was written."""
        return self._folder is not None and self._folder.drain()

    def rest(self) -> None:
        """Be told of the next write, if the last look found nothing. To be followed by a look."""
        if self.idle_s > SHORTEST_LOOK_S and not self.is_resting:
            if self._folder is None:
                self._folder = WatchedFolder(self._path)
            self._folder.arm()

    def slow_down(self, *, longest_s: float = QUIET_LOOK_S) -> None:
        """A look found nothing."""
        self.idle_s = min(longest_s, self.idle_s * _SLOWER)

    def close(self) -> None:
        """Be told of nothing more."""
        if self._folder is not None:
            self._folder.close()
            self._folder = None
