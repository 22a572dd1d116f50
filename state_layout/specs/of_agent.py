"""What is wanted of one agent: the specs it needs to know, and no others, so that 100 agents start fast.

That is the orchestration, its own spec, its own tasks and all that these need, directly or not. Of other task
files only the bytes are looked at, for the agent's name. A file that is missing or bad is replaced by its
accepted copy, or by what was known; saying what is wrong with it is left to the supervisor.
"""

from __future__ import annotations

import os
import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from state_layout.errors import NotATree
from state_layout.files import codec
from state_layout.files.reading import Unreadable, Version, read_regular
from state_layout.paths import Tree, is_name
from state_layout.records import AgentSpec, OrchestrationSpec, Specs, TaskSpec
from state_layout.specs.files import ORCHESTRATION_REL, Record, checked

_TASKS = "tasks"
_FRESH_NS = 100_000_000  # a file written to so short a time ago may change again within its time stamp
_NEWS_S = 1.0  # so long a survey is believed


@dataclass(frozen=True, slots=True)
class _File:
    version: Version
    data: bytes
    record: Record | None = None  # None: not looked at, or not good


@dataclass(slots=True)
class _Kept:
    """What this process read of a tree, for those that are forked from it."""

    files: dict[str, _File] = field(default_factory=dict)  # by rel, of `spec/`
    tasks_of: dict[str, list[str]] = field(default_factory=dict)  # rels, by agent
    is_whole: bool = False  # every task file is in `tasks_of`
    until_s: float = 0.0  # monotonic: then the survey is old

    @property
    def is_news(self) -> bool:
        return time.monotonic() < self.until_s


_kept: dict[str, _Kept] = {}  # by `spec/` folder


