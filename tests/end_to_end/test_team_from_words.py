"""The shipped example: words become a team, which is killed twice, and the work is done and reviewed."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from orchestra import Orchestra

from state_layout.ledger import spent_by
from state_layout.tree import open_tree

AGENTS = {"developer", "tester", "writer", "reviewer"}


def git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.timeout(240)
@pytest.mark.skipif(not Path("/proc").is_dir(), reason="the script finds what to kill in /proc")
def test_words_are_planned_killed_twice_done_and_reviewed(orchestra: Orchestra, tmp_path: Path) -> None:
    told = orchestra.example("team_from_words", tmp_path)
    assert told.count("killed everything") == 2
    assert orchestra.status()["phase"] == "done"
    assert {agent["name"] for agent in orchestra.status()["agents"]} == AGENTS
    assert orchestra.task("review")["result"].startswith("accepted")
    assert orchestra.attempts()["tester"] >= 2
    made = set(git(tmp_path / "demo", "show", "--name-only", "--format=").split())
    assert made == {"SLUG.md", "slug.py", "test_slug.py"}
    assert git(tmp_path / "demo", "log", "--oneline").count("\n") == 2
    entries = lines(tmp_path / "requests.jsonl")
    planning = {entry["number"] for entry in entries if entry.get("rule") == "planner"}
    assert len(planning) == 1
    assert not [entry for entry in entries if entry["what"] == "refused"]
    mail = orchestra.do("messages", "--json")
    assert {"developer", "tester"} <= {message["from"] for message in json.loads(mail)["messages"]}
    assert all(amount.cost_usd for amount in spent_by(open_tree(orchestra.root)).values())
    orchestra.assert_nothing_left()
    orchestra.assert_sound()
