"""Says what to do where a dead life left an outcome unknown: again, not again, or ask. Never in silence."""

from __future__ import annotations

from enum import Enum

from maos_sup.agents.work import Work

_QUESTION = " Do it again?"


class LostStepVerdict(Enum):
    """The verdict is what is to be done."""

    AGAIN = "again"
    NOT_AGAIN = "not again"
    WAIT = "wait"  # for an answer


def judge_uncertain(work: Work, doubt: str) -> LostStepVerdict:
    """Follow the agent's `on_uncertain` in the face of `doubt`. Raises StorageError."""
    doubt = doubt.removesuffix(_QUESTION)
    if work.spec.on_uncertain == "ask":
        answer = work.ask(doubt + _QUESTION)
        if answer is None:
            return LostStepVerdict.WAIT
        return LostStepVerdict.AGAIN if answer.is_yes else LostStepVerdict.NOT_AGAIN
    work.life.warn(f"{doubt} on_uncertain is {work.spec.on_uncertain!r}.")
    return LostStepVerdict.AGAIN if work.spec.on_uncertain == "retry" else LostStepVerdict.NOT_AGAIN
