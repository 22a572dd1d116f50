"""Caps given on a command line reach the plan's file, and leave all else there as people wrote it."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from maos_sup.planner.caps import cap_file
from state_layout.errors import BadInput

CAPS = {"max_cost_usd": 2.5, "max_tokens": 1000}


@pytest.mark.parametrize(
    "budget",
    [
        "",
        "[budget]\n",
        "[budget] # mine\nmax_cost_usd = 9 # dollars\n",
        "[ budget ]\nmax_tokens = 1_000_000\n\n[limits]\nmax_agents = 2\n",
        "budget.max_cost_usd = 1\nbudget.max_tokens = 7\n",
        "budget = { max_tokens = 5, max_cost_usd = 0.1 }\n",
        '[budget]\n"max_cost_usd" = 9\n',
    ],
)
def test_caps_are_written_and_nothing_else_changes(tmp_path: Path, budget: str) -> None:
    path = tmp_path / "plan.toml"
    rest = '[agents.a]\nkind = "anthropic" # it has a budget = 3\n'
    path.write_text(f'# by hand\nrequest = "x"\n{budget}\n{rest}')
    cap_file(path, CAPS)
    text = path.read_text()
    assert tomllib.loads(text)["budget"] == CAPS
    assert text.startswith("# by hand\n")
    assert rest in text
    cap_file(path, CAPS)
    assert path.read_text() == text


def test_an_unusual_budget_is_left_alone_and_named(tmp_path: Path) -> None:
    path = tmp_path / "plan.toml"
    path.write_text('request = "x"\nbudget = { max_tokens = 5 }\n')
    before = path.read_bytes()
    with pytest.raises(BadInput, match=r"plan.toml: its \[budget\] cannot be changed.*max_cost_usd = 2.5"):
        cap_file(path, CAPS)
    assert path.read_bytes() == before
