"""`init` writes plans that hold: each passes `plan`, its comments are true, and two run to their end."""

from __future__ import annotations

import json
import re
import subprocess
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from living import end_all, run

from maos_sup.agents.registry import kind_shapes
from maos_sup.loopback.server import LoopbackServer
from maos_sup.planner.project_look import look_at
from maos_sup.planner.schema import plan_schema
from maos_sup.planner.templates import template_names

Call = Callable[..., Any]
TEMPLATES = ("claude-team", "refactor", "repo-audit", "research", "review")
_COMMENTED_KEY = re.compile(r"^# (\w+ = .*)$", re.MULTILINE)
AGENT_FILE = """---
name: Code Reviewer
description: Reviews "code" carefully
tools: Read
---
You review code.
"""


@pytest.fixture(autouse=True)
def somebody_to_ask(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "http://127.0.0.1:9")  # `plan` asks nobody
    monkeypatch.setenv("MAOS_SUP_CLAUDE", "/bin/true")


def test_the_templates_are_these(call: Call) -> None:
    assert template_names() == [*TEMPLATES]
    listed = call("init", "--list").out
    assert all(f"\n{name} " in listed for name in TEMPLATES)


_IS_PLACE = re.compile(r": a copy each of \w+, which has no git; ")


@pytest.mark.parametrize("has_tests", [True, False])
@pytest.mark.parametrize("name", TEMPLATES)
def test_each_template_passes_plan(call: Call, project: Path, name: str, *, has_tests: bool) -> None:
    if has_tests:
        (project / "Makefile").write_text("test:\n\ttrue\n")
    answer = call("init", name)
    assert (answer.code, answer.out.startswith(f"plan.toml written: {name}, ")) == (0, True), answer
    checked = call("plan", "plan.toml")
    notes = [
        line for line in checked.err.splitlines() if not re.search(r": a copy each of \w+, which has", line)
    ]
    assert (checked.code, notes) == (0, [])
    text = (project / "plan.toml").read_text()
    assert "{{" not in text
    assert "#:" not in text
    assert ("make test" in text) == has_tests or name == "research"


@pytest.mark.parametrize("kind", ["anthropic", "claude"])
@pytest.mark.parametrize("name", TEMPLATES)
def test_a_key_in_a_comment_is_what_is_in_force_without_it(
    call: Call, project: Path, name: str, kind: str
) -> None:
    call("init", name, "--kind", kind)
    text = (project / "plan.toml").read_text()
    as_is, used = tomllib.loads(text), tomllib.loads(_COMMENTED_KEY.sub(r"\1", text))
    schema = plan_schema(kind_shapes())
    given = [*added(as_is, used)]
    assert given
    for path, value in given:
        assert default_of(schema, path, used) == value, path


def added(before: Any, after: Any, path: tuple[str, ...] = ()) -> Any:
    for key, item in after.items():
        if isinstance(item, dict) and key in before:
            yield from added(before[key], item, (*path, key))
        elif key not in before:
            yield (*path, key), item


def default_of(schema: dict[str, Any], path: tuple[str, ...], plan: dict[str, Any]) -> Any:
    """The default in the schema of the key at `path`."""
    if path[0] == "agents":
        kinds = schema["properties"]["agents"]["additionalProperties"]["oneOf"]
        kind = plan["agents"][path[1]]["kind"]
        schema = next(one for one in kinds if one["properties"]["kind"]["const"] == kind)
        path = path[2:]
    for key in path:
        schema = schema["properties"][key]
    return schema["default"]


def test_what_is_there_is_never_overwritten(call: Call, project: Path) -> None:
    (project / "plan.toml").write_text("mine")
    answer = call("init")
    assert (answer.code, answer.out) == (2, "")
    assert "plan.toml: is there already; name another file with -o" in answer.err
    assert (project / "plan.toml").read_text() == "mine"
    assert call("init", "-o", "other.toml").code == 0


def test_a_bad_word_is_told_with_what_is_close(call: Call, project: Path) -> None:
    assert call("init", "reviw").err == "maos-sup: no template 'reviw'; did you mean 'review'?\n"
    assert "is no folder; name a file in one that is there" in call("init", "-o", "no/plan.toml").err
    assert "is no folder; name that of the project" in call("init", "--project", "no").err
    assert [*project.iterdir()] == []


