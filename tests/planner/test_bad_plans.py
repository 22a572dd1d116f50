"""Malformed plans and the errors they give: file, line, key, value, remedy; all of a plan's at once."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from maos_sup.planner.plan import Plan
from state_layout.errors import BadInput

Load = Callable[..., Plan]

# Each case of bad_plans.txt begins with these two lines, so what it adds begins on line 3.
BASE = 'request = "r"\nagents.a = { kind = "command", command = ["true"], task = "t" }\n'
CASES = Path(__file__).with_name("bad_plans.txt").read_text().split("====\n")[1:]

# What tomllib says differs between versions of Python; line and text of the line do not.
NO_TOML = (
    "[limits",
    "limits = {",
    "limits = { timeout_s = 10 s }",
    "request = 'again'",
    'x = "open',
    "agents.a.kind = 'python'",
    "= 3",
    "x = 1 y = 2",
    "x = 01",
    "x = 'a' # \x07",
)

# Plans that hold nothing of the two good lines.
WHOLE_PLANS: tuple[tuple[str, list[str]], ...] = (
    (
        "",
        [
            "1: 'request' is missing; add text that says what is wanted",
            AGENTS := ("1: 'agents' is missing; add at least one agent, in TOML under [agents.NAME]"),
        ],
    ),
    ("request = ''", [AGENTS, "1: 'request' is ''; use text that says what is wanted"]),
    (
        "request = 3\nagents = {}",
        [
            "1: 'request' is 3; use text that says what is wanted",
            "2: 'agents' is empty; use at least one agent, in TOML under [agents.NAME]",
        ],
    ),
    (
        "request = 'r'\nagents = []",
        [
            "2: 'agents' is a list of 0; use at least one agent, in TOML under [agents.NAME]",
        ],
    ),
    (
        "request = 'r'\nagents = 'all'\ntasks = [{ id = 't', agent = 'a' }]",
        [
            "2: 'agents' is 'all'; use at least one agent, in TOML under [agents.NAME]",
            "3: task 't': 'agent' is 'a', but there is no agent; add it",
        ],
    ),
)


@pytest.mark.parametrize("case", CASES)
def test_mistake_is_named(load: Load, tmp_path: Path, case: str) -> None:
    added, _, expected = case.partition("----\n")
    (tmp_path / "count.py").write_text("print(1)")
    with pytest.raises(BadInput) as raised:
        load(BASE + added)
    assert raised.value.exit_code == 2
    found = [problem.removeprefix(f"{tmp_path}/plan.toml:") for problem in raised.value.problems]
    assert found == expected.splitlines()


def test_there_are_many_cases() -> None:
    assert len(CASES) + len(NO_TOML) + len(WHOLE_PLANS) >= 80


@pytest.mark.parametrize(("text", "expected"), WHOLE_PLANS)
def test_mistakes_of_a_whole_plan_are_named(
    load: Load, tmp_path: Path, text: str, expected: list[str]
) -> None:
    with pytest.raises(BadInput) as raised:
        load(text)
    assert [*raised.value.problems] == [f"{tmp_path}/plan.toml:{line}" for line in expected]


@pytest.mark.parametrize("added", NO_TOML)
def test_line_that_is_no_toml_is_shown(load: Load, tmp_path: Path, added: str) -> None:
    with pytest.raises(BadInput) as raised:
        load(BASE + added + "\n")
    (problem,) = raised.value.problems
    assert problem.startswith(f"{tmp_path}/plan.toml:3: is no valid TOML: ")
    assert problem.endswith("mend this line: " + added.replace("\x07", "\\x07"))


def test_all_mistakes_come_at_once_in_the_order_of_the_file(load: Load) -> None:
    with pytest.raises(BadInput) as raised:
        load(
            "request = ''\nprojct = '.'\nproject = 'no'\n"
            "[limits]\ntimeout_s = 0\n[agents.x]\nkind = 'comand'\n"
        )
    lines = [int(problem.split(":")[1]) for problem in raised.value.problems]
    assert lines == [1, 2, 3, 5, 6, 7]


SCRAPS = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from(["", "a", "..", "a\0b", "x" * 5000]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["a", "id", "kind", "", "agent", "A\n"]), inner, max_size=3)
    ),
    max_leaves=5,
)
WORDS = """
request project want limits intervals budget files agents tasks agents.a agents.a.kind agents.a.command
agents.a.task agents.a.env agents.a.restart tasks.0 tasks.0.id tasks.0.agent tasks.0.needs tasks.0.needs.0
"""
KEYS = st.sampled_from(WORDS.split())


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.dictionaries(KEYS, SCRAPS, min_size=1, max_size=4))
def test_any_value_anywhere_is_a_plan_or_bad_input(load: Load, changes: dict[str, Any]) -> None:
    plan: dict[str, Any] = {
        "request": "r",
        "agents": {"a": {"kind": "command", "command": ["sh", "x"], "task": "t"}},
        "tasks": [{"id": "b", "agent": "a", "needs": ["a"]}],
    }
    for key, value in changes.items():
        _put(plan, key.split("."), value)
    with suppress(BadInput):
        load(json.dumps(plan, allow_nan=True), "plan.json")


def _put(plan: Any, keys: list[str], value: object) -> None:
    for key in keys[:-1]:
        try:
            plan = plan[int(key) if isinstance(plan, list) else key]
        except (KeyError, IndexError, TypeError, ValueError):
            return
    if isinstance(plan, dict):
        plan[keys[-1]] = value
    elif isinstance(plan, list) and plan:
        plan[0] = value
