"""What is wanted of one agent: the specs it needs to know, and no others, so that 100 agents start fast.

That is the orchestration, its own spec, its own tasks and all that these need, directly or not. Of other task
files only the bytes are looked at, for the agent's name. A file that is missing or bad is replaced by its
accepted copy, or by what was known; saying what is wrong with it is left to the supervisor.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

from state_layout.errors import NotATree
from state_layout.files.reading import Unreadable, Version, read_regular
from state_layout.paths import Tree, is_name
from state_layout.records import AgentSpec, OrchestrationSpec, Specs, TaskSpec
from state_layout.specs.files import ORCHESTRATION_REL, Record, checked

_TASKS = "tasks"
_FRESH_NS = 100_000_000  # a file written to so short a time ago may change again within its time stamp


@dataclass(frozen=True, slots=True)
class _File:
    version: Version
    data: bytes
    record: Record | None = None  # None: not looked at, or not good


_kept: dict[str, dict[str, _File]] = {}  # by `spec/` folder: for agents that are forked from this process


class AgentSpecs:
    """Reads what `agent` needs to know, opening only files that changed since."""

    def __init__(self, tree: Tree, agent: str) -> None:
        self._tree, self._agent, self._root = tree, agent, f"{tree.spec}/"
        known = _kept.get(self._root, {})
        self._files = dict(known)  # by rel, of `spec/`
        self._good = {rel: file.record for rel, file in known.items() if file.record is not None}  # the last

    def read(self) -> Specs:
        """What is in force. Raises NotATree if there never was a good orchestration."""
        orchestration = self._record(ORCHESTRATION_REL)
        if not isinstance(orchestration, OrchestrationSpec):
            raise NotATree(f"spec/{ORCHESTRATION_REL}: is missing or bad, with no accepted copy; restore it")
        own = self._record(f"agents/{self._agent}.json")
        agents = {self._agent: own} if isinstance(own, AgentSpec) else {}
        return Specs(orchestration=orchestration, agents=agents, tasks=self._tasks())

    def is_current(self, *rels: str) -> bool:
        """Whether none of these files changed since the last `read`: one stat each, nothing is opened."""
        return all(self._is_unchanged(rel) for rel in rels)

    def keep(self) -> None:
        """Keep what was read for those made from now on in this process and in its forked children.

        Each looks at every file's version again, so what is kept may be old.
        """
        self._record(ORCHESTRATION_REL)
        for rel in self._task_rels():
            self._bytes(rel)
        settled_ns = time.time_ns() - _FRESH_NS
        _kept[self._root] = {
            rel: file
            for rel, file in self._files.items()
            if max(file.version.mtime_ns, file.version.ctime_ns) < settled_ns
        }

    def _tasks(self) -> dict[str, TaskSpec]:
        """The agent's own tasks and what they need, in the order of their names."""
        found: dict[str, TaskSpec] = {}
        needle = self._agent.encode()
        mine = [rel for rel in self._task_rels() if needle in self._bytes(rel)]
        wanted = [rel for rel in mine if self._is_own(rel)]
        while wanted:
            rel = wanted.pop()
            record = self._record(rel)
            if not isinstance(record, TaskSpec) or record.id in found:
                continue
            found[record.id] = record
            wanted += [f"{_TASKS}/{need}.json" for need in record.needs if is_name(need)]
        return dict(sorted(found.items()))

    def _is_own(self, rel: str) -> bool:
        record = self._record(rel)
        return isinstance(record, TaskSpec) and record.agent == self._agent

    def _task_rels(self) -> list[str]:
        names: set[str] = set()
        for root in (self._tree.spec, self._tree.accepted):
            try:
                names |= set(os.listdir(root / _TASKS))  # noqa: PTH208 - names only, a Path each costs more
            except OSError:
                continue
        good = [name for name in names if name.endswith(".json") and is_name(name.removesuffix(".json"))]
        return [f"{_TASKS}/{name}" for name in sorted(good)]

    def _bytes(self, rel: str) -> bytes:
        """The file's bytes, or those of its accepted copy while it cannot be read."""
        if not self._is_unchanged(rel):
            file = _read(self._tree.spec / rel) or _read(self._tree.accepted / rel)
            if file is None:
                self._files.pop(rel, None)
                return b""
            self._files[rel] = file
        return self._files[rel].data

    def _record(self, rel: str) -> Record | None:
        """What `rel` says, decoded once; while it is missing or bad, what was in force."""
        data = self._bytes(rel)
        file = self._files.get(rel)
        if file is not None and file.record is None:
            record = _decoded(self._tree, rel, data)
            self._files[rel] = _File(file.version, data, record)
            if record is not None:
                self._good[rel] = record
        if rel not in self._good and (accepted := _read(self._tree.accepted / rel)) is not None:
            record = _decoded(self._tree, rel, accepted.data)
            if record is not None:
                self._good[rel] = record
        return self._good.get(rel)

    def _is_unchanged(self, rel: str) -> bool:
        known = self._files.get(rel)
        if known is None:
            return False
        try:
            return known.version == Version.of(os.lstat(self._root + rel))
        except OSError:
            return False


def _read(path: Path) -> _File | None:
    try:
        data, version = read_regular(path)
    except (FileNotFoundError, Unreadable):
        return None
    return _File(version, data)


def _decoded(tree: Tree, rel: str, data: bytes) -> Record | None:
    return checked(rel, data, path=rel, kinds={}).record
