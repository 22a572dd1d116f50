"""Says how long an agent stays while nothing is ready: a start and an end of a process cost more than a task.

Only while tasks of its own wait for those of others, on the supervisor's machine, and for a bounded time
(`[intervals] linger_s`). The supervisor, which sees it in the snapshot, pulls its trigger when a need is met,
and asks it to give way when somebody else needs its slot or nothing can come any more. Losing either word
costs latency: the time is over some day, and then it looks once more. Who cannot be told does not stay. Where
no supervisor lives any more it starts one, or what it waits for might have nobody to do it.
"""

from __future__ import annotations

import time

from maos_sup.agents.attempt.life import AgentLife
from maos_sup.agents.pulse.pulse import Pulse
from maos_sup.agents.tasks.choice import TaskChoice
from maos_sup.agents.tasks.revive import revive
from state_layout.files import disk
from state_layout.records import LOCAL, AgentPhase, AgentSpec, TaskPhase, Want

_REVIVE_AGAIN_S = 10.0  # after a supervisor that was started, and died at once


class Lingering:
    """The lingering is that of one life, for its working thread."""

    def __init__(self, life: AgentLife, pulse: Pulse, choice: TaskChoice) -> None:
        self._life, self._pulse, self._choice = life, pulse, choice
        self._since_s: float | None = None  # monotonic; None: there is, or was a moment ago, a task to do
        self._spec: AgentSpec | None = None  # the agent, as it was then
        self._revive_from_s = 0.0  # monotonic

    @property
    def is_over(self) -> bool:
        """It was asked to give way: it ends, whatever has become ready since, or others would starve."""
        return self._since_s is not None and self._life.is_to_give_way

    def looks_again(self, *, is_asking: bool) -> bool:
        """Nothing is ready: wait for news, where staying makes sense. True: look for a task again; False:
        end."""
        life, now_s = self._life, time.monotonic()
        if life.specs.may_miss_tasks:
            life.specs.reread()
            return True
        if is_asking or self.is_over or not self._makes_sense():
            return False
        if self._since_s is None:
            self._begin(now_s)
        else:  # it was woken, if only to look after what nobody tells of
            self._call_back(now_s)
        left_s = (self._since_s or now_s) + life.specs.now.orchestration.intervals.linger_s - now_s
        if left_s <= 0 or life.specs.agent != self._spec:  # a changed agent begins with what it is now
            return False
        life.bell.wait([], left_s)
        life.specs.look()
        return True

    def foresee(self, ended: TaskPhase) -> None:
        """A task has ended: let its snapshot say already that the agent stays, where that is likely.

        That saves a second one. Where it was wrong the next task says so, and what was told meanwhile is
        void.
        """
        if ended is TaskPhase.DONE and self._makes_sense() and self._choice.was_only_one():
            self._comes_to_rest()

    def end(self) -> None:
        """There is a task to do."""
        self._since_s = None

    def _makes_sense(self) -> bool:
        specs = self._life.specs.now
        return (
            specs.orchestration.intervals.linger_s > 0
            and not disk.is_guarded()
            and self._pulse.hears
            and specs.launcher_of(self._life.agent) == LOCAL
            and self._choice.waits_for_others()
        )

    def _begin(self, now_s: float) -> None:
        life = self._life
        self._since_s, self._spec = now_s, life.specs.agent
        if life.publisher.phase != AgentPhase.WAITING:
            self._comes_to_rest()
            life.publisher.publish_soon(tell=True)
        self._pulse.hurry()  # where the snapshot has to wait, it is the pulse that writes it

    def _call_back(self, now_s: float) -> None:
        """Start a supervisor if none lives: it may have been killed when nobody was left to settle a task."""
        life = self._life
        if now_s < self._revive_from_s or life.bell.signalled or life.specs.want is not Want.RUN:
            return
        if revive(life.tree):
            self._revive_from_s = now_s + _REVIVE_AGAIN_S

    def _comes_to_rest(self) -> None:
        """Have the next snapshot say that it stays; whatever was told until now was told of another rest."""
        self._life.is_to_give_way = False
        self._life.publisher.phase = AgentPhase.WAITING
