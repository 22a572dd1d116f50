"""Plans that add to a team that is there: they may refer to it, and clash with it only where they differ."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from wishes import Answers, wish

from maos_sup.agents.registry import kind_shapes
from maos_sup.planner.plan import load_plan
from maos_sup.planner.team import Team, team_text
from maos_sup.planner.words import plan_from_words
from state_layout.errors import BadInput

KINDS = kind_shapes()
TEAM = Team(
    agents={"dev": {"kind": "anthropic", "role": "You develop"}},
    tasks={"write": {"agent": "dev", "description": "Write it", "needs": []}},
    text="<team>dev</team>",
)
MORE = {"tasks": [{"id": "mend", "agent": "dev", "description": "Mend it", "needs": ["write"]}]}


def load(path: Path, text: str) -> Any:
    path.write_text(text)
    return load_plan(path, kinds=KINDS, team=TEAM)


def test_new_task_for_an_agent_that_is_there(tmp_path: Path) -> None:
    answers = Answers(MORE)
    found = plan_from_words(wish(team=TEAM, about=tmp_path), tmp_path / "more.toml", ask=answers, kinds=KINDS)
    assert found.plan.agents == {}
    assert found.plan.tasks["mend"]["needs"] == ["write"]
    assert "<team>dev</team>" in answers.questions[0].prompt
    assert answers.questions[0].schema["required"] == ["tasks"]
    assert "limits" not in answers.questions[0].schema["properties"]


@pytest.mark.parametrize(
    ("bad", "error"),
    [
        ({"tasks": [{"id": "mend", "agent": "bob", "description": "x"}]}, "which is no agent"),
        ({"tasks": [{"id": "mend", "agent": "dev", "description": "x", "needs": ["a"]}]}, "which is no task"),
        ({"tasks": [{"id": "write", "agent": "dev", "description": "x"}]}, "task 'write' is there already"),
        ({**MORE, "agents": [{"name": "dev", "role": "tester"}]}, "agent 'dev' is there already"),
        ({**MORE, "limits": {"max_agents": 1}}, "'limits' is no known key"),
    ],
)
def test_mistakes_of_an_addition_are_told_to_the_model(tmp_path: Path, bad: Any, error: str) -> None:
    answers = Answers(bad, MORE)
    plan_from_words(wish(team=TEAM), tmp_path / "more.toml", ask=answers, kinds=KINDS)
    assert error in answers.questions[1].prompt


def test_what_is_there_and_says_the_same_is_no_clash(tmp_path: Path) -> None:
    text = 'request = "x"\n[[tasks]]\nid = "write"\nagent = "dev"\ndescription = "Write it"\n'
    assert [*load(tmp_path / "p.toml", text).tasks] == ["write"]


@pytest.mark.parametrize("key", ['want = "pause"', "limits = {}", 'project = "."', 'files = ["p.toml"]'])
def test_keys_of_the_orchestration_cannot_be_added(tmp_path: Path, key: str) -> None:
    text = f'request = "x"\n{key}\n[[tasks]]\nid = "mend"\nagent = "dev"\n'
    with pytest.raises(BadInput, match="cannot be added to an orchestration"):
        load(tmp_path / "p.toml", text)


def test_team_is_told_with_results_errors_and_discoveries() -> None:
    task = {"id": "a", "agent": "dev", "description": "Do <it>", "phase": "done", "needs": ["b"]}
    status = {
        "request": "Make it",
        "agents": [{"name": "dev", "kind": "anthropic"}],
        "tasks": [
            {**task, "result": {"files": 3}, "error": None},
            {**task, "id": "b", "needs": [], "phase": "failed", "result": None, "error": "no such file"},
        ],
    }
    text = team_text(status, {"dev": "You develop.\nWell."}, ["dev: the cache is slow"])
    for part in (
        '<agent name="dev" kind="anthropic">You develop.</agent>',
        'phase="done" needs="b">Do &lt;it&gt;',
        '<result>{"files":3}</result>',
        "<error>no such file</error>",
        "- dev: the cache is slow",
    ):
        assert part in text
