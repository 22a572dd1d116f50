"""`explain` says of each key what the tables say, and its examples are values that the tables take."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from typing import Any

import pytest

from maos_sup.agents.registry import kind_shapes
from maos_sup.planner.explain import Explained, every_key, explain
from maos_sup.planner.schema import plan_schema, plan_shape
from state_layout.errors import BadInput
from state_layout.paths import Tree
from state_layout.shapes.shape import ABSENT, Effect, Shape

Call = Callable[..., Any]
KINDS = kind_shapes()
KEYS = every_key(KINDS)
SPEC_ONLY = (
    *("id", "project_name", "tasks.NAME.run", "tasks.NAME.order", "tasks.NAME.merge"),
    *("tasks.NAME.any_of", "tasks.NAME.attempt_of"),
)


def test_every_key_of_the_schema_is_explained_and_no_other() -> None:
    schema = plan_schema(KINDS)
    named = {*schema["properties"]}
    for shape in schema["properties"]["agents"]["additionalProperties"]["oneOf"]:
        named |= {f"agents.NAME.{key}" for key in shape["properties"]}
    named |= {f"tasks.NAME.{key}" for key in schema["properties"]["tasks"]["items"]["properties"]}
    tops = {one.key for one in KEYS if len(one.at) == (3 if "NAME" in one.at else 1)}
    assert tops == named | {*SPEC_ONLY}


@pytest.mark.parametrize("one", [one for one in KEYS if not one.keys], ids=lambda one: one.key)
def test_each_key_says_what_it_is_for(one: Explained) -> None:
    assert one.doc
    assert one.type


@pytest.mark.parametrize("one", [one for one in KEYS if one.example is not ABSENT], ids=lambda one: one.key)
def test_an_example_is_a_value_that_the_key_may_have(one: Explained) -> None:
    plan: dict[str, Any] = {one.at[-1]: one.example}
    for part in reversed(one.at[:-1]):
        plan = {part: plan}
    if one.at[0] == "tasks":
        plan = {"tasks": [*plan["tasks"].values()]}
    if one.key in SPEC_ONLY:
        return
    if one.at[0] == "agents":
        plan["agents"]["NAME".lower()] = {"kind": one.kinds[0] if one.kinds else "command"} | plan[
            "agents"
        ].pop("NAME")
    faults = [fault for fault in plan_shape(KINDS).faults(plan) if one.at[-1] in fault.text.split(" is ")[0]]
    assert [
        fault.text for fault in faults if "missing" not in fault.text and "exclude" not in fault.text
    ] == []


def test_a_key_is_explained_with_default_effect_and_example(call: Call) -> None:
    answer = call("explain", "agents.bob.restart.max")
    assert answer.code == 0
    for words in (
        "agents.NAME.restart.max",
        "restarts within the window before giving up",
        "default 5",
        "at once: within seconds",
        "[agents.NAME.restart]",
        "max = 5",
        "maos-sup set agents/NAME.restart.max 5",
    ):
        assert words in answer.out


@pytest.mark.parametrize(
    "key", ["agents/bob.env", "agents.env", "agents.NAME.env", "[agents.bob].env", "agents.bob.env"]
)
def test_a_key_may_be_written_in_many_ways(key: str) -> None:
    assert [one.key for one in explain(key, KINDS)] == ["agents.NAME.env"]
    assert explain(key, KINDS)[0].effect is Effect.NEXT_TASK


def test_a_key_that_kinds_understand_differently_is_explained_for_each(call: Call) -> None:
    told = json.loads(call("explain", "agents.x.model", "--json").out)["keys"]
    assert sorted(kind for one in told for kind in one["kinds"]) == ["anthropic", "claude", "cli"]


@pytest.mark.parametrize(
    ("key", "near"),
    [
        ("limits.max_agent", "did you mean limits.max_agents"),
        ("max_agents", "did you mean limits.max_agents"),
        ("agents.bob.restart.maximum", "agents.NAME.restart.max"),
        ("timeout", "timeout_s"),
        ("zzzzzz", "maos-sup explain lists all"),
        ("", "maos-sup explain lists all"),
        ("...", "maos-sup explain lists all"),
    ],
)
def test_an_unknown_key_names_the_nearest(call: Call, key: str, near: str) -> None:
    answer = call("explain", key)
    assert (answer.code, answer.out) == (2, "")
    assert answer.err.startswith(f"maos-sup: no key {key!r}; ")
    assert near in answer.err


def test_without_a_key_all_are_listed(call: Call) -> None:
    out = call("explain").out
    assert all(
        key in out for key in ("limits.max_agents", "agents.NAME.want", "tasks.NAME.needs", "keep.daily")
    )


def test_an_example_for_set_is_taken_by_set(call: Call, tree: Tree) -> None:
    wanted = [one for one in KEYS if one.example is not ABSENT and one.effect is not Effect.FIXED]
    tried = 0
    for one in wanted:
        if one.kinds or one.at[-1] in ("agent", "needs", "kind", "restart"):
            continue
        name = {"agents": "alice", "tasks": "count"}.get(one.at[0], "")
        words = [word for word in call("explain", one.key).out.splitlines() if "maos-sup set " in word]
        key = one.set_key.replace("NAME", name)
        assert f"maos-sup set {one.set_key} " in words[0]
        value = one.example if isinstance(one.example, str) else json.dumps(one.example)
        answer = call("set", tree.root.name, key, value)
        assert answer.code == 0, (one.key, answer)
        tried += 1
    assert tried > 25


def test_the_plan_lines_are_toml(call: Call) -> None:
    lines = call("explain", "tasks.report.needs").out.splitlines()
    begin = next(index for index, line in enumerate(lines) if line.startswith("  plan"))
    text = "\n".join(line[10:] for line in lines[begin : begin + 2])
    assert tomllib.loads(text) == {"tasks": [{"needs": ["count"]}]}


def test_an_effect_is_that_of_the_key_around_it_unless_it_says_so() -> None:
    by_key = {one.key: one.effect for one in KEYS}
    assert by_key["limits.timeout_s"] is Effect.AT_ONCE
    assert by_key["agents.NAME.limits.timeout_s"] is Effect.AT_ONCE
    assert by_key["agents.NAME.task"] is Effect.FIXED
    assert isinstance(KINDS["command"], Shape)
    with pytest.raises(BadInput):
        explain("agents.bob.nothing_like_it_at_all", KINDS)
