"""`check --accept` and the witness, with a real orchestration: edited, accepted, put back, attributed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from state_layout.paths import Tree

PLAN = {
    "request": "Take notes",
    "agents": {"noter": {"kind": "command", "shell": "echo found: a note", "task": "Note"}},
}


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tree:
    """An orchestration that ran to its end with a witness looking."""
    monkeypatch.setenv("MAOS_SUP_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("MAOS_SUP_WITNESS", str(tmp_path / "witness"))
    (tmp_path / "plan.json").write_text(json.dumps(PLAN))
    root = tmp_path / "tree"
    maos("run", str(tmp_path / "plan.json"), "--dir", str(root), "--yes", code=0)
    maos("check", str(root), code=0)
    return Tree(root)


def maos(*words: str, code: int) -> str:
    command = [sys.executable, "-m", "maos_sup", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ.copy())
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


def found(tree: Tree, *words: str, code: int) -> list[dict[str, Any]]:
    problems = json.loads(maos("check", str(tree.root), "--json", *words, code=code))["problems"]
    assert isinstance(problems, list)
    return [each for each in problems if each["severity"] != "note"]


def test_an_edit_is_found_accepted_by_name_and_a_further_one_found_again(tree: Tree) -> None:
    path = tree.agent("noter").attempt(1).journal
    path.write_bytes(path.read_bytes().replace(b"a note", b"a lie!"))
    before = found(tree, code=12)
    assert {each["severity"] for each in before} == {"problem"}
    text = maos("check", str(tree.root), "--accept", "--by", "anna", code=0)
    assert "accepted: agents/noter/attempts/0001/journal.jsonl" in text
    assert "anna stands by it since" in text
    assert {each["severity"] for each in found(tree, code=0)} == {"accepted"}
    path.write_bytes(path.read_bytes().replace(b"a lie!", b"a lie?"))
    assert "problem" in {each["severity"] for each in found(tree, code=12)}
    told = [json.loads(line) for line in tree.acceptances.read_text().splitlines()]
    assert {line["by"] for line in told} == {"anna"}


def test_a_tree_put_back_to_an_older_copy_is_known_until_a_person_stands_by_it(
    tree: Tree, tmp_path: Path
) -> None:
    shutil.copytree(tree.root, tmp_path / "older", symlinks=True)
    maos("resume", str(tree.root), "--task", "more", "--agent", "noter", code=0)
    maos("check", str(tree.root), code=0)
    shutil.rmtree(tree.root)
    shutil.copytree(tmp_path / "older", tree.root, symlinks=True)
    paths = {each["path"] for each in found(tree, code=12) if each["finding"] == "rolled_back"}
    assert "agents/noter/attempts/0002/journal.jsonl" in paths
    assert any(path.startswith("supervisor/lives/0002/") for path in paths)
    maos("check", str(tree.root), "--accept", code=0)
    assert found(tree, code=0) == []


def test_an_edit_of_what_is_wanted_is_attributed_and_taken(tree: Tree) -> None:
    spec = json.loads(tree.agent_spec("noter").read_text())
    tree.agent_spec("noter").write_text(json.dumps({**spec, "role": "takes notes", "env": {"LEVEL": "3"}}))
    maos("resume", str(tree.root), "--task", "more", "--agent", "noter", code=0)
    lines = [json.loads(line) for line in tree.life_journal(2).read_text().splitlines()]
    edits = [line for line in lines if line["type"] == "spec" and line["path"] == "spec/agents/noter.json"]
    assert [(line["changed"], line["before"], line["after"]) for line in edits] == [
        (["env", "role"], {"role": ""}, {"env": ["LEVEL"], "role": "takes notes"})
    ]
    maos("check", str(tree.root), code=0)
