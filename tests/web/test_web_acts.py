"""Steering from the page: the same edits as by hand, noted as asked for there, refused in words."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from recorded import lived, made_tree, task
from served import Server, serving

from state_layout.files.journal import Reader
from state_layout.paths import Tree


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    """A tree that is wanted to pause, so that no supervisor is started for it."""
    made = made_tree(tmp_path_factory.mktemp("acts"), want="pause")
    question = {"task": "count", "run": 1, "question": "alice-1", "text": "Which licence?"}
    lived(made, "alice", [task("count", "running"), ("asked", question)], reason="asking")
    lived(made, "bob", [task("report", "failed", error="no")])
    return made


@pytest.fixture(scope="module")
def server(tree: Tree) -> Iterator[Server]:
    environment = {**os.environ, "MAOS_SUP_HOME": str(tree.root.parent / "home")}
    with serving(str(tree.root), "--steer", environment=environment) as made:
        made.come_in()
        yield made


def spec(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def test_acts_are_edits_of_spec_and_noted_before_they_are_done(server: Server, tree: Tree) -> None:
    key = server.key()
    acts: list[dict[str, Any]] = [
        {"act": "answer", "question": "alice-1", "decision": "yes", "text": "MIT"},
        {"act": "want", "want": "pause", "agent": "alice"},
        {"act": "retry", "task": "report"},
        {"act": "skip", "task": "count"},
        {"act": "send", "to": "bob", "text": "<b>hi</b>"},
        {"act": "budget", "cap": "max_cost_usd", "amount": 7.5},
        {"act": "checkpoint", "name": "here"},
        {"act": "fork"},
    ]
    for fields in acts:
        answer = server.act(key, **fields)
        assert answer.status == 200, answer.body
    assert (tree.approvals / "alice-1.yes").read_text() == "MIT"
    assert spec(tree.agent_spec("alice"))["want"] == "pause"
    assert (spec(tree.task_spec("report"))["run"], spec(tree.task_spec("count"))["want"]) == (2, "skip")
    assert "<b>hi</b>" in tree.mail_file("bob", "operator").read_text()
    assert spec(tree.orchestration_spec)["budget"]["max_cost_usd"] == 7.5
    assert json.loads(tree.checkpoint_file(1).read_text())["by"] == "ui"
    noted = [line.fields() for line in Reader(tree.acts)]
    assert [(line["by"], line["act"]) for line in noted] == [("ui", fields["act"]) for fields in acts]
    assert noted[0]["asked"] == {"question": "alice-1", "decision": "yes", "text": "MIT"}


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"act": "rm"}, "not known"),
        ({"act": "want", "want": "explode"}, "use run, pause, stop"),
        ({"act": "want", "want": "pause", "agent": "../x"}, "agent"),
        ({"act": "want", "want": "pause", "agent": "alice", "task": "count"}, "exclude"),
        ({"act": "want", "want": "pause", "by": "me"}, "does not take"),
        ({"act": "answer", "decision": "yes"}, "needs 'question'"),
        ({"act": "answer", "question": "nobody-1", "decision": "yes"}, "question"),
        ({"act": "answer", "question": "alice-1", "decision": "maybe"}, "yes or no"),
        ({"act": "send", "to": "eve", "text": "hi"}, "eve"),
        ({"act": "send", "to": ["bob"], "text": "hi"}, "no text or number"),
        ({"act": "send", "to": "bob", "text": "x" * 20_001}, "at most"),
        ({"act": "budget", "cap": "limits", "amount": 1}, "max_cost_usd"),
        ({"act": "budget", "cap": "max_cost_usd", "amount": -1}, "max_cost_usd"),
        ({"act": "checkpoint", "name": "7"}, "not only digits"),
        ({"act": "fork", "checkpoint": "99"}, "no checkpoint"),
        ({"act": "rollback", "checkpoint": "99"}, "no checkpoint"),
        ({"act": "rollback"}, "needs 'checkpoint'"),
        ({}, "act"),
    ],
)
def test_what_cannot_be_done_is_refused_in_words(
    server: Server, tree: Tree, fields: dict[str, Any], says: str
) -> None:
    before = {path: path.read_bytes() for path in tree.spec.rglob("*.json")}
    answer = server.ask("POST", f"/api/t/{server.key()}/act", json.dumps(fields).encode())
    assert answer.status == 400, answer
    assert says in answer.told["error"]
    assert {path: path.read_bytes() for path in tree.spec.rglob("*.json")} == before


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{", b'{"act":"want","want":"pause"', b'"x"', b"\xff", b'{"act":1}']
)
def test_body_that_is_no_object_is_refused(server: Server, body: bytes) -> None:
    assert server.ask("POST", f"/api/t/{server.key()}/act", body).status == 400


def test_act_on_a_tree_that_was_removed_makes_nothing_anew(tmp_path: Path) -> None:
    """The note of who asked made a folder of the tree's name, with nothing else in it."""
    made = made_tree(tmp_path, want="pause")
    with serving(str(made.root), "--steer") as server:
        server.come_in()
        key = server.key()
        made.root.rename(tmp_path / "gone")
        for fields in ({"act": "want", "want": "run"}, {"act": "checkpoint"}, {"act": "fork"}):
            answer = server.act(key, **fields)
            assert (answer.status, b"not there" in answer.body) == (409, True), answer.body
    assert not made.root.exists()
