"""Answers as files: which ones count."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from state_layout.paths import Tree
from state_layout.specs.approvals import answer_to, question_id

AT = "2026-11-21T01:42:00.500000Z"
AT_NS = int(datetime(2026, 11, 21, 1, 42, 0, tzinfo=UTC).timestamp()) * 10**9 + 500_000_000


def answered(tree: Tree, suffix: str, *, later_ns: int, text: str = "") -> Path:
    """An answer written `later_ns` after the question was asked."""
    tree.approvals.mkdir(parents=True, exist_ok=True)
    path = tree.approvals / f"q.{suffix}"
    path.write_text(text)
    os.utime(path, ns=(AT_NS + later_ns, AT_NS + later_ns))
    return path


@pytest.mark.parametrize(
    ("later_ns", "counts"),
    [
        (1_000_000, True),
        (-4_000_000, True),  # the clock of file systems ticks: it may lag behind by some milliseconds
        (-500_000_000, True),  # in whole seconds, as some file systems have it
        (-100_000_000, False),
        (-5_500_000_000, False),
    ],
)
def test_an_answer_older_than_its_question_does_not_count(
    tmp_path: Path, later_ns: int, counts: bool
) -> None:
    tree = Tree(tmp_path)
    answered(tree, "yes", later_ns=later_ns)
    assert (answer_to(tree, "q", asked_at=AT) is not None) is counts


def test_no_wins_and_its_text_is_told(tmp_path: Path) -> None:
    tree = Tree(tmp_path)
    answered(tree, "yes", later_ns=2)
    answered(tree, "no", later_ns=1, text=" not now\n")
    answer = answer_to(tree, "q", asked_at=AT)
    assert answer is not None
    assert (answer.is_yes, answer.text) == (False, "not now")


def test_an_id_is_of_exactly_one_question() -> None:
    ids = {
        question_id("a", task, run, text) for task in "xy" for run in (1, 2) for text in ("May I?", "May I")
    }
    assert len(ids) == 8
