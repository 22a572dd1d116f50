"""Answers as files: which ones count."""

from __future__ import annotations

import os
import shutil
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from state_layout.paths import Tree
from state_layout.specs.approvals import answer_to, question_id, standing_answers

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


def test_a_file_that_was_there_before_its_question_never_counts(tmp_path: Path) -> None:
    tree = Tree(tmp_path)
    for suffix, later_ns in (("yes", 3600 * 10**9), ("no", 10**9)):  # as if they were written later
        path = answered(tree, suffix, later_ns=later_ns)
        before = standing_answers(tree, "q")
        assert answer_to(tree, "q", asked_at=AT, before=before) is None
        path.unlink()


def test_what_is_written_after_the_question_counts_whatever_the_clock_says(tmp_path: Path) -> None:
    tree = Tree(tmp_path)
    answered(tree, "yes", later_ns=10**9, text="old")
    before = standing_answers(tree, "q")
    for later_ns in (-3600 * 10**9, 0, 3600 * 10**9):
        (tree.approvals / "q.yes").unlink()
        answered(tree, "yes", later_ns=later_ns + 1, text="new")
        answer = answer_to(tree, "q", asked_at="2100-01-01T00:00:00.000000Z", before=before)
        assert answer is not None
        assert answer.text == "new"


def test_a_copy_of_what_was_there_does_not_count_either(tmp_path: Path) -> None:
    tree = Tree(tmp_path)
    path = answered(tree, "yes", later_ns=10**9)
    before = standing_answers(tree, "q")
    shutil.copy2(path, tmp_path / "copy")
    (tmp_path / "copy").replace(path)
    assert answer_to(tree, "q", asked_at=AT, before=before) is None


def test_an_old_record_takes_no_file_that_only_says_that_it_is_newer(tmp_path: Path) -> None:
    tree = Tree(tmp_path)
    answered(tree, "yes", later_ns=3600 * 10**9)
    now = datetime.fromtimestamp(time.time() + 60, UTC).isoformat()
    os.utime(tree.approvals / "q.yes", (time.time() + 3600,) * 2)
    assert answer_to(tree, "q", asked_at=now) is None


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
