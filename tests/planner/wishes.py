"""Requests, proposals and a model that answers as told, for tests of planning from words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from maos_sup.core.questions import ModelAnswer, ModelQuestion
from maos_sup.planner.proposal import Offer
from maos_sup.planner.roles import OURS, read_roles
from maos_sup.planner.words import PlanWish

KINDS = ("anthropic", "command")
GOOD: dict[str, Any] = {
    "summary": "One writes it, one tests it.",
    "limits": {"max_agents": 2},
    "agents": [
        {"name": "dev", "role": "developer", "instructions": "You know payment."},
        {"name": "test", "role": "tester"},
    ],
    "tasks": [
        {"id": "write", "agent": "dev", "description": "Write pay.py"},
        {"id": "check", "agent": "test", "description": "Test pay.py", "needs": ["write"]},
    ],
}


def offer(**changed: Any) -> Offer:
    """Offer what proposals may choose from, unless `changed`."""
    given: dict[str, Any] = {
        "kinds": KINDS,
        "roles": read_roles([OURS]),
        "model": "claude-test",
        "most_agents": 4,
        "most_tasks": 8,
    }
    return Offer(**{**given, **changed})


def wish(**changed: Any) -> PlanWish:
    """A wish, unless `changed`."""
    given: dict[str, Any] = {
        "request": "Refactor the payment module",
        "project": None,
        "survey": "3 files",
        "offer": offer(),
    }
    return PlanWish(**{**given, **changed})


def proposal(**changed: Any) -> dict[str, Any]:
    """The good proposal, but for what is `changed`."""
    return {**GOOD, **changed}


class Answers:
    """Answers in their order; keeps what it was asked."""

    def __init__(self, *values: Mapping[str, Any] | str | None) -> None:
        self._values: Sequence[Mapping[str, Any] | str | None] = values
        self.questions: list[ModelQuestion] = []

    def __call__(self, question: ModelQuestion) -> ModelAnswer:
        value = self._values[len(self.questions)]
        self.questions.append(question)
        if isinstance(value, str):
            return ModelAnswer(value=None, text=value, model="claude-test", tokens=10)
        return ModelAnswer(value=value, model="claude-test", tokens=10, cost_usd=0.01)
