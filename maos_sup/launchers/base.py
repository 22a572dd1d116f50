"""Says what a launcher is: asked to start, to end and to look, it never decides anything.

An agent has one process at most, so everything is keyed by the agent's name. A launcher belongs to one
supervisor and one thread of it. Nothing here waits: `submit` and `cancel` ask, `poll` tells what came of it.
A launcher's word is a hint: that an agent is dead is said by its lock.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Protocol

from maos_sup.core.model import Process
from maos_sup.system.ending import Swept
from state_layout.records import LOCAL, Placement

NOWHERE_SPECIAL = Placement()


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """A submission requests one life of an agent. `attempt` is the number it is expected to take."""

    agent: str
    attempt: int
    tree_root: str
    launcher: str = LOCAL
    place: Placement = NOWHERE_SPECIAL
    variables: tuple[str, ...] = ()  # of our environment, which its process needs wherever it runs

    @property
    def token(self) -> str:
        """Names this life; submitting it twice starts it once."""
        return f"{self.agent}.{self.attempt}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """A launcher knows this of the last process of an agent."""

    pid: int  # 0: not started yet, or never
    alive: bool  # also while it is being started
    exit_code: int | None = None  # None with `signal` None: not known (yet)
    signal: int | None = None
    error: str | None = None  # why it could not be started: then there was no attempt
    where: str = ""  # in words, if that is not this machine: the node, or what it waits for
    ended: str = ""  # in words, how its launcher says that `attempt` ended; empty: it does not say
    attempt: int = 0


class Launcher(Protocol):
    """Starts and ends the agents of one tree."""

    def fileno(self) -> int:
        """Give a descriptor that becomes readable when `poll` has something to do; the same for life."""

    def submit(self, submission: Submission) -> int:
        """Ask for a process; its native id, or 0 while it is being started.

        Idempotent: while a process of the agent lives, or is being started, nothing happens.
        """

    def poll(self) -> Mapping[str, Observed] | None:
        """Take in what happened; the last process of every agent that was submitted or adopted.

        The end of a process stays until the agent is submitted again. None: cannot know, change nothing.
        """

    def living(self) -> AbstractSet[str]:
        """The agents whose processes lived, or were being started, at the last `poll`."""

    def adopt(self, agent: str) -> bool:
        """Watch a living agent that another launcher started; whether its process was found."""

    def says(self, agent: str, *, launcher: str, attempt: int) -> Process | None:
        """Say whether `agent`, whom `living` does not name, runs; None: the lock on this machine tells.

        `launcher` is the one that is to start it, `attempt` its last one. Only what is certain is GONE.
        """

    def cancel(self, agents: Iterable[str], *, grace_s: float) -> None:
        """Ask agents to end: TERM now, and after `grace_s` KILL to all that descends from them.

        Goes on inside `poll`. For an agent that is ending already the earlier deadline counts. Without grace
        there is no TERM. What an agent that ended by itself left behind is for `sweep`.
        """

    def sweep(self, marks: AbstractSet[str]) -> Swept:
        """End whatever wears one of `marks`: the leftovers of dead agents.

        Returns when they are gone, or after a moment with the pids that are not.
        """

    def close(self) -> None:
        """Let go of everything. Agents live on."""
