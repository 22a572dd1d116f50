"""Says what is wanted of one agent: the specs it needs to know, and no others, so that 100 agents start fast.

That is the orchestration, its own spec, its own tasks and those that these need: what settles a need is its
outcome, so what a need needs is nobody's question. Of other task files only the bytes are looked at, for the
agent's name. A file that is missing or bad is replaced by its accepted copy, or by what was known; saying
what is wrong with it is left to the supervisor.

A look at all files costs what there is, so an agent with many short tasks takes one when the folder of tasks
says that a file came or went, and else seldom (`is_due`). What it is about to act on it looks at each time
(`is_current`), so no edit that takes work away is overlooked; one that gives work, written in place, may be
seen a second late.
"""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from state_layout.errors import NotATree
from state_layout.files import codec
from state_layout.files.reading import FileVersion, Unreadable, read_regular
from state_layout.paths import Tree, is_name
from state_layout.records import AgentSpec, OrchestrationSpec, Specs, TaskSpec
from state_layout.specs.files import ORCHESTRATION_REL, Record, checked

_TASKS = "tasks"
_FRESH_NS = 100_000_000  # a file written to so short a time ago may change again within its time stamp
_NEWS_S = 1.0  # so long a survey, or a look at all task files, is believed
_MOST_SHARE = (
    0.02  # of the time that passes, for looks at all task files: believed longer where they take long
)


@dataclass(frozen=True, slots=True)
class _File:
    version: FileVersion
    data: bytes
    record: Record | None = None  # None: not looked at, or not good


