"""What is written as TOML is read back as it was, whatever is in it."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maos_sup.planner.toml_text import plan_text

texts = st.text(st.characters(exclude_categories=["Cs"]))
names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
plain = texts | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.booleans()
values = st.recursive(
    plain, lambda inner: st.lists(inner) | st.dictionaries(names, inner, max_size=3), max_leaves=8
)


@given(st.dictionaries(names, values, max_size=3), st.lists(st.dictionaries(names, values), max_size=2))
def test_whatever_is_written_is_read_back(agents: dict[str, Any], tasks: list[dict[str, Any]]) -> None:
    plan = {"request": "x", "agents": {name: {"value": value} for name, value in agents.items()}}
    plan |= {"tasks": tasks} if tasks else {}
    expected = plan if agents else {key: item for key, item in plan.items() if key != "agents"}
    assert tomllib.loads(plan_text(plan)) == expected


@pytest.mark.parametrize(
    "text",
    ['"""', '\n"""', 'a\n""""', "a\n\\", "\r\n", "a\rb\n", "\t\n", "\n\n", 'x"\n"', "\x00\n\x7f", "'''\n"],
)
def test_long_texts_keep_every_character(text: str) -> None:
    assert tomllib.loads(plan_text({"request": text}))["request"] == text


def test_head_is_a_comment_line_by_line() -> None:
    text = plan_text({"request": "x"}, head="One.\n\nTwo = 2")
    assert text.startswith("# One.\n#\n# Two = 2\n\nrequest")


def test_tables_without_lines_of_their_own_stay_on_one() -> None:
    text = plan_text({"request": "x", "agents": {"a b": {"limits": {"timeout_s": 60.0}, "command": ["a"]}}})
    assert '[agents."a b"]\nlimits = { timeout_s = 60.0 }\ncommand = ["a"]' in text
