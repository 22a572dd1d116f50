"""A request in words becomes a plan; what the model gets wrong is told to it once, then to a person."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from wishes import GOOD, Answers, offer, proposal, wish

from maos_sup.agents.registry import kind_shapes
from maos_sup.planner.words import Planned, plan_from_words
from state_layout.errors import BadInput

KINDS = kind_shapes()


def planned(path: Path, answers: Answers, **changed: Any) -> Planned:
    return plan_from_words(wish(**changed), path, ask=answers, kinds=KINDS)


def test_request_becomes_agents_and_tasks_with_roles_needs_and_limits(tmp_path: Path) -> None:
    path = tmp_path / "plan.toml"
    found = planned(path, Answers(GOOD))
    written = tomllib.loads(path.read_text())
    assert written["limits"] == {"max_agents": 2}
    assert [task["needs"] for task in found.plan.tasks.values()] == [[], ["write"]]
    dev = found.plan.agents["dev"]
    assert (dev["kind"], dev["model"]) == ("anthropic", "claude-test")
    assert dev["role"].startswith("You are a developer")
    assert dev["role"].endswith("You know payment.")
    assert found.answers[0].cost_usd == 0.01
    assert [entry.name for entry in tmp_path.iterdir()] == ["plan.toml"]


def test_model_is_told_of_request_project_roles_and_form(tmp_path: Path) -> None:
    answers = Answers(GOOD)
    planned(tmp_path / "plan.toml", answers)
    question = answers.questions[0]
    assert "Refactor the payment module" in question.prompt
    assert "3 files" in question.prompt
    assert "- reviewer: You are a reviewer" in question.system
    assert question.schema["required"] == ["agents", "tasks"]


@pytest.mark.parametrize(
    ("bad", "error"),
    [
        ("I would rather talk about it.", "no JSON object"),
        ("", "no JSON object"),
        (None, "no JSON object"),
        ({}, "'agents' is missing"),
        (proposal(agents=[]), "'agents' is empty"),
        (proposal(agents="dev"), "'agents' is 'dev'; use a list of agents"),
        (proposal(tasks=[]), "'tasks' is empty"),
        (proposal(agents=[{"name": "dev", "role": "wizard"}]), "'agents[0].role' is 'wizard'"),
        (proposal(agents=[{"name": "dev", "kind": "shell"}]), "'agents[0].kind' is 'shell'"),
        (proposal(agents=[{"name": "Big Dev"}]), "'agents[0].name' is 'Big Dev'"),
        (proposal(agents=[{"name": "all"}]), "'agents[0].name' is 'all'"),
        (proposal(agents=[{"name": "dev", "sandbox": "none"}]), "'agents[0].sandbox' is no known key"),
        (proposal(agents=[{"name": "dev", "env": {"A": "b"}}]), "'agents[0].env' is no known key"),
        (proposal(agents=[{"name": "dev"}] * 2), "'agents[1].name' repeats 'dev'"),
        (proposal(agents=[{"name": f"a{n}"} for n in range(5)]), "'agents' has 5, the most is 4"),
        (proposal(tasks=[{"id": f"t{n}", "agent": "dev", "description": "x"} for n in range(9)]), "has 9"),
        (proposal(agents=[{"name": "dev", "command": ["rm", "x"]}]), "belongs to kind command"),
        (proposal(agents=[{"name": "dev", "kind": "command"}]), "belongs to kind command"),
        (proposal(tasks=[{"id": "a", "agent": "bob", "description": "x"}]), "'bob', which is no agent"),
        (proposal(tasks=[{"id": "a", "agent": "dev", "description": ""}]), "'tasks[0].description'"),
        (
            proposal(tasks=[{"id": "a", "agent": "dev", "description": "x", "needs": ["b"]}]),
            "'b', which is no task",
        ),
        (
            proposal(
                tasks=[
                    {"id": "a", "agent": "dev", "description": "x", "needs": ["b"]},
                    {"id": "b", "agent": "test", "description": "x", "needs": ["a"]},
                ]
            ),
            "wait for each other: a -> b -> a",
        ),
        (proposal(limits={"timeout_s": -1}), "'limits.timeout_s' is -1"),
        (proposal(limits={"max_agents": "many"}), "'limits.max_agents' is 'many'"),
    ],
)
def test_mistakes_are_told_to_the_model_which_mends_them(tmp_path: Path, bad: Any, error: str) -> None:
    answers = Answers(bad, GOOD)
    found = planned(tmp_path / "plan.toml", answers)
    again = answers.questions[1].prompt
    assert error in again
    assert str(tmp_path) not in again
    assert again.startswith(answers.questions[0].prompt)
    assert len(found.answers) == 2


def test_second_mistake_is_told_to_a_person_with_the_last_plan(tmp_path: Path) -> None:
    task = {"id": "a", "agent": "bob", "description": "x"}
    with pytest.raises(BadInput) as refused:
        planned(tmp_path / "plan.toml", Answers("no", proposal(tasks=[task])))
    assert "second try" in refused.value.problems[0]
    assert str(tmp_path / "plan.draft.toml") in refused.value.problems[-1]
    assert "bob" in (tmp_path / "plan.draft.toml").read_text()
    assert not (tmp_path / "plan.toml").exists()


def test_no_object_twice_leaves_no_draft(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="write a plan"):
        planned(tmp_path / "plan.toml", Answers("no", "no"))
    assert not [*tmp_path.iterdir()]


def test_command_agent_is_planned_with_its_program(tmp_path: Path) -> None:
    agents = [{"name": "lint", "kind": "command", "command": ["make", "lint"], "instructions": "Lints"}]
    tasks = [{"id": "lint", "agent": "lint", "description": "Lint"}]
    found = planned(tmp_path / "plan.toml", Answers(proposal(agents=agents, tasks=tasks)))
    lint = found.plan.agents["lint"]
    assert (lint["kind"], lint["command"], lint["role"]) == ("command", ["make", "lint"], "Lints")


def test_kind_that_is_not_offered_is_refused(tmp_path: Path) -> None:
    agents = [{"name": "lint", "kind": "command", "command": ["make"]}]
    answers = Answers(proposal(agents=agents), GOOD)
    planned(tmp_path / "plan.toml", answers, offer=offer(kinds=("anthropic",)))
    assert "'agents[0].kind' is 'command'; use anthropic" in answers.questions[1].prompt