class AgentSpecs:
    """Reads what `agent` needs to know, opening only files that changed since."""

    def __init__(self, tree: Tree, agent: str) -> None:
        self._tree, self._agent, self._root = tree, agent, f"{tree.spec}/"
        self._kept = _kept.get(self._root) or _Kept()
        self._files: dict[str, _File | None] = {}  # by rel, of `spec/`: what was read since; None: not there
        self._good: dict[str, Record] = {}  # the last, where one was
        self._is_first, self.is_hearsay = True, False
        self._lacks_needs = False

    def read(self) -> Specs:
        """What is in force. Raises NotATree if there never was a good orchestration.

        The first time, where the process that forked this one has just made a `survey`, that is believed of
        the tasks of others. Then it `is_hearsay`: a task given to this agent since may be missing.
        """
        self.is_hearsay = self._is_first and self._kept.is_whole and self._kept.is_news
        self._is_first = False
        orchestration = self._record(ORCHESTRATION_REL)
        if not isinstance(orchestration, OrchestrationSpec):
            raise NotATree(f"spec/{ORCHESTRATION_REL}: is missing or bad, with no accepted copy; restore it")
        own = self._record(f"agents/{self._agent}.json")
        agents = {self._agent: own} if isinstance(own, AgentSpec) else {}
        return Specs(orchestration=orchestration, agents=agents, tasks=self._tasks())

    def is_current(self, *rels: str) -> bool:
        """Whether none of these files changed since the last `read`: one stat each, nothing is opened.

        Not while a task needs what was not there then.
        """
        return not self._lacks_needs and all(self._is_unchanged(rel) for rel in rels)

    def survey(self) -> None:
        """Look whose the tasks are, for `read` and for those forked soon; not again while that is news."""
        if self._kept.is_news:
            return
        tasks_of, is_whole = defaultdict[str, list[str]](list), True
        for rel in self._task_rels():
            agent, file = _agent_in(self._bytes(rel)), self._known(rel)
            tasks_of[agent].append(rel)
            is_whole = is_whole and agent != "" and file is not None and _is_settled(file)
        self._kept = _Kept(self._kept.files, tasks_of, is_whole, time.monotonic() + _NEWS_S)

    def keep(self) -> None:
        """Keep what was read for those made from now on in this process and in its forked children.

        Each looks again at the version of what it needs, so what is kept may be old.
        """
        self._kept.files |= {rel: file for rel, file in self._files.items() if file and _is_settled(file)}
        _kept[self._root] = self._kept

    def _tasks(self) -> dict[str, TaskSpec]:
        """The agent's own tasks and what they need, in the order of their names."""
        found: dict[str, TaskSpec] = {}
        self._lacks_needs = False
        wanted = [rel for rel in self._mentions() if self._is_own(rel)]
        while wanted:
            rel = wanted.pop()
            record = self._record(rel)
            if isinstance(record, TaskSpec) and not self._has_needs(record):
                self._lacks_needs, record = True, self._accepted(rel)  # bad with the others: no wish
            if not isinstance(record, TaskSpec) or record.id in found:
                continue
            found[record.id] = record
            wanted += [_task_rel(need) for need in record.needs if is_name(need)]
        return dict(sorted(found.items()))

    def _has_needs(self, task: TaskSpec) -> bool:
        """Whether all that `task` needs is there."""
        return all(is_name(need) and self._record(_task_rel(need)) is not None for need in task.needs)

    def _mentions(self) -> list[str]:
        """The task files that may be the agent's own."""
        if self.is_hearsay:
            return self._kept.tasks_of.get(self._agent, [])
        name, escape = f'"{self._agent}"'.encode(), b"\\"
        texts = ((rel, self._bytes(rel)) for rel in self._task_rels())
        return [rel for rel, text in texts if name in text or escape in text]

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

    def _known(self, rel: str) -> _File | None:
        return self._files[rel] if rel in self._files else self._kept.files.get(rel)

    def _bytes(self, rel: str) -> bytes:
        """The file's bytes, or those of its accepted copy while it cannot be read."""
        known = self._known(rel)
        if known is None or not _is_at(self._root + rel, known):
            if known is not None and known.record is not None:
                self._good[rel] = known.record
            known = _read(self._tree.spec / rel) or _read(self._tree.accepted / rel)
            self._files[rel] = known
        return b"" if known is None else known.data

    def _record(self, rel: str) -> Record | None:
        """What `rel` says, decoded once; while it is missing or bad, what was in force."""
        data = self._bytes(rel)
        file = self._known(rel)
        if file is not None and file.record is None:
            file = self._files[rel] = _File(file.version, data, _decoded(self._tree, rel, data))
        if file is not None and file.record is not None:
            self._good[rel] = file.record
        if rel not in self._good and (record := self._accepted(rel)) is not None:
            self._good[rel] = record
        return self._good.get(rel)

    def _accepted(self, rel: str) -> Record | None:
        """The last version that a supervisor had in force."""
        accepted = _read(self._tree.accepted / rel)
        return None if accepted is None else _decoded(self._tree, rel, accepted.data)

    def _is_unchanged(self, rel: str) -> bool:
        known = self._known(rel)
        return known is not None and _is_at(self._root + rel, known)


def _task_rel(task: str) -> str:
    return f"{_TASKS}/{task}.json"


def _is_at(path: str, file: _File) -> bool:
    """Whether `file` is still the version that is there."""
    try:
        return file.version == Version.of(os.lstat(path))
    except OSError:
        return False


def _is_settled(file: _File) -> bool:
    """Whether `file` cannot have changed since without another time stamp."""
    return max(file.version.mtime_ns, file.version.ctime_ns) < time.time_ns() - _FRESH_NS


def _agent_in(data: bytes) -> str:
    """Whose task this is; empty where that cannot be told."""
    try:
        agent = codec.decode_object(data).get("agent")
    except codec.NotJson:
        return ""
    return agent if isinstance(agent, str) else ""


def _read(path: Path) -> _File | None:
    try:
        data, version = read_regular(path)
    except (FileNotFoundError, Unreadable):
        return None
    return _File(version, data)


def _decoded(tree: Tree, rel: str, data: bytes) -> Record | None:
    return checked(rel, data, path=rel, kinds={}).record
