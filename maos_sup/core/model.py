"""Says what a decision is made from and what comes out of it: Observation, Memory, Action. All values.

Attempts count from 1, 0 is none; times are seconds of the supervisor's own monotonic clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from msgspec import Struct, field

from maos_sup.core.liveness import Liveness
from state_layout.records import ExitReason, Phase, Specs, TaskOutcome


class EndReason(StrEnum):
    """The reason says why the end of a process was asked for."""

    STOP = "stop"  # wanted: nothing follows from it
    HUNG = "hung"  # counts as a death


class Process(StrEnum):
    """An agent's process runs, or not, or that is unknown. Dead is said only when its lock is free."""

    GONE = "gone"
    ALIVE = "alive"
    UNKNOWN = "unknown"  # the lock is held, by whom cannot be told: change nothing


class AgentObserved(Struct, frozen=True, kw_only=True):
    """An observer saw this of one agent."""

    process: Process
    unknown_s: float = 0.0  # for how long its process is unknown
    last_attempt: int = 0  # the highest number there is a folder for
    highest_attempt: int = 0  # and for which there ever was one
    exit: ExitReason | None = None  # how that attempt ended; None: it says nothing
    detail: str | None = None  # what it said beyond that
    error: str | None = None  # why its last start was refused
    where: str = ""  # on which other machine it runs, or what it waits for there
    ended: str = ""  # how its launcher says that `ended_attempt` ended
    ended_attempt: int = 0
    liveness: Liveness = Liveness.UNKNOWN
    outcomes: Mapping[str, TaskOutcome] = field(default_factory=dict)
    gains: int | None = None  # what its work has gained; None: it does not say
    lingers: int = 0  # it lives, and stays though nothing was ready: since this `seq`; 0: it does not
    answered: frozenset[str] = frozenset()  # tasks whose question has an answer


class Observation(Struct, frozen=True, kw_only=True):
    """Everything a decision may look at."""

    specs: Specs
    agents: Mapping[str, AgentObserved]
    now_s: float
    chance: float  # uniform in 0..1, for jitter
    has_room: bool = True  # on the disk, for a start
    leaving: bool = False  # the supervisor was told to end and to take its agents with it


class AgentMemory(Struct, frozen=True, kw_only=True):
    """The supervisor remembers this of one agent beyond what can be seen."""

    handled: int = 0  # the last attempt whose end was dealt with
    sealed: int = 0  # the last attempt whose end this life wrote down
    submitted: int = 0  # the attempt asked for whose end is awaited; 0: none
    restarted_s: tuple[float, ...] = ()  # when it was restarted
    not_before_s: float = 0.0  # back-off
    fruitless: int = 0  # restarts in a row that gained nothing
    gains: int = 0  # at its last death
    ending: EndReason | None = None  # its end was asked for, and why
    reason: str | None = None  # why it is not running, for people


class Memory(Struct, frozen=True, kw_only=True):
    """The memory is what the supervisor remembers; carried from life to life through its journal."""

    agents: Mapping[str, AgentMemory] = field(default_factory=dict)
    outcomes: Mapping[str, TaskOutcome] = field(default_factory=dict)  # tasks it settled itself
    notified: frozenset[str] = frozenset()  # keys of the events that people were told of

    def of(self, agent: str) -> AgentMemory:
        """Give what is remembered of `agent`."""
        return self.agents.get(agent) or AgentMemory()


class Submit(Struct, frozen=True, kw_only=True):
    """Start `attempt` of `agent`."""

    agent: str
    attempt: int


class Seal(Struct, frozen=True, kw_only=True):
    """Write the end of an attempt that died without a word; `detail`: what its launcher says of that."""

    agent: str
    attempt: int
    detail: str | None = None


class Acknowledge(Struct, frozen=True, kw_only=True):
    """An attempt ended as it should; nothing follows from it. `attempt` is the last one that began."""

    agent: str
    attempt: int
    reason: ExitReason


class Delay(Struct, frozen=True, kw_only=True):
    """An attempt died; start the next one after `delay_s`. `attempt` is the last one that began."""

    agent: str
    attempt: int
    reason: str
    delay_s: float
    ages_s: tuple[float, ...]
    fruitless: int = 0  # deaths in a row that gained nothing, this one included
    gains: int = 0


class GiveUp(Struct, frozen=True, kw_only=True):
    """An attempt died once too often: settle `tasks` (id -> run) as failed."""

    agent: str
    attempt: int
    reason: str
    tasks: Mapping[str, int]


class End(Struct, frozen=True, kw_only=True):
    """Stop the process tree of `agent`: TERM, `grace_s`, KILL."""

    agent: str
    ending: EndReason
    reason: str
    grace_s: float


class Finish(Struct, frozen=True, kw_only=True):
    """Nothing is left to do; the supervisor ends."""

    phase: Phase


class Notify(Struct, frozen=True, kw_only=True):
    """Tell people of the event `key`, by their command. `agent` is whom it concerns; empty: all."""

    key: str
    agent: str = ""


Action = Notify | Submit | Seal | Acknowledge | Delay | GiveUp | End | Finish