def test_agents_of_claude_code_become_agents_of_the_plan(call: Call, project: Path) -> None:
    folder = project / ".claude" / "agents"
    folder.mkdir(parents=True)
    (folder / "reviewer.md").write_text(AGENT_FILE)
    (folder / "db.md").write_text("no head")
    (folder / "DB.md").write_text("---\nname: all\n---\n")
    answer = call("init", "--request", 'Say "hello"\\')
    assert answer.code == 0, answer
    plan = tomllib.loads((project / "plan.toml").read_text())
    assert plan["request"] == 'Say "hello"\\'
    agents = {name: agent["agent"] for name, agent in plan["agents"].items()}
    assert agents == {"agent-all": "all", "db": "db", "code-reviewer": "Code Reviewer"}
    assert plan["agents"]["code-reviewer"]["task"].endswith('You are here to: Reviews "code" carefully')
    assert call("plan", "plan.toml").code == 0


def test_a_plan_elsewhere_finds_its_project(call: Call, project: Path, tmp_path: Path) -> None:
    (tmp_path / "plans").mkdir()
    told = json.loads(call("init", "repo-audit", "-o", "../plans/audit plan.toml", "--json").out)
    assert told["path"] == str(tmp_path / "plans" / "audit plan.toml")
    text = (tmp_path / "plans" / "audit plan.toml").read_text()
    assert tomllib.loads(text)["project"] == "../shop"
    assert "maos-sup plan '../plans/audit plan.toml'" in text


FILES = [
    ({"pyproject.toml": '[project]\ndependencies = ["pytest"]'}, "Python", "python3 -m pytest -q"),
    ({"setup.py": "", "tests/test_a.py": ""}, "Python", "python3 -m unittest discover"),
    ({"requirements.txt": "click"}, "Python", None),
    ({"package.json": '{"scripts": {"test": "vitest"}}'}, "JavaScript", "npm test"),
    ({"package.json": '{"scripts": {"test": "echo \\"Error: no test specified\\""}}'}, "JavaScript", None),
    ({"package.json": "[" * 100_000}, "JavaScript", None),
    ({"Cargo.toml": ""}, "Rust", "cargo test"),
    ({"go.mod": "", "Makefile": "test: all\n"}, "Go", "make test"),
    ({"Makefile": "test := 1\n"}, None, None),
    ({}, None, None),
]


@pytest.mark.parametrize(("files", "language", "test"), FILES)
def test_what_a_project_is(
    tmp_path: Path, files: dict[str, str], language: str | None, test: str | None
) -> None:
    folder = tmp_path / "it"
    folder.mkdir()
    for name, text in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    found = look_at(folder)
    assert (found.language, found.test) == (language, test)


def test_the_audit_runs_to_its_end(project: Path, home: Path) -> None:
    subprocess.run(["git", "init", "-q"], check=True)
    (project / "Makefile").write_text("test:\n\t@echo all is well; false\n")
    (project / "a.py").write_text("# TODO: more\n")
    try:
        assert run("init", "repo-audit").returncode == 0
        subprocess.run(["git", "add", "."], check=True)
        done = run("run", "plan.toml", "--plain")
        assert done.returncode == 0, done.stdout + done.stderr
        path = json.loads(run("results", "report", "--json").stdout)["results"]["report"]
        report = (next(home.glob("2*")) / path).read_text()
    finally:
        end_all(home)
    assert "## Files: 3" in report
    assert "a.py:1:# TODO: more" in report
    assert "## The tests fail" in report
    assert "all is well" in report


def test_the_review_runs_to_its_end_with_a_model(project: Path, server: LoopbackServer) -> None:
    assert run("init", "--request", "Look at a.py").returncode == 0
    done = run("run", "plan.toml", "--plain")
    assert done.returncode == 0, done.stdout + done.stderr
    asked = "\n".join(json.dumps(entry["body"]) for entry in server.log.requests())
    for words in ("Look at a.py", "You weigh what others found", "Check in the code"):
        assert words in asked
