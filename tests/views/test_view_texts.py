"""Numbers and their words in what people read."""

from __future__ import annotations

import pytest
from view_trees import MakeTree

from maos_sup.views.events import counted
from maos_sup.views.render import head_lines
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


def test_one_task_and_one_agent_are_one(make_tree: MakeTree) -> None:
    status = status_of(make_tree(1))
    assert "1 task (1 ready), 0 of 1 agent alive, 0 messages" in head_lines(status)[2]
    assert "0 of 1 task done, 1 agent, 0 messages, 0 discoveries" in summary_lines(status, name="x")[0]
    assert "0 of 1 task settled" in saved_line(status, name="x")
