"""What a decision is made from and what comes out of it: Observation, Memory, Action. All values.

Attempts count from 1, 0 is none; times are seconds of the supervisor's own monotonic clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from maos_sup.core.liveness import Liveness
from state_layout.records import ExitReason, Phase, Specs, TaskOutcome


class Ending(StrEnum):
    """Why the end of a process was asked for."""

    STOP = "stop"  # wanted: nothing follows from it
    HUNG = "hung"  # counts as a death


class Process(StrEnum):
    """Whether an agent's process runs. Dead is said only when its lock is free."""

    GONE = "gone"
    ALIVE = "alive"
    UNKNOWN = "unknown"  # the lock is held, by whom cannot be told: change nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentObserved:
    """What was seen of one agent."""

    process: Process
    unknown_s: float = 0.0  # for how long its process is unknown
    last_attempt: int = 0  # the highest number there is a folder for
    highest_attempt: int = 0  # and for which there ever was one
    exit: ExitReason | None = None  # how that attempt ended; None: it says nothing
    detail: str | None = None  # what it said beyond that
    liveness: Liveness = Liveness.UNKNOWN
    outcomes: Mapping[str, TaskOutcome] = field(default_factory=dict)
    gains: int | None = None  # what its work has gained; None: it does not say
    answered: frozenset[str] = frozenset()  # tasks whose question has an answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """Everything a decision may look at."""

    specs: Specs
    agents: Mapping[str, AgentObserved]
    now_s: float
    chance: float  # uniform in 0..1, for jitter
    has_room: bool = True  # on the disk, for a start
    leaving: bool = False  # the supervisor was told to end and to take its agents with it


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentMemory:
    """What the supervisor remembers of one agent beyond what can be seen."""

    handled: int = 0  # the last attempt whose end was dealt with
    sealed: int = 0  # the last attempt whose end this life wrote down
    submitted: int = 0  # the attempt asked for whose end is awaited; 0: none
    restarted_s: tuple[float, ...] = ()  # when it was restarted
    not_before_s: float = 0.0  # back-off
    fruitless: int = 0  # restarts in a row that gained nothing
    gains: int = 0  # at its last death
    ending: Ending | None = None  # its end was asked for, and why
    reason: str | None = None  # why it is not running, for people


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """What the supervisor remembers; carried from life to life through its journal."""

    agents: Mapping[str, AgentMemory] = field(default_factory=dict)
    outcomes: Mapping[str, TaskOutcome] = field(default_factory=dict)  # tasks it settled itself
    notified: frozenset[str] = frozenset()  # keys of the events that people were told of

    def of(self, agent: str) -> AgentMemory:
        """What is remembered of `agent`."""
        return self.agents.get(agent) or AgentMemory()


@dataclass(frozen=True, slots=True, kw_only=True)
class Submit:
    """Start `attempt` of `agent`."""

    agent: str
    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Seal:
    """Write the end of an attempt that died without a word."""

    agent: str
    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledge:
    """An attempt ended as it should; nothing follows from it. `attempt` is the last one that began."""

    agent: str
    attempt: int
    reason: ExitReason


@dataclass(frozen=True, slots=True, kw_only=True)
class Delay:
    """An attempt died; start the next one after `delay_s`. `attempt` is the last one that began."""

    agent: str
    attempt: int
    reason: str
    delay_s: float
    ages_s: tuple[float, ...]
    fruitless: int = 0  # deaths in a row that gained nothing, this one included
    gains: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class GiveUp:
    """An attempt died once too often: settle `tasks` (id -> run) as failed."""

    agent: str
    attempt: int
    reason: str
    tasks: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """Stop the process tree of `agent`: TERM, `grace_s`, KILL."""

    agent: str
    ending: Ending
    reason: str
    grace_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Finish:
    """Nothing is left to do; the supervisor ends."""

    phase: Phase


@dataclass(frozen=True, slots=True, kw_only=True)
class Notify:
    """Tell people of the event `key`, by their command. `agent` is whom it concerns; empty: all."""

    key: str
    agent: str = ""


Action = Notify | Submit | Seal | Acknowledge | Delay | GiveUp | End | Finish
