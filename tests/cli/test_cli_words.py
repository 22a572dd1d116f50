"""`run` and `plan` with a request in words, against a server on loopback: what is bought and kept."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from living import the_tree
from words import COMMANDS, PROPOSAL, REQUEST, Model

from maos_sup.loopback.reply import FaultKind, PlannedFault, ScriptedReply, fail, say
from maos_sup.loopback.reply import call as tool_call
from maos_sup.loopback.server import LoopbackServer
from maos_sup.views.status import status_of
from state_layout.files import codec
from state_layout.specs import add_spec

Call = Callable[..., Any]
pytestmark = pytest.mark.usefixtures("project")


def saved(home: Path) -> list[str]:
    return sorted(path.name for path in (home / "plans").iterdir()) if (home / "plans").exists() else []


def test_without_provider_one_error_lists_three_ways_and_the_plan_file(
    call: Call, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(home))
    answer = call("run", REQUEST)
    assert (answer.code, answer.out) == (2, "")
    for part in ("ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL", "Claude Code", "plan file needs none"):
        assert part in answer.err
    assert answer.err.count("\n") == 1
    assert list(home.iterdir()) == []


def test_words_are_planned_approved_and_run(
    call: Call, home: Path, server: LoopbackServer, model: Model, project: Path
) -> None:
    answer = call("run", REQUEST, "--yes")
    assert answer.code == 0, answer.err
    status = status_of(the_tree(home))
    assert (status["phase"], status["request"]) == ("done", REQUEST)
    assert [task["id"] for task in status["tasks"]] == ["do", "look"]
    assert saved(home) == [f"{status['id']}.toml"]
    assert "planned by claude-sonnet-4-6" in answer.err
    assert "USD" in answer.err
    assert model.asked == 1


def test_without_terminal_or_yes_the_plan_is_kept_and_not_bought_again(
    call: Call, home: Path, server: LoopbackServer, model: Model, project: Path
) -> None:
    answer = call("run", REQUEST)
    assert (answer.code, answer.out) == (2, "")
    assert "--yes" in answer.err
    (name,) = [name for name in saved(home) if not name.endswith(".answers.jsonl")]
    path = home / "plans" / name
    assert str(path) in answer.err
    path.write_text(path.read_text().replace("Do it", "Do it well"))
    assert call("run", REQUEST, "--yes").code == 0
    assert model.asked == 1
    assert status_of(the_tree(home))["tasks"][0]["description"] == "Do it well"
    assert call("plan", REQUEST).code == 0
    assert model.asked == 2


def test_answer_is_recorded_before_it_is_used(
    call: Call, home: Path, server: LoopbackServer, model: Model, project: Path
) -> None:
    call("plan", REQUEST)
    (plan,) = (home / "plans").glob("*.toml")
    plan.unlink()  # as if the process had died before it wrote the plan
    assert call("plan", REQUEST).code == 0
    assert model.asked == 1
    assert plan.exists()


def test_plan_writes_to_a_file_and_starts_nothing(
    call: Call, home: Path, server: LoopbackServer, model: Model, project: Path
) -> None:
    answer = call("plan", REQUEST, "-o", "plan.toml")
    assert (answer.code, answer.out) == (0, f"{project}/plan.toml\n")
    assert tomllib.loads((project / "plan.toml").read_text())["project"] == "."
    assert saved(home) == []
    assert call("plan", "plan.toml").code == 0
    again = call("plan", REQUEST, "-o", "plan.toml")
    assert (again.code, model.asked) == (2, 1)
    assert "is there already" in again.err


def test_programs_in_a_plan_need_more_than_yes(
    call: Call, home: Path, server: LoopbackServer, model: Model, project: Path
) -> None:
    model.plans = [tool_call("propose_plan", COMMANDS)]
    answer = call("run", REQUEST, "--yes")
    assert answer.code == 2
    assert "would run as you, unconfined" in answer.err
    assert "--allow-commands" in answer.err
    assert call("run", REQUEST, "--yes", "--allow-commands").code == 0
    assert model.asked == 1


def test_malformed_answers_are_mended_or_named(
    call: Call, home: Path, server: LoopbackServer, model: Model, project: Path
) -> None:
    cut_off = ScriptedReply(
        content=({"type": "tool_use", "name": "propose_plan", "input": {}},), stop_reason="max_tokens"
    )
    model.plans = [say("Let us talk"), say('```json\n{"agents": [}\n```')]
    answer = call("plan", REQUEST)
    assert (answer.code, model.asked) == (2, 2)
    assert "no JSON object" in answer.err
    model.plans = [cut_off]
    assert call("plan", REQUEST + " today").code == 0
    assert model.asked == 4


def test_json_in_prose_is_understood(
    call: Call, home: Path, server: LoopbackServer, model: Model, project: Path
) -> None:
    model.plans = [say(f"Here it is:\n```json\n{codec.encode(PROPOSAL).decode()}\n```\nGood luck!")]
    assert call("plan", REQUEST).code == 0
    assert model.asked == 1


@pytest.mark.parametrize(
    "fault",
    [
        PlannedFault(kind=FaultKind.ERROR, status=429, retry_after_s=0.05),
        PlannedFault(kind=FaultKind.ERROR, status=529),
        PlannedFault(kind=FaultKind.ERROR, status=500),
        PlannedFault(kind=FaultKind.DROP),
        PlannedFault(kind=FaultKind.DROP, after_chunks=2),
        PlannedFault(kind=FaultKind.TRUNCATE, after_chunks=2),
        PlannedFault(kind=FaultKind.STREAM_ERROR, after_chunks=1, error_type="overloaded_error"),
    ],
    ids=lambda fault: f"{fault.kind}-{fault.status}-{fault.after_chunks}",
)
def test_troubles_that_pass_are_waited_out_in_the_open(
    call: Call, server: LoopbackServer, model: Model, fault: PlannedFault
) -> None:
    good: ScriptedReply = tool_call("propose_plan", PROPOSAL)
    model.plans = [ScriptedReply(content=good.content, fault=fault)]
    answer = call("plan", REQUEST)
    assert (answer.code, model.asked) == (0, 2)
    assert "asking again in" in answer.err


@pytest.mark.parametrize(
    ("reply", "parts"),
    [
        (fail(400, message="max_tokens: too many"), ("400", "--model")),
        (fail(404, message="model: nope"), ("404", "--model")),
        (fail(429, retry_after_s=4000), ("429", "try again in 4000 s")),
    ],
)
def test_troubles_that_stay_are_one_error(
    call: Call, server: LoopbackServer, model: Model, reply: ScriptedReply, parts: Any
) -> None:
    model.plans = [reply]
    answer = call("plan", REQUEST)
    assert (answer.code, answer.out, model.asked) == (1, "", 1)
    for part in (*parts, "claude-sonnet-4-6"):
        assert part in answer.err
    assert "bug" not in answer.err


def test_wrong_key_is_one_error(
    call: Call, server: LoopbackServer, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-wrong")
    answer = call("plan", REQUEST)
    assert (answer.code, model.asked) == (1, 0)
    assert "see that ANTHROPIC_API_KEY is right" in answer.err
    assert "sk-wrong" not in answer.err


def test_new_work_is_planned_with_what_the_team_knows_and_added_once(
    call: Call, home: Path, server: LoopbackServer, model: Model, project: Path
) -> None:
    assert call("run", REQUEST, "--yes").code == 0
    tree = the_tree(home)
    more = {
        "agents": [{"name": "doc", "role": "writer"}],
        "tasks": [
            {"id": "check", "agent": "rev", "description": "Check it", "needs": ["write", "do"]},
            {"id": "write", "agent": "doc", "description": "Describe it", "needs": ["look"]},
        ],
    }
    model.plans = [tool_call("propose_plan", more)]
    refused = call("resume", str(tree.root), "--task", "Describe the payment module")
    assert (refused.code, len(status_of(tree)["tasks"])) == (2, 2)
    answer = call("resume", str(tree.root), "--task", "Describe the payment module", "--yes")
    assert answer.code == 0, answer.err
    assert "added: agent doc; tasks write and check" in answer.out
    status = status_of(tree)
    assert {task["phase"] for task in status["tasks"]} == {"done"}
    assert [task["id"] for task in status["tasks"]] == ["do", "look", "check", "write"]  # as planned
    assert model.asked == 2
    asked = [entry for entry in server.log.requests() if "tool_choice" in entry["body"]]
    prompt = str(asked[-1]["body"]["messages"])
    assert "<result>ok</result>" in prompt
    assert not [name for name in saved(home) if "answers" in name or "draft" in name]


def test_addition_that_was_cut_off_is_completed_from_the_same_plan(
    call: Call, home: Path, server: LoopbackServer, model: Model, project: Path
) -> None:
    assert call("run", REQUEST, "--yes").code == 0
    tree = the_tree(home)
    more = [
        {"id": "first", "agent": "rev", "description": "One"},
        {"id": "second", "agent": "dev", "description": "Two", "needs": ["first"]},
    ]
    model.plans = [tool_call("propose_plan", {"tasks": more})]
    call("resume", str(tree.root), "--task", "More of it")
    value = {"agent": "rev", "description": "One", "needs": [], "want": "run", "run": 1}
    add_spec(tree, tree.task_spec("first"), value)  # as far as somebody came who was killed
    answer = call("resume", str(tree.root), "--task", "More of it", "--yes")
    assert "added: task second" in answer.out
    assert (answer.code, model.asked) == (0, 2)
    assert [task["phase"] for task in status_of(tree)["tasks"]] == ["done"] * 4


def test_max_cost_of_a_request_is_the_budget_of_its_team(
    call: Call, home: Path, server: LoopbackServer, model: Model, project: Path
) -> None:
    waits = call("run", REQUEST, "--max-cost", "2")
    assert (waits.code, "may spend 2 USD" in waits.err) == (2, True)
    answer = call("run", REQUEST, "--max-cost", "3", "--max-tokens", "90000", "--yes")
    assert answer.code == 0, answer.err
    assert "may spend 3 USD and 90000 tokens" in answer.err
    spec = codec.decode_object((the_tree(home).root / "spec/orchestration.json").read_bytes())
    assert spec["budget"] == {"max_cost_usd": 3.0, "max_tokens": 90000}
    assert model.asked == 1


def test_max_cost_is_written_into_a_plan_of_words_and_laid_over_a_plan_file(
    call: Call, server: LoopbackServer, model: Model, project: Path
) -> None:
    assert call("plan", REQUEST, "-o", "plan.toml", "--max-cost", "2.5").code == 0
    assert tomllib.loads((project / "plan.toml").read_text())["budget"] == {"max_cost_usd": 2.5}
    told = call("plan", "plan.toml", "--max-tokens", "10", "--json")
    assert codec.decode_object(told.out.encode())["orchestration"]["budget"] == {
        "max_cost_usd": 2.5,
        "max_tokens": 10,
    }
    for option, given in (("--model", "m"), ("--agents", "3")):
        refused = call("run", "plan.toml", option, given)
        assert (refused.code, f"{option} is for a request in words" in refused.err) == (2, True)
