"""What Claude Code is started with: long texts, agents, a changed role, servers that do not come up."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from coding import DEADLINE_S, Coding, bash, steps
from stage import wait_for

from maos_sup.agents.kinds.claude.rules import MOST_BYTES, project_rules
from maos_sup.loopback.reply import say
from state_layout.records import TaskPhase

pytestmark = pytest.mark.timeout(300)
Make = Callable[..., Coding]
HEAD = "description: one of us\n---\nYou say the word MARKER.\n"
MULTI = "---\nname: multi\ndescription: Use it. Examples:\n<example>\nuser: u\n</example>\ntools: Read\n---\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    (folder / ".claude" / "agents").mkdir(parents=True)
    (folder / ".git").mkdir()
    return folder


def warnings(one: Coding, agent: str = "ann") -> list[str]:
    return [line["text"] for line in one.all_lines(agent, "warning")]


def system(one: Coding, number: int = 0) -> str:
    return str(one.bodies()[number]["system"])


def tool_names(body: dict[str, Any]) -> set[str]:
    return {tool["name"] for tool in body.get("tools") or []}


def test_long_role_and_rules_of_wide_characters_reach_the_model_whole(code: Make, project: Path) -> None:
    (project / "AGENTS.md").write_text("規" * 65_000 + "END-OF-RULES", encoding="utf-8")
    role = "r" * 139_990 + "END-OF-ROLE"
    one = code(steps(say("fine")), {"ann": {"role": role}}, project="../../project")
    assert one.run() == 0, one.told()
    assert one.stage.history("ann").tasks["ann"].phase is TaskPhase.DONE
    assert role in system(one) and "規END-OF-RULES" in system(one)
    assert str(one.bodies()[0]).count("END-OF-RULES") == 1  # newer versions read AGENTS.md by themselves
    assert not any("AGENTS.md" in text for text in warnings(one))


def test_long_agent_file_servers_and_schema_are_no_arguments(code: Make, project: Path) -> None:
    text = "---\nname: long\n" + HEAD + "x" * 200_000 + "END-OF-AGENT"
    (project / ".claude" / "agents" / "long.md").write_text(text)
    schema = {"type": "object", "description": "d" * 150_000}
    more = {"none": {"command": "/nonexistent", "env": {"LONG": "e" * 150_000}}}
    settings = {"agent": "long", "result_schema": schema, "mcp_servers": more}
    one = code(steps(say("fine")), {"ann": settings}, project="../../project")
    assert one.run() == 0, one.told()
    assert "END-OF-AGENT" in system(one)
    assert {"StructuredOutput", "mcp__maos__send_message"} <= tool_names(one.bodies()[0])
    assert any("'none' of mcp_servers is failed" in text for text in warnings(one))


def test_rules_too_long_for_any_model_are_cut_between_characters_with_one_warning(
    code: Make, project: Path
) -> None:
    (project / "AGENTS.md").write_text("規" * 200_000, encoding="utf-8")
    one = code(steps(bash("true"), say("fine")), {"ann": {}}, project="../../project")
    assert one.run() == 0, one.told()
    [warning] = [text for text in warnings(one) if "AGENTS.md" in text]
    assert "600000 bytes" in warning
    assert "�" not in system(one) and 0 < system(one).count("規") <= MOST_BYTES // 3


@pytest.mark.parametrize("own", ["link", "import", "none", "unreadable"])
def test_rules_are_told_once(tmp_path: Path, own: str) -> None:
    rules = tmp_path / "AGENTS.md"
    rules.write_text("be kind")
    if own == "link":
        (tmp_path / "CLAUDE.md").symlink_to("AGENTS.md")
    elif own == "import":
        (tmp_path / "CLAUDE.md").write_text("see @AGENTS.md")
    elif own == "unreadable":
        rules.unlink()
        rules.symlink_to(rules)  # to itself
    assert project_rules(tmp_path).text == ("be kind" if own == "none" else "")


def test_changed_role_takes_effect_on_a_session_that_goes_on(code: Make) -> None:
    one = code(
        steps(bash("touch $OUT/begun; until [ -e $OUT/go ]; do sleep 0.05; done"), say("fine")),
        {"ann": {"role": "You are the OLDROLE."}},
    )
    life = one.stage.live("ann")
    wait_for(lambda: (one.stage.outside / "begun").exists(), "the step", deadline_s=DEADLINE_S)
    one.stage.edit("agents/ann.json", want="pause")
    (one.stage.outside / "go").touch()
    assert life.wait(deadline_s=DEADLINE_S) == 0
    one.stage.edit("agents/ann.json", want="run", role="You are the NEWROLE.")
    assert one.run() == 0, one.told()
    assert "OLDROLE" in system(one) and "OLDROLE" not in system(one, -1)
    assert "NEWROLE" in system(one, -1)


PLACES = {
    "commented": "---\nname: commented # ours\n" + HEAD,
    "quoted": '---\nname: "quoted"\n' + HEAD,
    "folded": "---\nname: >-\n  folded\n" + HEAD,
}


@pytest.mark.parametrize("name", [*PLACES, "linked", "above", "plug:inner"])
def test_agent_is_whatever_claude_code_has(code: Make, project: Path, name: str) -> None:
    text = PLACES.get(name, f"---\nname: {name.rpartition(':')[2]}\n{HEAD}")
    settings: dict[str, Any] = {"agent": name}
    agents, place = project / ".claude" / "agents", "../../project"
    if name == "linked":
        (project.parent / "shared").mkdir()
        agents.joinpath("team").symlink_to("../../../shared")
        agents = project.parent / "shared"
    elif name == "above":
        (project / "packages" / "web").mkdir(parents=True)
        place = "../../project/packages/web"
    elif name == "plug:inner":
        agents = project.parent / "plug" / "agents"
        agents.mkdir(parents=True)
        (agents.parent / ".claude-plugin").mkdir()
        (agents.parent / ".claude-plugin" / "plugin.json").write_text('{"name": "plug", "version": "1.0.0"}')
        settings["args"] = ["--plugin-dir", str(agents.parent)]
    (agents / "file.md").write_text(text)
    one = code(steps(say("fine")), {"ann": settings}, project=place)
    assert one.run() == 0, one.told()
    assert one.stage.history("ann").tasks["ann"].result == "fine"
    assert "You say the word MARKER." in system(one)


BROKEN = {
    "multi": ("multi.md", MULTI + HEAD),
    "README": ("README.md", "# no head\n"),
    "bodily": ("other.md", "# text\n\nname: bodily\n"),
    "bare": ("bare.md", "---\nname: bare\n---\nno description\n"),
}


@pytest.mark.parametrize("name", [*BROKEN, "nobody"])
def test_agent_that_claude_code_does_not_take_fails_the_task_before_any_question(
    code: Make, project: Path, name: str
) -> None:
    file, text = BROKEN.get(name, ("good.md", "---\nname: good\n" + HEAD))
    (project / ".claude" / "agents" / file).write_text(text)
    one = code(steps(say("never")), {"ann": {"agent": name}}, project="../../project")
    assert one.run() == 0, one.told()
    outcome = one.stage.history("ann").tasks["ann"]
    assert outcome.phase is TaskPhase.FAILED and one.bodies() == []
    assert f"'agent' is '{name}'" in str(outcome.error) and "general-purpose" in str(outcome.error)
    assert (file in str(outcome.error)) == (name != "nobody")


def test_servers_that_do_not_come_up_and_variables_that_are_not_given_are_warnings(
    code: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_TOKEN", "ghx-not-a-token")
    servers = {
        "absent": {"command": "/nonexistent", "args": ["${NO_SUCH_NAME}", "${HOME}", "${OTHER:-given}"]},
        "secret": {"command": "sh", "args": ["-c", "exit 1"], "env": {"T": "Bearer ${GITHUB_TOKEN}"}},
    }
    one = code(steps(say("fine")), {"ann": {"mcp_servers": servers}})
    assert one.run() == 0, one.told()
    told = warnings(one)
    assert [text for text in told if "of mcp_servers is failed" in text and "absent" in text]
    assert [text for text in told if "of mcp_servers is failed" in text and "secret" in text]
    assert [text for text in told if "'secret' is told ${GITHUB_TOKEN}" in text and "pass_env" in text]
    assert [text for text in told if "'absent' is told ${NO_SUCH_NAME}" in text and "pass_env" not in text]
    assert not [text for text in told if "HOME" in text or "OTHER" in text]
    assert len(told) == len(set(told))


def test_variable_that_is_passed_reaches_the_server_expanded(
    code: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_TOKEN", "not-so-secret-value")
    show = 'printf %s "$T" > $OUT/told; exit 1'
    servers = {"hub": {"command": "sh", "args": ["-c", show], "env": {"T": "Bearer ${GITHUB_TOKEN}"}}}
    one = code(steps(say("fine")), {"ann": {"mcp_servers": servers, "pass_env": ["GITHUB_TOKEN"]}})
    assert one.run() == 0, one.told()
    assert (one.stage.outside / "told").read_text() == "Bearer not-so-secret-value"
    assert not [text for text in warnings(one) if "is told ${" in text]


def test_first_question_has_the_tools_of_the_team_and_of_the_plans_servers(code: Make) -> None:
    one = code(steps(bash("true"), say("fine")), {"ann": {"role": "x"}, "bob": {"tools": ["Bash"]}})
    assert [one.run("ann"), one.run("bob")] == [0, 0], one.told()
    for body in one.bodies():
        assert {"mcp__maos__send_message", "mcp__maos__read_messages", "Bash"} <= tool_names(body)
        assert "ToolSearch" not in tool_names(body)
