"""Says how work on a task ends: by itself, by a wish that cuts it short, or for want of what a person
supplies.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from state_layout.errors import BadInput


class Interrupt(IntEnum):
    """An interrupt says why work is to end before it is done; a higher one overrides a lower one."""

    ASK = 1  # it waits for an answer
    PAUSE = 2  # at the next safe point
    RERUN = 3  # a higher run is wanted
    CANCEL = 4
    TIMEOUT = 5
    STOP = 6
    TROUBLE = 7  # the disk, or a bug of ours


SOFT = frozenset({Interrupt.ASK, Interrupt.PAUSE})


class Ended(BaseException):
    """Unwinds a kind's work; no `except Exception` of a user catches it."""

    def __init__(self, ending: Interrupt) -> None:
        super().__init__(ending.name.lower())
        self.ending = ending


class Missing(BadInput):
    """Only a person can supply this: the task fails at once, for trying again is of no use."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkOutcome:
    """The outcome says how work on a task ended. Done only if `ended` and `error` are None."""

    ended: Interrupt | None = None  # cut short by this
    error: str | None = None
    result: Any = None  # None: what the program reported as its result, if it did
    exit_code: int | None = None
    signal: int | None = None
    is_final: bool = False  # an error that no repetition mends: the task failed
