"""What is more than a spec file may hold is refused at every way in by its name, and never counts as done."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from maos_sup.core.decide import final_phase
from maos_sup.core.model import Memory, Observation
from maos_sup.core.phases import orchestration_phase
from maos_sup.planner.plan import load_plan
from state_layout.errors import BadInput
from state_layout.files.reading import LARGEST_SPEC_BYTES
from state_layout.paths import Tree
from state_layout.records import Phase
from state_layout.shapes.shape import Field, Shape, Text
from state_layout.specs import read_specs
from state_layout.specs.edit import add_spec, edit_spec
from state_layout.tree.making import create_tree

KINDS = {"command": Shape(fields={"shell": Field(Text(least=1))})}
LONG = "x" * 1_100_000
AGENT = {"kind": "command", "shell": "true"}


def plan_of(**more: Any) -> dict[str, Any]:
    return {"request": "r", "agents": {"a": AGENT}, "tasks": [{"id": "t", "agent": "a"}], **more}


TOO_LARGE = {
    "task 't' takes": plan_of(tasks=[{"id": "t", "agent": "a", "description": LONG}]),
    "agent 'a' takes": plan_of(agents={"a": {**AGENT, "role": LONG}}),
    "its 'description'": plan_of(tasks=[{"id": "t", "agent": "a", "description": "\a" * 200_000}]),
    "its 'env'": plan_of(agents={"a": {**AGENT, "env": {f"V{n}": "v" * 1000 for n in range(1100)}}}),
}


@pytest.mark.parametrize("said", TOO_LARGE)
@pytest.mark.parametrize("form", ["json", "toml"])
def test_plan_with_what_no_spec_file_may_hold_is_refused(tmp_path: Path, said: str, form: str) -> None:
    plan = TOO_LARGE[said]
    if form == "json":
        text = json.dumps(plan, indent=1)
    else:  # strings and tables of JSON are such of TOML, but for the colons
        agents = "".join(
            f"[agents.{name}]\n" + "".join(f"{key} = {_toml(value)}\n" for key, value in agent.items())
            for name, agent in plan["agents"].items()
        )
        tasks = "".join(
            "[[tasks]]\n" + "".join(f"{key} = {_toml(value)}\n" for key, value in task.items())
            for task in plan["tasks"]
        )
        text = f'request = "r"\n{agents}{tasks}'
    path = tmp_path / f"plan.{form}"
    path.write_text(text)
    with pytest.raises(BadInput) as refused:
        load_plan(path, kinds=KINDS)
    [problem] = str(refused.value).splitlines()
    assert problem.startswith(f"{path}:") and said in problem
    assert f"at most {LARGEST_SPEC_BYTES:,}" in problem and "into a file" in problem


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {_toml(item)}" for key, item in value.items()) + "}"
    return json.dumps(value)


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return create_tree(
        tmp_path / "tree",
        orchestration={"id": "t", "request": "r", "want": "run"},
        agents={"a": AGENT},
        tasks={"t": {"agent": "a", "description": "d"}},
    )


def test_edit_that_makes_a_file_too_large_changes_nothing(tree: Tree) -> None:
    path = tree.task_spec("t")
    before = path.read_bytes()
    for change in ({"description": LONG}, {"x": ["y" * 50] * 30_000}):
        with pytest.raises(BadInput, match=r"spec/tasks/t.json: takes .*nothing was changed"):
            edit_spec(tree, path, lambda spec, change=change: spec | change)
        assert path.read_bytes() == before
    with pytest.raises(BadInput, match=r"spec/tasks/new.json: takes"):
        add_spec(tree, tree.task_spec("new"), {"agent": "a", "description": LONG})
    assert not tree.task_spec("new").exists()


def test_tree_is_not_made_of_what_it_could_not_read(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"spec/agents/a.json: takes"):
        create_tree(
            tmp_path / "none", orchestration={"request": "r"}, agents={"a": {**AGENT, "role": LONG}}, tasks={}
        )
    assert not (tmp_path / "none" / "FORMAT").exists()


@pytest.mark.parametrize(
    "text", [json.dumps({"agent": "a", "description": LONG}), "{oops", '{"agent": "nobody"}']
)
def test_tree_with_a_refused_task_file_is_not_done(tree: Tree, text: str) -> None:
    tree.task_spec("t").unlink()
    assert phase(tree) is Phase.DONE  # nothing is wanted
    tree.task_spec("dropped").write_text(text)
    assert read_specs(tree).specs.refused == ("dropped",)
    assert phase(tree) is Phase.FAILED


def phase(tree: Tree) -> Phase | None:
    """The final phase, which the supervisor and the views agree on."""
    specs = read_specs(tree).specs
    found = final_phase(Observation(specs=specs, agents={}, now_s=0.0, chance=0.5), Memory())
    assert found is orchestration_phase(specs, {}, is_anyone_alive=False, is_supervised=False)
    return found
