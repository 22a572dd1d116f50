"""Kinds for plans: their settings as shapes, as the command line passes them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from maos_sup.planner.plan import Plan, load_plan
from state_layout.shapes.shape import Argv, CallableName, Field, Shape, Text

KINDS = {
    "command": Shape(
        fields={"command": Field(Argv()), "shell": Field(Text(least=1))}, exactly_one=(("command", "shell"),)
    ),
    "python": Shape(fields={"callable": Field(CallableName(), required=True)}),
}


@pytest.fixture
def kinds() -> dict[str, Shape]:
    return KINDS


@pytest.fixture
def load(tmp_path: Path) -> Callable[..., Plan]:
    """Load a plan of this text, written as `plan.toml` unless named."""

    def load_text(text: str | bytes, name: str = "plan.toml") -> Plan:
        path = tmp_path / name
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return load_plan(path, kinds=KINDS)

    return load_text
