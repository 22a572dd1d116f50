"""Sends a person's message to an agent, or to all. Durable on return."""

from __future__ import annotations

from typing import Any

from maos_sup.standing.agents import agent_standing
from maos_sup.standing.presence import is_here
from maos_sup.steering.change import Change
from maos_sup.steering.wanting import known_agent, prompt
from state_layout.errors import BadInput
from state_layout.mail.operator_mail import append_operator_message
from state_layout.paths import Tree

ALL = "all"


def send(tree: Tree, to: str, text: str | None, *, body: Any = None, type_: str = "info") -> Change:
    """Send `text`, or `body`, to the agent `to` or to all. Raises BadInput."""
    if not text and body is None:
        raise BadInput("nothing to send; give TEXT, or --body with JSON")
    if to != ALL:
        known_agent(tree, to)
    append_operator_message(tree, to, text=text, body=body, type=type_)
    prompt(tree, *([] if to == ALL else [to]))
    return Change(subject=f"message to {to}", text=f"sent to {to}{_when(tree, to)}", after=text)


def _when(tree: Tree, to: str) -> str:
    if to == ALL or agent_standing(tree, to, here=is_here(tree)).pid is not None:
        return ""
    return "; it is not running and reads it when it runs next"
