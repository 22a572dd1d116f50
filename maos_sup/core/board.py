"""The phases of all tasks, kept up by what changed: a task that settles costs its dependents, not all tasks.

`core.tasks` finds the same from nothing and has the last word: who keeps a board compares them once in a
while (`correct`), so a mistake here delays work and never decides on it for good. Pure.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from heapq import heapify, heappop, heappush

from maos_sup.core.tasks import (
    BEGUN,
    MET,
    OVER,
    is_newer,
    needs_of,
    phase_by_itself,
    phase_by_needs,
    task_phases,
)
from state_layout.records import Specs, TaskOutcome, TaskPhase, TaskSpec

_Outcomes = Mapping[str, TaskOutcome]
SUPERVISOR = ""  # the source of what the supervisor settled, beside the agents by their names
_NONE: _Outcomes = {}


class Board:
    """A board says where every task of `specs` stands, by the newest outcomes of several sources (agents,
    supervisor).

    `take` what a source says whenever it says something else; `specs` never change: make another board then.
    Of two sources that say as much of a task, the agent that comes first by name counts.
    """

    def __init__(self, specs: Specs, sources: Mapping[str, _Outcomes] = {}) -> None:
        self.specs = specs
        self._sources = dict(sources)
        self._places = {task: place for place, task in enumerate(specs.tasks)}
        self._dependents = defaultdict[str, list[str]](list)
        for task in specs.tasks.values():
            for need in task.needs:
                self._dependents[need].append(task.id)
        self._fill()

    def take(self, source: str, outcomes: _Outcomes) -> set[str]:
        """Take all that `source` says now; the tasks whose phase changed.

        `outcomes` is kept: it must not change. An entry that is the same object as before costs a comparison.
        """
        before = self._sources.get(source, _NONE)
        if outcomes is before:
            return set()
        self._sources[source] = outcomes
        told = {task for task, outcome in outcomes.items() if before.get(task) is not outcome}
        gone = before.keys() - outcomes.keys() if before else set[str]()
        for task in told - before.keys():
            self._holders[task].append(source)
        for task in gone:
            self._holders[task].remove(source)
        return self._moved(told | gone)

    def correct(self) -> bool:
        """Find everything again from what the sources said last; whether something was not as it was kept."""
        before = self.phases, self.newest
        self._fill()
        return (self.phases, self.newest) != before

    def first(self, agent: str, *, answered: Collection[str] = ()) -> TaskSpec | None:
        """Pick what `agent` is to work on now: the first of `core.tasks.ready_tasks`."""
        begun = min(self._begun_of(agent, answered), key=self._places.__getitem__, default=None)
        if begun is not None:
            return self.specs.tasks[begun]
        waiting = self._ready.get(agent, [])
        while waiting:
            task = self._names[waiting[0]]
            if self.phases[task] is TaskPhase.READY:
                return self.specs.tasks[task]
            heappop(waiting)
        return None

    def phases_of(self, agent: str) -> Collection[TaskPhase]:
        """Give the phases of the tasks of `agent`, each once."""
        return self._counts_of[agent].keys() if agent in self._counts_of else ()

    def count_of(self, agent: str, phase: TaskPhase) -> int:
        """Count the tasks of `agent` in this phase."""
        return self._counts_of[agent][phase] if agent in self._counts_of else 0

    def count(self, *phases: TaskPhase) -> int:
        """Count the tasks that are in one of these phases."""
        return sum(self._counts[phase] for phase in phases)

    def among(self, phase: TaskPhase) -> Collection[str]:
        """Give the tasks that stand there; of these few phases only: begun, asking, failed."""
        return self._members[phase]

    def _fill(self) -> None:
        self.newest: dict[str, TaskOutcome] = {}
        self._holders = defaultdict[str, list[str]](list)  # sources, by task
        for source in sorted(self._sources, key=_rank):
            for task, outcome in self._sources[source].items():
                self._holders[task].append(source)
                known = self.newest.get(task)
                if known is None or is_newer(outcome, known):
                    self.newest[task] = outcome
        self.phases = task_phases(self.specs, self.newest)
        self._names = [*self.specs.tasks]
        self._unmet, self._over = Counter[str](), Counter[str]()
        self._counts, self._counts_of = Counter[TaskPhase](), defaultdict[str, Counter[TaskPhase]](Counter)
        self._members: dict[TaskPhase, dict[str, None]] = {phase: {} for phase in _WATCHED}
        self._ready = defaultdict[str, list[int]](
            list
        )  # heaps of places, by agent; what is not ready is skipped
        for each in self.specs.tasks.values():
            needs = [self.phases.get(need, TaskPhase.WAITING) for need in each.needs]
            self._unmet[each.id] = sum(need not in MET for need in needs)
            self._over[each.id] = sum(need in OVER for need in needs)
            self._enter(each, self.phases[each.id])
        for heap in self._ready.values():
            heapify(heap)

    def _moved(self, told: Iterable[str]) -> set[str]:
        """Find the phases of `told` again, and of those that depend on what changed."""
        todo = [task for task in told if self._is_news(task) and task in self.phases]
        moved = dict[str, TaskPhase]()  # where each stood at first: on the way it may go and come back
        while todo:
            name = todo.pop()
            task, before = self.specs.tasks[name], self.phases[name]
            is_any_over, are_all_met = (
                needs_of(task, self.phases) if task.any_of else (self._over[name] > 0, self._unmet[name] == 0)
            )
            now = phase_by_itself(task, self.newest.get(name)) or phase_by_needs(
                is_any_over=is_any_over, are_all_met=are_all_met
            )
            if now is before:
                continue
            moved.setdefault(name, before)
            self._leave(task, before)
            self.phases[name] = now
            self._enter(task, now)
            unmet, over = (now not in MET) - (before not in MET), (now in OVER) - (before in OVER)
            if unmet or over:
                for each in self._dependents.get(name, ()):
                    self._unmet[each] += unmet
                    self._over[each] += over
                    if self._unmet[each] == 0 or unmet > 0 or over or self.specs.tasks[each].any_of:
                        todo.append(each)
        return {name for name, at_first in moved.items() if self.phases[name] is not at_first}

    def _is_news(self, task: str) -> bool:
        """Look for the newest outcome of `task` in all sources; whether it is another one now."""
        before, newest = self.newest.get(task), None
        holders = self._holders[task]
        for source in sorted(holders, key=_rank) if len(holders) > 1 else holders:
            outcome = self._sources[source][task]
            if newest is None or is_newer(outcome, newest):
                newest = outcome
        if newest is None:
            self.newest.pop(task, None)
        else:
            self.newest[task] = newest
        return newest is not before

    def _enter(self, task: TaskSpec, phase: TaskPhase) -> None:
        self._counts[phase] += 1
        self._counts_of[task.agent][phase] += 1
        if phase in self._members:
            self._members[phase][task.id] = None
        if phase is TaskPhase.READY:
            heappush(self._ready[task.agent], self._places[task.id])

    def _leave(self, task: TaskSpec, phase: TaskPhase) -> None:
        self._counts[phase] -= 1
        of_agent = self._counts_of[task.agent]
        of_agent[phase] -= 1
        if not of_agent[phase]:
            del of_agent[phase]
        if phase in self._members:
            del self._members[phase][task.id]

    def _begun_of(self, agent: str, answered: Collection[str]) -> Iterator[str]:
        phases = self._counts_of[agent] if agent in self._counts_of else Counter[TaskPhase]()
        for phase in (*BEGUN, TaskPhase.ASKING):
            if phases[phase]:
                mine = (task for task in self._members[phase] if self.specs.tasks[task].agent == agent)
                yield from mine if phase in BEGUN else (task for task in mine if task in answered)


def _rank(source: str) -> tuple[bool, str]:
    return source == SUPERVISOR, source


_WATCHED = (*BEGUN, TaskPhase.ASKING, TaskPhase.FAILED)
