"""Numbers and their words in what people read."""

from __future__ import annotations

import pytest
from view_trees import MakeTree, live

from maos_sup.views.events import counted
from maos_sup.views.render import head_lines, message_lines
from maos_sup.views.status import status_of
from maos_sup.views.summary import saved_line, summary_lines


@pytest.mark.parametrize(
    ("number", "word", "text"),
    [
        (0, "task", "0 tasks"),
        (1, "task", "1 task"),
        (2, "discovery", "2 discoveries"),
        (1, "discovery", "1 discovery"),
    ],
)
def test_words_follow_their_numbers(number: int, word: str, text: str) -> None:
    assert counted(number, word) == text


def test_message_without_a_time_does_not_begin_with_a_blank() -> None:
    message = {"at": "", "from": "operator", "to": "bob", "type": "info", "text": "focus on auth"}
    assert message_lines([message]) == ["- operator -> bob info: focus on auth"]


def test_nobody_is_sent_to_logs_that_are_empty(make_tree: MakeTree) -> None:
    tree = make_tree(1)
    attempt = live(tree, "a0", [("task", {"task": "t0", "run": 1, "phase": "failed", "error": "not found"})])
    assert not any("see why" in line for line in summary_lines(status_of(tree), name="x"))
    attempt.paths.stderr.write_bytes(b"oh no\n")
    assert "  see why: maos-sup logs x a0" in summary_lines(status_of(tree), name="x")


def test_one_task_and_one_agent_are_one(make_tree: MakeTree) -> None:
    status = status_of(make_tree(1))
    assert "1 task (1 ready), 0 of 1 agent alive, 0 messages sent" in head_lines(status)[2]
    assert "0 of 1 task done, 1 agent, 0 messages sent, 0 discoveries" in summary_lines(status, name="x")[0]
    assert "0 of 1 task settled" in saved_line(status, name="x")
