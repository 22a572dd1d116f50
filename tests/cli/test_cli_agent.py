"""The verbs of `maos-sup agent`, called by the programs of real agents."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from living import end_all, run, the_tree

from maos_sup.views.mailbox import Mailbox
from maos_sup.views.status import status_of

Call = Callable[..., Any]
PROGRAM = """set -e
agent() {{ {python} -m maos_sup agent "$@"; }}
agent progress 0.4 "half way"
agent discover "a bug in line 3"
agent checkpoint '{{"next": 12}}'
agent checkpoint > "$MAOS_WORKSPACE/saved" || true
agent send bob "hello there" --type request
agent send all --body '{{"n": 1}}'
echo hi > "$MAOS_WORKSPACE/report.md"
agent artifact "$MAOS_WORKSPACE/report.md"
agent result '{{"files": 3}}'
if agent send nobody text; then exit 9; fi
if agent progress much; then exit 9; fi
"""
READER = """set -e
agent() {{ {python} -m maos_sup agent "$@"; }}
agent inbox --json --wait 20 > "$MAOS_WORKSPACE/first.json"
agent inbox --ack > "$MAOS_WORKSPACE/lines"
agent inbox > "$MAOS_WORKSPACE/rest"
"""


@pytest.fixture(autouse=True)
def nobody_left(home: Path) -> Iterator[None]:
    """End every process that a test leaves."""
    yield
    end_all(home)


def test_verbs_do_what_they_say(tmp_path: Path, home: Path) -> None:
    path = tmp_path / "plan.json"
    agents = {
        "alice": {"kind": "command", "shell": PROGRAM.format(python=sys.executable), "task": "tell"},
        "bob": {"kind": "command", "shell": READER.format(python=sys.executable)},
    }
    tasks = [{"id": "read", "agent": "bob", "needs": ["alice"]}]
    path.write_text(json.dumps({"request": "talk", "agents": agents, "tasks": tasks}))
    done = run("run", str(path))
    tree = the_tree(home)
    assert done.returncode == 0, done.stdout
    status = status_of(tree)
    alice = status["agents"][0]
    assert (alice["last_discovery"], alice["artifacts"]) == ("a bug in line 3", ["report.md"])
    assert next(task["result"] for task in status["tasks"] if task["id"] == "alice") == {"files": 3}
    sent = [(message["to"], message["type"]) for message in Mailbox(tree, sender="alice").read()]
    assert sorted(sent) == [("all", "discovery"), ("all", "info"), ("bob", "request")]
    workspace = tree.agent("bob").workspace
    first = json.loads((workspace / "first.json").read_text())["messages"]
    assert "hello there" in [message["text"] for message in first]
    assert "alice/bob/1\trequest\thello there\n" in (workspace / "lines").read_text()
    assert len((workspace / "lines").read_text().splitlines()) == 3
    assert (workspace / "rest").read_text() == ""
    run("send", tree.root.name, "bob", "well done")  # every command counts messages under the same names
    assert "3 messages sent" in run("status", tree.root.name).stdout
    assert "messages: 3 sent by agents, 1 by people\n" in run("checkpoint", tree.root.name).stdout
    assert len(run("messages", tree.root.name).stdout.splitlines()) == 4


def test_verbs_outside_an_agent_say_what_is_missing(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("MAOS_") and name != "MAOS_SUP_HOME"]:
        monkeypatch.delenv(name)
    for words in (["discover", "x"], ["inbox"], ["progress", "0.5"], ["result", "1"]):
        answer = call("agent", *words)
        assert answer.code == 2
        assert "MAOS_DIR is not set" in answer.err
