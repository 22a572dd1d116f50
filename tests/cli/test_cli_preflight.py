"""What a plan lacks on this host is said by `plan` and `run`, before a tree is made."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Call = Callable[..., Any]
NOBODY = ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_BASE_URL", "MAOS_SUP_CLAUDE")
LACKING = [
    ('kind = "command"\ncommand = ["nosuchprog", "-v"]', 4, "'nosuchprog' is no program in PATH; install it"),
    ('kind = "command"\ncommand = ["/opt/none/tool"]', 4, "'/opt/none/tool' is not there; install it"),
    ('kind = "command"\ncommand = ["/etc/passwd"]', 4, "'/etc/passwd' may not be executed; chmod +x"),
    ('kind = "cli"\nprofile = "codex"', 4, "'codex' is no program in PATH"),
    ('kind = "cli"\nstart_argv = ["nosuchcli", "run"]', 4, "'nosuchcli' is no program in PATH"),
    ('kind = "claude"\nprogram = "noclaude"', 4, "'noclaude' is no program; npm install -g"),
    ('kind = "anthropic"', 2, "no model to ask: set ANTHROPIC_API_KEY"),
    ('kind = "command"\ncommand = ["true"]\nenv_from = { T = "NOT_SET_HERE" }', 5, "NOT_SET_HERE"),
]


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NOBODY:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", "/usr/bin:/bin")


def plan_of(folder: Path, agent: str, more: str = "") -> Path:
    path = folder / "plan.toml"
    path.write_text(f'request = "x"\n[agents.ann]\n{agent}\ntask = "do"\n{more}')
    return path


@pytest.mark.usefixtures("bare")
@pytest.mark.parametrize("command", ["plan", "run"])
@pytest.mark.parametrize(("agent", "line", "words"), LACKING)
def test_what_is_missing_is_named_and_nothing_is_made(
    call: Call, home: Path, tmp_path: Path, *, command: str, agent: str, line: int, words: str
) -> None:
    path = plan_of(tmp_path, agent)
    answer = call(command, str(path))
    assert (answer.code, answer.out) == (2, "")
    assert answer.err.startswith(f"maos-sup: {path}:{line}: agent 'ann': ")
    assert words in answer.err
    assert list(home.iterdir()) == []


@pytest.mark.usefixtures("bare")
def test_each_lack_is_a_line(call: Call, tmp_path: Path) -> None:
    more = '[agents.bob]\nkind = "command"\ncommand = ["gone2"]\ntask = "do"\n'
    answer = call("plan", str(plan_of(tmp_path, 'kind = "command"\ncommand = ["gone1"]', more)))
    assert [("gone1" in line, "gone2" in line) for line in answer.err.splitlines()] == [
        (True, False),
        (False, True),
    ]


@pytest.mark.usefixtures("bare")
@pytest.mark.parametrize(
    "agent",
    [
        'kind = "command"\ncwd = "workspace"\ncommand = ["./made-by-another"]',
        'kind = "command"\ncommand = ["toolx"]\nenv = { PATH = "/opt/later/bin" }',
        'kind = "anthropic"\nbase_url = "http://localhost:1"',
        'kind = "command"\ncommand = ["own.sh"]',
    ],
)
def test_what_may_appear_or_comes_along_is_not_refused(call: Call, tmp_path: Path, agent: str) -> None:
    (tmp_path / "own.sh").write_text("#!/bin/sh\n")
    (tmp_path / "own.sh").chmod(0o755)
    answer = call("plan", str(plan_of(tmp_path, agent)))
    assert (answer.code, answer.err) == (0, "")


@pytest.mark.usefixtures("bare")
def test_a_program_that_an_earlier_task_makes_is_not_refused(call: Call, tmp_path: Path) -> None:
    path = tmp_path / "plan.toml"
    path.write_text(
        'request = "x"\n[agents.ann]\nkind = "command"\ncommand = ["true"]\ntask = "build"\n'
        f'[agents.bob]\nkind = "command"\ncommand = ["{tmp_path}/built"]\n'
        '[[tasks]]\nid = "use"\nagent = "bob"\ndescription = "d"\nneeds = ["ann"]\n'
    )
    answer = call("plan", str(path))
    assert (answer.code, answer.err) == (0, "")


@pytest.mark.usefixtures("bare")
def test_variables_are_looked_for_where_the_program_comes_along(call: Call, tmp_path: Path) -> None:
    (tmp_path / "own.sh").write_text("#!/bin/sh\n")
    (tmp_path / "own.sh").chmod(0o755)
    path = plan_of(tmp_path, 'kind = "command"\ncommand = ["./own.sh"]\nenv_from = { T = "NOT_SET_HERE" }')
    answer = call("plan", str(path))
    assert (answer.code, answer.out) == (2, "")
    assert answer.err.startswith(
        f"maos-sup: {path}:5: agent 'ann': 'env_from' asks for the variable NOT_SET_HERE"
    )
