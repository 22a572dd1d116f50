"""The command lines that are shown beside what wants a person, the same wherever it is shown. Pure."""

from __future__ import annotations

import shlex


def is_leave(text: str) -> bool:
    """The question asks for leave to run a tool, which takes yes or no and nothing else."""
    return text.startswith("May ") and " run " in text and " with " in text


def answer_command(question: str, text: str, *, name: str) -> str:
    """Make the command that answers the question of that id and text; `name` is a shell's word for the
    tree."""
    says = "yes|no" if is_leave(text) else "ANSWER"
    return f"maos-sup answer {name} {shlex.quote(question)} {says}"


def budget_command(reason: str, *, agent: str, name: str) -> str:
    """Make the command that raises the budget which `reason` says is used up, of `agent` or of all."""
    key = "budget.max_tokens" if "token" in reason else "budget.max_cost_usd"
    where = key if reason.startswith("budget of all") else f"agents/{agent}.{key}"
    return f"maos-sup set {name} {where} AMOUNT"
