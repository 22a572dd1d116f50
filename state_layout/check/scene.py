"""Says what all parts of a check share: the tree, who lives in it, whether it is a copy, and what was found.

Looks only, and never waits: links, pipes and devices are not opened (`check.walk` names them). Who lives is
told by the handle, as viewers do, and only where that says nothing by trying the lock for a moment.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from state_layout.check.problem import CATALOGUE, Finding, FindingEntry, Problem
from state_layout.errors import StorageError
from state_layout.files import codec, locks
from state_layout.files.reading import Unreadable, read_regular
from state_layout.host.identity import is_alive, read_handle, tree_place
from state_layout.paths import Tree, is_name

LARGEST_SNAPSHOT_BYTES = 1 << 28


class Scene:
    """A scene is one examination of one tree."""

    def __init__(self, tree: Tree, *, is_held_still: bool = False) -> None:
        self.tree, self._is_held_still = tree, is_held_still
        self.problems: list[Problem] = []
        self.is_copy, self.is_restored_next = self._is_elsewhere()
        self.agents = self._agents()
        self.next_seq = self._next_seq()

    def report(
        self,
        finding: Finding,
        path: Path,
        *,
        what: str,
        line: int | None = None,
        said: FindingEntry | None = None,
    ) -> None:
        """Note a finding; `said` in place of what the catalogue says of it."""
        entry = said or CATALOGUE[finding]
        problem = Problem(
            finding=finding,
            path=self.tree.shown(path).encode("utf-8", "backslashreplace").decode(),
            line=line,
            what=what,
            remedy=entry.remedy,
            severity=entry.severity,
            is_repairable=entry.is_repairable,
        )
        self.problems.append(problem)

    # -- reading without waiting

    def is_file(self, path: Path) -> bool:
        """A regular file is at `path`, reached through folders of the tree only."""
        return _has_mode(path, stat.S_ISREG) and self.is_folder(path.parent)

    def is_folder(self, path: Path) -> bool:
        """A folder of the tree itself is at `path`, not one that a link leads to."""
        if path == self.tree.root:
            return True
        return _has_mode(path, stat.S_ISDIR) and self.is_folder(path.parent)

    def is_hidden(self, path: Path) -> bool:
        """Something else is in the place of file `path` or of a folder around it; `walk` names it."""
        if _has_mode(path, lambda mode: not stat.S_ISREG(mode)):
            return True
        folders = [folder for folder in path.parents if folder.is_relative_to(self.tree.root)]
        return any(_has_mode(folder, lambda mode: not stat.S_ISDIR(mode)) for folder in folders[:-1])

    def names(self, folder: Path) -> list[str]:
        """The names in `folder`, sorted; none if it is missing or may not be read."""
        if not self.is_folder(folder):
            return []
        with suppress(OSError):
            return sorted(os.listdir(folder))  # noqa: PTH208 - names are all we want
        return []

    def object_in(self, path: Path) -> dict[str, Any]:
        """Read the JSON object in a small file. Raises FileNotFoundError, ValueError (Unreadable is
        reported)."""
        if not self.is_folder(path.parent):
            raise FileNotFoundError(path)
        data, _ = read_regular(path, most_bytes=LARGEST_SNAPSHOT_BYTES)
        return codec.decode_object(data)

    @contextmanager
    def reading(self, path: Path) -> Iterator[None]:
        """Report what cannot be read instead of failing; a file that vanished is nothing."""
        try:
            yield
        except FileNotFoundError:
            return
        except (StorageError, Unreadable, OSError) as cause:
            if self.is_file(path):  # anything else is named by `check.walk`
                reason = cause.strerror if isinstance(cause, OSError) else str(cause)
                self.report(Finding.UNREADABLE, path, what=f"cannot be read ({reason})")

    # -- who lives

    def lives(self, agent: str) -> bool:
        """A process of `agent` lives now."""
        return self._lives(self.tree.handle(agent), self.tree.agent(agent).lock)

    def is_supervised(self) -> bool:
        """A supervisor lives now."""
        return self._lives(self.tree.supervisor_handle, self.tree.supervisor_lock)

    def anyone_lives(self) -> bool:
        """Any process of this tree lives now."""
        return self.is_supervised() or any(map(self.lives, self.agents))

    def excuses(self, sender: str, box: str, seq: int) -> bool:
        """Mail and journals may disagree on message `seq`: a resume mends that, or has mended it."""
        return self.is_restored_next or seq < self.next_seq.get((sender, box), 0)

    def _lives(self, handle_path: Path, lock: Path) -> bool:
        if self._is_held_still:
            return False
        if not self.is_copy and self.is_file(handle_path):  # a copy's handles name the original's processes
            handle = read_handle(handle_path)
            if handle is not None and is_alive(handle):
                return True
        if not self.is_file(lock):
            return False
        with suppress(OSError, StorageError):
            return not locks.is_free(lock)
        return False

    # -- what it is

    def _is_elsewhere(self) -> tuple[bool, bool]:
        """Say whether this is a copy (or `run/` is gone), and whether the next resume restores it."""
        try:
            host, here = self.object_in(self.tree.host), tree_place(self.tree)
        except (OSError, Unreadable, ValueError):
            return True, True
        is_copy = any(host.get(key) != here[key] for key in ("device", "inode"))
        return is_copy, is_copy or host.get("boot_id") != here["boot_id"]

    def _agents(self) -> list[str]:
        """List every agent that has a spec, an accepted spec or a folder."""
        specs = [*self.names(self.tree.agent_specs), *self.names(self.tree.accepted / "agents")]
        found = {name.removesuffix(".json") for name in specs if name.endswith(".json")}
        found |= {name for name in self.names(self.tree.agents) if self.is_folder(self.tree.agents / name)}
        return sorted(filter(is_name, found))

    def _next_seq(self) -> dict[tuple[str, str], int]:
        path = self.tree.restored
        try:
            floors = self.object_in(path).get("next_seq", {})
            return {(sender, to): int(seq) for sender, by_to in floors.items() for to, seq in by_to.items()}
        except FileNotFoundError:
            return {}
        except (OSError, Unreadable, ValueError, TypeError, AttributeError) as cause:
            if self.is_file(path):
                self.report(Finding.RESTORED_BAD, path, what=f"cannot be understood ({cause})")
            return {}


def _has_mode(path: Path, test: Any) -> bool:
    try:
        return bool(test(path.lstat().st_mode))
    except (OSError, ValueError):
        return False
