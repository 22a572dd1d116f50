"""The JSON Schema of plans: complete, and of one mind with the checks."""

from __future__ import annotations

import json
from typing import Any

from maos_sup.planner.plan import plan_schema
from maos_sup.planner.schema import plan_shape
from state_layout.shapes.shape import Shape


def test_schema_is_json_and_names_every_key(kinds: dict[str, Shape]) -> None:
    schema = json.loads(json.dumps(plan_schema(kinds)))
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["required"] == ["request", "agents"]
    assert [*schema["properties"]] == [*plan_shape(kinds).fields]
    assert schema["properties"]["limits"]["properties"]["timeout_s"] == {
        "type": "number",
        "exclusiveMinimum": 0,
        "maximum": 1e9,
        "description": "longest time of a task's attempt",
        "default": 600.0,
    }


def test_each_kind_has_its_settings(kinds: dict[str, Shape]) -> None:
    agents = plan_schema(kinds)["properties"]["agents"]
    by_kind: dict[str, Any] = {
        agent["properties"]["kind"]["const"]: agent for agent in agents["additionalProperties"]["oneOf"]
    }
    assert by_kind["command"]["allOf"] == [{"oneOf": [{"required": ["command"]}, {"required": ["shell"]}]}]
    assert by_kind["python"]["required"] == ["kind", "callable"]
    assert "shell" not in by_kind["python"]["properties"]


def test_schema_of_other_kinds_has_their_keys() -> None:
    assert plan_schema({})["properties"]["agents"]["additionalProperties"] == {"oneOf": []}
