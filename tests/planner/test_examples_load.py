"""The plans that come with the source are good plans of the kinds that come with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from maos_sup.agents.registry import kind_shapes
from maos_sup.planner.plan import load_plan

EXAMPLES = Path(__file__).parents[2] / "examples"
PLANS = sorted([*EXAMPLES.rglob("plan*.toml"), *EXAMPLES.rglob("plan*.json")])


@pytest.mark.parametrize("path", PLANS, ids=lambda path: str(path.relative_to(EXAMPLES)))
def test_example_loads_and_brings_its_programs_along(path: Path) -> None:
    plan = load_plan(path, kinds=kind_shapes())
    named = {word for agent in plan.agents.values() for word in agent.get("command", [])[1:]}
    assert plan.tasks
    assert {word for word in named if (path.parent / word).is_file()} <= plan.files.keys()


def test_there_are_examples() -> None:
    assert PLANS
