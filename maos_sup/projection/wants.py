"""Says what waits for a person, the most urgent first: answers, money, failures, mistakes in `spec/`.
Pure.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from difflib import unified_diff
from typing import TYPE_CHECKING

from maos_sup.core.hints import answer_command, budget_command, is_leave
from maos_sup.views.events import outcome_text
from state_layout.files import codec

if TYPE_CHECKING:
    from maos_sup.views.shapes import Status

QUESTION, APPROVAL, BUDGET, FAILED, MISTAKE = "question", "approval", "budget", "failed", "mistake"
_ENDED_BADLY = ("failed",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """One thing that a person has to decide. `type_this` is the command that does it."""

    kind: str
    text: str
    agent: str | None = None
    task: str | None = None
    id: str | None = None  # of the question
    at: str | None = None
    tool: str | None = None  # that an approval is about
    action: str | None = None  # exactly what it would be run with
    diff: tuple[str, ...] = ()  # what it would change, where that can be told
    type_this: str | None = None


def wants_of(status: Status, *, name: str) -> list[Wanted]:
    """List what `status` waits for; `name` is what a command line calls the tree."""
    return [
        *_questions(status, name),
        *_budgets(status, name),
        *_failures(status, name),
        *(Wanted(kind=MISTAKE, text=str(error["text"])) for error in status["spec_errors"]),
    ]


def _questions(status: Status, name: str) -> Iterator[Wanted]:
    for agent in status["agents"]:
        for asked in agent["questions"]:
            text = str(asked.get("text") or "")
            tool, action = _leave(text)
            yield Wanted(
                kind=APPROVAL if tool is not None else QUESTION,
                text=text,
                agent=agent["name"],
                task=asked.get("task"),
                id=str(asked["id"]),
                at=asked.get("at"),
                tool=tool,
                action=action,
                diff=tuple(_diff(action)) if action is not None else (),
                type_this=answer_command(str(asked["id"]), text, name=name),
            )


def _leave(text: str) -> tuple[str | None, str | None]:
    """The tool that leave is asked for, and what it would be run with; None, None for another question."""
    if not is_leave(text):
        return None, None
    tool, _, action = text.partition(" run ")[2].partition(" with ")
    return tool, action.removesuffix("?")


def _diff(action: str) -> Iterator[str]:
    """The change of a file that an action says: `old_str` and `new_str`, or `old_string` and `new_string`."""
    try:
        told = codec.decode_object(action.encode())
    except codec.NotJson:
        return
    for old, new in (
        ("old_str", "new_str"),
        ("old_string", "new_string"),
        ("", "file_text"),
        ("", "content"),
    ):
        before, after = told.get(old, "") if old else "", told.get(new)
        if isinstance(before, str) and isinstance(after, str) and (before or not old):
            name = str(told.get("path") or told.get("file_path") or "file")
            lines = unified_diff(before.splitlines(), after.splitlines(), name, name, lineterm="")
            yield from list(lines)[:400]
            return


def _budgets(status: Status, name: str) -> Iterator[Wanted]:
    for agent in status["agents"]:
        reason = str(agent.get("reason") or "")
        if reason.startswith("budget "):
            command = budget_command(reason, agent=agent["name"], name=name)
            yield Wanted(kind=BUDGET, text=reason, agent=agent["name"], type_this=command)


def _failures(status: Status, name: str) -> Iterator[Wanted]:
    for task in status["tasks"]:
        if task["phase"] in _ENDED_BADLY:
            yield Wanted(
                kind=FAILED,
                text=outcome_text(task),
                agent=task["agent"],
                task=task["id"],
                type_this=f"maos-sup retry {name} --task {task['id']}",
            )
