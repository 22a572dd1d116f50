"""One question through the real Claude Code CLI, which asks the loopback server here."""

from __future__ import annotations

import json
import os
import shutil
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from orchestra import REPOSITORY, Orchestra

from maos_sup.agents.once.answers import NoAnswer
from maos_sup.agents.once.claude_code import ClaudeCodeAsker
from maos_sup.core.questions import ModelQuestion
from maos_sup.loopback.reply import ScriptedReply, call, fail, say
from maos_sup.loopback.request import LoopbackRequest
from maos_sup.loopback.server import LoopbackServer

SCHEMA = {"type": "object", "properties": {"tasks": {"type": "array"}}, "required": ["tasks"]}
QUESTION = ModelQuestion(
    system="You plan.", prompt="Plan it. My key is sk-ant-" + "k" * 30, name="plan", schema=SCHEMA
)
FORM = "StructuredOutput"  # what the CLI calls its tool for structured answers
PLAN: dict[str, Any] = {
    "agents": [{"name": "dev", "role": "developer"}],
    "tasks": [{"id": "do", "agent": "dev", "description": "Do it"}],
}


class Model:
    """Gives `reply`, once as the form; what the CLI asks after that ends the run."""

    def __init__(self) -> None:
        self.reply: ScriptedReply = call(FORM, PLAN)

    def __call__(self, request: LoopbackRequest) -> ScriptedReply:
        return self.reply if request.turn == 0 or self.reply.fault else say("done")


@pytest.fixture
def program() -> str:
    places = [
        os.environ.get("MAOS_SUP_CLAUDE"),
        str(REPOSITORY / ".venv" / "claude-code" / "node_modules" / ".bin" / "claude"),
        "claude",
    ]
    found = [path for place in places if place and (path := shutil.which(place))]
    if not found:
        pytest.skip("Claude Code is not installed (npm install @anthropic-ai/claude-code)")
    return found[0]


@pytest.fixture
def model() -> Model:
    return Model()


@pytest.fixture
def server(model: Model) -> Iterator[LoopbackServer]:
    with LoopbackServer(model, with_bodies=True) as made:
        yield made


def environment(server: LoopbackServer, home: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ANTHROPIC", "CLAUDE"))}
    key = "sk-ant-" + "dummy" * 6
    return {**kept, "HOME": str(home), "ANTHROPIC_API_KEY": key, "ANTHROPIC_BASE_URL": server.url}


def test_answer_comes_in_its_form_with_cost_and_without_secrets_sent(
    program: str, server: LoopbackServer, tmp_path: Path
) -> None:
    given = environment(server, tmp_path)
    answer = ClaudeCodeAsker(given, model="claude-sonnet-4-6", program=program)(QUESTION)
    assert answer.value == PLAN
    assert answer.tokens > 0
    assert answer.cost_usd is not None
    asked = [entry["body"] for entry in server.log.requests() if FORM in str(entry["body"].get("tools"))]
    assert [tool["name"] for tool in asked[0]["tools"]] == [FORM]
    assert "You plan." in str(asked[0]["system"])
    assert "kkkk" not in str(asked)
    assert not list(tmp_path.glob(".claude/projects/*/*.jsonl"))


def test_answer_that_cannot_be_had_is_one_error(
    program: str, server: LoopbackServer, model: Model, tmp_path: Path
) -> None:
    model.reply = fail(401, message="invalid x-api-key")
    with pytest.raises(NoAnswer, match="see that 'claude -p hello' works") as told:
        given = {**environment(server, tmp_path), "CLAUDE_CODE_MAX_RETRIES": "1"}
        ClaudeCodeAsker(given, model=None, program=program)(QUESTION)
    assert "dummy" not in str(told.value)


def test_form_that_is_never_filled_in_rightly_is_named_as_the_reason(
    program: str, server: LoopbackServer, tmp_path: Path
) -> None:
    server.script = lambda _: call(FORM, {"tasks": "none"})
    with pytest.raises(NoAnswer, match="valid structured output") as told:
        ClaudeCodeAsker(environment(server, tmp_path), model=None, program=program)(QUESTION)
    assert "claude -p hello" not in str(told.value)


def test_program_that_is_not_there_is_one_error(tmp_path: Path) -> None:
    with pytest.raises(NoAnswer, match="cannot be started"):
        ClaudeCodeAsker({}, model=None, program=str(tmp_path / "claude"))(QUESTION)


def test_words_are_planned_for_agents_of_kind_claude_where_only_the_cli_is_there(
    program: str, server: LoopbackServer, orchestra: Orchestra, tmp_path: Path
) -> None:
    given = environment(server, tmp_path)
    provider = {name: given.pop(name) for name in ("ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL")}
    (tmp_path / ".claude").mkdir()
    (tmp_path / ".claude" / "settings.json").write_text(json.dumps({"env": provider}))
    orchestra.environment = {**given, "MAOS_SUP_HOME": str(tmp_path / "home"), "MAOS_SUP_CLAUDE": program}
    (tmp_path / "shop").mkdir()
    orchestra.cli("plan", "Do it well", "--project", "shop", "-o", "plan.toml", expect=0)
    plan = tomllib.loads((tmp_path / "plan.toml").read_text())
    assert plan["agents"]["dev"]["kind"] == "claude"
    assert "model" not in plan["agents"]["dev"]
