"""What to do where a dead life left an outcome unknown: again, not again, or ask. Never in silence."""

from __future__ import annotations

from enum import Enum

from maos_sup.agents.kind import Ending, Outcome
from maos_sup.agents.questions import ask
from maos_sup.agents.work import Work

UNCERTAIN_TEXT = (
    "The process of this agent died while {what} was under way; whether it took effect is not known. "
    "Do it again?"
)


class Verdict(Enum):
    """What is to be done."""

    AGAIN = "again"
    NOT_AGAIN = "not again"
    WAIT = "wait"

    def outcome(self, work: Work) -> Outcome:
        """The outcome of a task that is not done again (now)."""
        if self is Verdict.WAIT:
            return Outcome(ended=Ending.ASK)
        text = f"an attempt at task {work.task.id!r} was lost; whether it took effect is not known"
        return Outcome(error=f"{text}; 'maos-sup retry' does it again", is_final=True)


def judge_uncertain(work: Work, text: str) -> Verdict:
    """Follow the agent's `on_uncertain`; `text` is the question, or what is reported. Raises StorageError."""
    if work.spec.on_uncertain == "ask":
        answer = ask(work, text)
        if answer is None:
            return Verdict.WAIT
        return Verdict.AGAIN if answer.is_yes else Verdict.NOT_AGAIN
    work.life.warn(text.replace(" Do it again?", f" on_uncertain is {work.spec.on_uncertain!r}."))
    return Verdict.AGAIN if work.spec.on_uncertain == "retry" else Verdict.NOT_AGAIN