@dataclass(slots=True)
class _Kept:
    """This process read this much of a tree, for those that are forked from it."""

    files: dict[str, _File] = field(default_factory=dict)  # by rel, of `spec/`
    tasks_of: dict[str, list[str]] = field(default_factory=dict)  # rels, by agent
    is_whole: bool = False  # every task file is in `tasks_of`
    until_s: float = 0.0  # monotonic: then the survey is old
    folder: FileVersion | None = (
        None  # of `spec/tasks` at the survey; None: it may change within its time stamp
    )
    made: dict[str, dict[str, TaskSpec]] = field(default_factory=dict)  # what `read` made of it, by agent

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
        self._is_first, self.may_miss_tasks = True, False
        self._lacks_needs = False
        self._folder, self._due_s = self._kept.folder, self._kept.until_s
        self._looked = set[str]()  # in the look that is under way: each file once
        self._names = set[str]()  # rels of the task files that are there
        self._own_rels = [f"agents/{agent}.json"]  # its spec, and that of the agent whose budget it has
        self._own = set[str]()  # rels of what was the agent's own, at any look

    def read(self) -> Specs:
        """Read what is in force. Raises NotATree if there never was a good orchestration.

        The first time, where the process that forked this one has just made a `survey`, that is believed of
        all tasks. Then it `may_miss_tasks`: one given to this agent since may be missing, and one that it is
        to work on has to be looked at (`is_current`).
        """
        self.may_miss_tasks = self._is_first and self._is_believed()
        self._is_first = False
        self._looked.clear()
        orchestration = self._record(ORCHESTRATION_REL)
        if not isinstance(orchestration, OrchestrationSpec):
            raise NotATree(f"spec/{ORCHESTRATION_REL}: is missing or bad, with no accepted copy; restore it")
        own = self._record(self._own_rels[0])
        agents = {self._agent: own} if isinstance(own, AgentSpec) else {}
        del self._own_rels[1:]
        if isinstance(own, AgentSpec) and own.budget_of not in (None, self._agent):
            self._own_rels.append(f"agents/{own.budget_of}.json")
            if isinstance(holder := self._record(self._own_rels[1]), AgentSpec):
                agents[holder.name] = holder
            if not self._is_unchanged(self._own_rels[1]):  # not there: no reason to read all each time
                self._own_rels.pop()
        tasks = self._told() if self.may_miss_tasks else self._seen()
        return Specs(orchestration=orchestration, agents=agents, tasks=tasks)

    @property
    def rels_of_all(self) -> tuple[str, ...]:
        """These files decide on all work of the agent, whatever the task."""
        return (ORCHESTRATION_REL, *self._own_rels)

    def is_due(self) -> bool:
        """It is time for a `read`: a task file came or went, what is read each time changed, or all were
        looked at long enough ago. A few stats, whatever the number of tasks."""
        return (
            self._lacks_needs
            or time.monotonic() >= self._due_s
            or self._folder is None
            or self._folder != self._folder_now()
            or not self.is_current(*self.rels_of_all)
        )

    def is_current(self, *rels: str) -> bool:
        """None of these files was changed since the last `read`: one stat each, nothing is opened.

        Not while a task needs what was not there then.
        """
        return not self._lacks_needs and all(self._is_unchanged(rel) for rel in rels)

    def survey(self) -> None:
        """Look whose the tasks are, for `read` and for those forked soon; not again while that is news."""
        if self._kept.is_news and self._is_believed():
            return
        began_s, folder = time.monotonic(), self._settled_folder()
        tasks_of, is_whole = defaultdict[str, list[str]](list), True
        for rel in self._task_rels():
            agent, file = _agent_in(self._bytes(rel)), self._known(rel)
            tasks_of[agent].append(rel)
            is_whole = is_whole and agent != "" and file is not None and _is_settled(file)
        self._looked.clear()
        self._kept = _Kept(self._kept.files, tasks_of, is_whole, _next_s(began_s), folder)
        self._folder, self._due_s = folder, self._kept.until_s

    def keep(self) -> None:
        """Keep what was read for those made from now on in this process and in its forked children.

        Each looks again at the version of what it needs, so what is kept may be old.
        """
        self._kept.files |= {rel: file for rel, file in self._files.items() if file and _is_settled(file)}
        _kept[self._root] = self._kept

    def _is_believed(self) -> bool:
        """The survey may still be right: it is young, and no task file came or went since."""
        kept = self._kept
        return (
            kept.is_whole and kept.is_news and kept.folder is not None and kept.folder == self._folder_now()
        )

    def _told(self) -> dict[str, TaskSpec]:
        """Find the tasks by the survey alone: nothing is looked at that was read before."""
        made = self._kept.made.get(self._agent)
        if made is None:
            self._looked |= self._kept.files.keys()
            own = self._kept.tasks_of.get(self._agent, [])
            self._names = {rel for rels in self._kept.tasks_of.values() for rel in rels}
            made = self._with_needs(own)
            if not self._lacks_needs:
                self._kept.made[self._agent] = made
        self._own |= {_task_rel(task.id) for task in made.values() if task.agent == self._agent}
        return dict(made)

    def _seen(self) -> dict[str, TaskSpec]:
        """Find the tasks by a look at all files."""
        began_s, self._folder = time.monotonic(), self._settled_folder()
        rels = self._task_rels()
        self._names = set(rels)
        tasks = self._with_needs(self._mentions(rels))
        self._due_s = _next_s(began_s)
        return tasks

    def _with_needs(self, rels: Iterable[str]) -> dict[str, TaskSpec]:
        """Of these files the agent's own tasks and what they need, in the order of their names; and what was
        its own and is another's now."""
        found: dict[str, TaskSpec] = {}
        self._lacks_needs = False
        for rel in rels:
            task = self._task(rel)
            if task is None or not (task.agent == self._agent or rel in self._own):
                continue
            found[task.id] = task
            if task.agent == self._agent:
                self._own.add(rel)
                found |= self._needs_of(task, found)
        return dict(sorted(found.items()))

    def _needs_of(self, task: TaskSpec, found: Mapping[str, TaskSpec]) -> dict[str, TaskSpec]:
        needs = (self._task(_task_rel(need)) for need in task.needs if is_name(need) and need not in found)
        return {need.id: need for need in needs if need is not None}

    def _task(self, rel: str) -> TaskSpec | None:
        """Read the task in `rel`; as it was accepted, while it needs what is not there."""
        record = self._record(rel)
        if isinstance(record, TaskSpec) and not self._has_needs(record, is_own=record.agent == self._agent):
            self._lacks_needs, record = True, self._accepted(rel)  # bad with the others: no wish
        return record if isinstance(record, TaskSpec) else None

    def _has_needs(self, task: TaskSpec, *, is_own: bool) -> bool:
        """All that `task` needs is there; what another's task needs, by name alone."""
        rels = [_task_rel(need) for need in task.needs]
        if not is_own:
            return self._names.issuperset(rels)
        return all(is_name(need) for need in task.needs) and all(
            self._record(rel) is not None for rel in rels
        )

    def _mentions(self, rels: Iterable[str]) -> list[str]:
        """Those of the task files that may be the agent's own, or were."""
        name, escape = f'"{self._agent}"'.encode(), b"\\"
        texts = ((rel, self._bytes(rel)) for rel in rels)
        return [rel for rel, text in texts if name in text or escape in text or rel in self._own]

    def _folder_now(self) -> FileVersion | None:
        try:
            return FileVersion.of(os.stat(f"{self._root}{_TASKS}"))  # noqa: PTH116 - asked for at each task
        except OSError:
            return None

    def _settled_folder(self) -> FileVersion | None:
        """Read the version of the folder of tasks; None while it may change without another time stamp."""
        found = self._folder_now()
        return found if found is not None and _is_old(found) else None

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
        """Read the file's bytes, or those of its accepted copy while it cannot be read."""
        known = self._known(rel)
        if rel not in self._looked and (known is None or not _is_at(self._root + rel, known)):
            if known is not None and known.record is not None:
                self._good[rel] = known.record
            known = _read(self._tree.spec / rel) or _read(self._tree.accepted / rel)
            self._files[rel] = known
        self._looked.add(rel)
        return b"" if known is None else known.data

    def _record(self, rel: str) -> Record | None:
        """Read what `rel` says, decoded once; while it is missing or bad, what was in force."""
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
        """Read the last version that a supervisor had in force."""
        accepted = _read(self._tree.accepted / rel)
        return None if accepted is None else _decoded(self._tree, rel, accepted.data)

    def _is_unchanged(self, rel: str) -> bool:
        known = self._known(rel)
        return known is not None and _is_at(self._root + rel, known)


def _task_rel(task: str) -> str:
    return f"{_TASKS}/{task}.json"


def _is_at(path: str, file: _File) -> bool:
    """The version `file` is still the one that is there."""
    try:
        return file.version == FileVersion.of(os.lstat(path))
    except OSError:
        return False


def _is_settled(file: _File) -> bool:
    """The `file` cannot have changed since without another time stamp."""
    return _is_old(file.version)


def _is_old(version: FileVersion) -> bool:
    return max(version.mtime_ns, version.ctime_ns) < time.time_ns() - _FRESH_NS


def _next_s(began_s: float) -> float:
    """Tell when to look at all files again after a look that began then, monotonic."""
    now_s = time.monotonic()
    return now_s + max(_NEWS_S, (now_s - began_s) / _MOST_SHARE)


def _agent_in(data: bytes) -> str:
    """Read whose task this is; empty where that cannot be told."""
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
