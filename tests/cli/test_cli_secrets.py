"""`check --secrets`, and plans that hold secrets: found, named by place, never shown."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from cli_trees import Answer

from state_layout.paths import Tree

Call = Callable[..., Answer]
SECRET, QUOTED = "very-secret-value-1", 'with"quote\\and more'
SHAPED = "ghp_" + "a1B2" * 10


@pytest.fixture(autouse=True)
def variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_API_KEY", SECRET)
    monkeypatch.setenv("OTHER_PASSWORD", QUOTED)


def test_a_tree_without_secrets_says_so(call: Call, tree: Tree) -> None:
    answer = call("check", str(tree.root), "--secrets")
    assert (answer.code, answer.out) == (0, f"{tree.root}: no secret was found\n")


def test_secrets_are_found_in_all_files_and_not_shown(call: Call, tree: Tree) -> None:
    workspace = tree.agent("alice").workspace / "deep"
    workspace.mkdir(parents=True)
    (workspace / ".env").write_text(f"A=1\nB=2\nKEY={SECRET} {SECRET}\nTOKEN={SHAPED}\n")
    (workspace / "config.json").write_text(json.dumps({"password": QUOTED}))
    (workspace / "large").write_bytes(b"\0" * 3_000_000 + b"\n" * 5 + SECRET.encode())
    (workspace / "link").symlink_to(workspace / ".env")
    answer = call("check", str(tree.root), "--secrets")
    assert answer.code == 13
    assert answer.out.splitlines() == [
        "agents/alice/workspace/deep/.env:3: the value of the variable SOME_API_KEY",
        "agents/alice/workspace/deep/.env:4: what looks like a GitHub token",
        "agents/alice/workspace/deep/config.json:1: the value of the variable OTHER_PASSWORD",
        "agents/alice/workspace/deep/large:6: the value of the variable SOME_API_KEY",
    ]
    told = json.loads(call("check", str(tree.root), "--secrets", "--json").out)
    assert told["secrets"][1] == {
        "path": "agents/alice/workspace/deep/.env",
        "line": 4,
        "what": "what looks like a GitHub token",
    }


def test_a_secret_in_a_spec_is_found_by_the_name_of_its_variable(call: Call, tree: Tree) -> None:
    spec = json.loads(tree.agent_spec("alice").read_text()) | {"env": {"DB_PASSWORD": "hunter2hunter2"}}
    tree.agent_spec("alice").write_text(json.dumps(spec))
    answer = call("check", str(tree.root), "--secrets")
    assert answer.code == 13
    where = "the value of DB_PASSWORD, set in spec/agents/alice.json"
    assert answer.out == f"spec/agents/alice.json:1: {where}\n"


def test_secrets_are_not_repaired(call: Call, tree: Tree) -> None:
    assert call("check", str(tree.root), "--secrets", "--repair").code == 2


def test_a_plan_with_a_secret_is_refused(call: Call, tmp_path: Path) -> None:
    (tmp_path / "work.sh").write_text(f"curl -H {SHAPED}\n")
    plan = tmp_path / "plan.toml"
    plan.write_text(
        'request = "x"\n[agents.ann]\nkind = "command"\ncommand = ["sh", "work.sh"]\n'
        f'task = "use {SECRET}"\nenv = {{ THE_KEY = "{SECRET}" }}\n'
    )
    answer = call("run", str(plan), "--dir", str(tmp_path / "tree"), "--detach")
    assert answer.code == 2
    assert not (tmp_path / "tree").exists()
    assert f"{plan}: agents.ann.env.THE_KEY holds a secret" in answer.err
    assert "tasks.ann.description holds a secret" in answer.err
    assert f"{tmp_path / 'work.sh'}: holds a secret" in answer.err
    assert SECRET not in answer.err
    assert SHAPED not in answer.err
