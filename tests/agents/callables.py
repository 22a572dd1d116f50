"""A stage with one agent that runs a callable, and small words its callable may use."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from typing import Any

from stage import Stage, python

from state_layout.records import TaskPhase

Make = Callable[..., Stage]
HEAD = """
import os, time
def word(name, text):
    with open(os.environ["OUT"] + "/" + name, "a") as file:
        file.write(str(text) + "\\n")
def has(name):
    return os.path.exists(os.environ["OUT"] + "/" + name)
def once(name):
    if has(name):
        return False
    word(name, "")
    return True
"""


def staged(stage: Make, body: str, agents: dict[str, Any] | None = None, **more: Any) -> Stage:
    """A stage whose agent `ann` runs `main` of `body`."""
    text = HEAD + textwrap.dedent(body)
    return stage({"ann": python(**more), **(agents or {})}, {"t": {"agent": "ann"}}, files={"work.py": text})


def result(one: Stage) -> Any:
    outcome = one.history("ann").tasks["t"]
    assert outcome.phase is TaskPhase.DONE, (outcome, one.log(), one.stderr("ann"))
    return outcome.result
