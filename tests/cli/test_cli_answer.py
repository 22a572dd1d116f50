"""`approve` and `deny`: `answer` with the decision in the name."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from cli_trees import settle

from state_layout.paths import Tree

Call = Callable[..., Any]
QUESTION = {"id": "alice-0123456789ab", "task": "count", "text": "may I?", "at": "2026-11-21T01:42:00Z"}


@pytest.mark.parametrize(("name", "decision"), [("approve", "yes"), ("deny", "no")])
def test_approve_and_deny_answer_a_question(call: Call, tree: Tree, name: str, decision: str) -> None:
    settle(tree, "alice", "count", "asking")
    status = json.loads(tree.agent("alice").status.read_text()) | {"questions": [QUESTION]}
    tree.agent("alice").status.write_text(json.dumps(status))
    answer = call(name, tree.root.name, "alice-01", "because")
    assert answer.out == f"answered alice-0123456789ab: {decision}\n"
    assert (tree.approvals / f"alice-0123456789ab.{decision}").read_text() == "because"
    assert "fits 0 of the open questions" in call(name, tree.root.name, "bob-01").err


LEAVE = {**QUESTION, "id": "alice-9876543210ab", "text": 'May alice run bash with {"command":"ls"}?'}


def ask(tree: Tree, *questions: dict[str, Any]) -> None:
    settle(tree, "alice", "count", "asking")
    status = json.loads(tree.agent("alice").status.read_text()) | {"questions": [*questions]}
    tree.agent("alice").status.write_text(json.dumps(status))


@pytest.mark.parametrize("words", [["approve"], ["deny"], ["answer", "", "yes"]])
def test_a_question_that_nobody_named_is_not_answered(call: Call, tree: Tree, words: list[str]) -> None:
    ask(tree, LEAVE)
    name, *rest = words
    answer = call(name, tree.root.name[:8], *rest)
    assert answer.code == 2 and "name the question; open are alice-9876543210ab" in answer.err
    assert not list(tree.approvals.glob("alice*"))


@pytest.mark.parametrize(
    ("words", "decision", "text"),
    [
        (("postgres",), "yes", "postgres"),
        (("use", "sqlite", "for", "now"), "yes", "use sqlite for now"),
        (("no idea, ask Bob",), "yes", "no idea, ask Bob"),
        (("yes", "postgres"), "yes", "postgres"),
        (("NO",), "no", ""),
    ],
)
def test_an_answer_is_what_is_said(
    call: Call, tree: Tree, words: tuple[str, ...], decision: str, text: str
) -> None:
    ask(tree, QUESTION)
    answer = call("answer", tree.root.name, "alice-01", *words)
    assert answer.code == 0, answer.err
    assert (tree.approvals / f"alice-0123456789ab.{decision}").read_text() == text


def test_leave_to_run_a_tool_is_given_or_refused_and_nothing_else(call: Call, tree: Tree) -> None:
    ask(tree, LEAVE)
    answer = call("answer", tree.root.name, "alice-98", "sure")
    assert answer.code == 2 and "use yes or no" in answer.err
    assert not list(tree.approvals.glob("alice*"))
    assert call("answer", tree.root.name, "alice-98", "y").code == 0


def test_answer_alone_lists_what_is_asked_in_all_trees(call: Call, tree: Tree) -> None:
    assert call("answer").out == "nothing is asked now\n"
    ask(tree, QUESTION, LEAVE)
    out = call("answer").out
    assert "1 agent waits for you" in out
    assert f"answer: maos-sup answer {tree.root.name} alice-0123456789ab ANSWER" in out
    assert f"answer: maos-sup answer {tree.root.name} alice-9876543210ab yes|no" in out
    asked = json.loads(call("answer", "--json").out)["questions"]
    assert [question["id"] for question in asked] == ["alice-0123456789ab", "alice-9876543210ab"]


def test_a_question_is_found_without_its_tree(call: Call, tree: Tree) -> None:
    ask(tree, QUESTION)
    assert call("answer", "alice-01", "postgres").code == 0
    assert (tree.approvals / "alice-0123456789ab.yes").read_text() == "postgres"


def test_what_was_answered_says_how(call: Call, tree: Tree) -> None:
    ask(tree, QUESTION)
    call("answer", tree.root.name, "alice-01", "postgres")
    ask_nothing = json.loads(tree.agent("alice").status.read_text()) | {"questions": []}
    tree.agent("alice").status.write_text(json.dumps(ask_nothing))
    again = call("answer", tree.root.name, "alice-01", "no")
    assert again.code == 2 and "was answered: yes postgres" in again.err


def test_status_names_the_line_that_answers(call: Call, tree: Tree) -> None:
    ask(tree, QUESTION)
    assert f"answer: maos-sup answer {tree.root.name} alice-0123456789ab ANSWER" in call("status").out
