"""Lines of the supervisor's journal, `supervisor/lives/<life>/journal.jsonl`.

Only the type checker imports this.
"""

from __future__ import annotations

from typing import TypedDict

from state_layout.records.snapshots import TaskSnapshot


class LifePin(TypedDict):
    """The pin is the last line of the life before."""

    life: int
    seq: int
    h: str


class AgentRemembered(TypedDict, total=False):
    """The supervisor carries this of one agent from life to life; moments are ages."""

    handled: int  # the last attempt whose end was dealt with
    ages_s: list[float]  # of its restarts
    ending: str | None
    reason: str | None
    fruitless: int
    gains: int


class MemoryCarried(TypedDict, total=False):
    """A supervisor remembers this, as the first line of a life has it."""

    agents: dict[str, AgentRemembered]
    outcomes: dict[str, TaskSnapshot]  # of tasks that it gave up
    notified: list[str]


class SupervisorLine(TypedDict, total=False):
    """Any line has some of these keys: which are there depends on `type`.

    `start` has life, pin, memory; `submit`, `seal`, `adopted` have agent and attempt, `seal` may have detail;
    `acknowledged` has reason as well; `restart` delay_s, ages_s, fruitless and gains besides; `gave_up` tasks
    in place of these; `end` has agent, ending, reason, grace_s; `notified` key and agent; `finished` phase;
    `restored` notes; `rewind` and `rewound` have by, why, void, cut, back, memory. Other lines are shown and
    no more.
    """

    seq: int
    at: str
    type: str
    h: str
    life: int
    pin: LifePin | None
    memory: MemoryCarried | None
    agent: str
    attempt: int
    reason: str
    detail: str  # what its launcher says of the end
    delay_s: float
    ages_s: list[float]  # of the restarts before
    fruitless: int  # deaths in a row that gained nothing
    gains: int
    tasks: dict[str, int]  # settled as failed, with their runs
    ending: str
    grace_s: float
    key: str
    phase: str
    notes: list[str]
    by: str
    why: str
    void: int
    cut: int
    back: int
