"""What the supervisor remembers, as its journals tell it to everybody else."""

from __future__ import annotations

from pathlib import Path

import pytest

from maos_sup.standing.supervisors import remembered, settled_by_supervisor
from state_layout.files.journal import Journal
from state_layout.paths import Tree
from state_layout.records import TaskPhase

SUBMIT = {"agent": "ann", "attempt": 1, "id": "x"}
GAVE_UP = {"agent": "ann", "attempt": 1, "tasks": {"count": 1}, "reason": "died too often"}
BEFORE = {"outcomes": {"old": {"phase": "failed", "run": 1}}}


def tree_with(root: Path, *lives: list[tuple[str, dict[str, object]]]) -> Tree:
    for number, lines in enumerate(lives, start=1):
        journal = Journal.open(Tree(root).life_journal(number))
        for type_, fields in lines:
            journal.record(type_, fields)
        journal.close()
    return Tree(root)


@pytest.mark.parametrize(
    ("lives", "settled"),
    [
        ([], set()),
        ([[("start", {}), ("submit", SUBMIT)]], set()),
        ([[("start", {}), ("submit", SUBMIT), ("gave_up", GAVE_UP), ("submit", SUBMIT)]], {"count"}),
        (
            [[("start", {}), ("gave_up", GAVE_UP)], [("start", {"memory": BEFORE}), ("submit", SUBMIT)]],
            {"old"},
        ),
        ([[("start", {}), ("gave_up", GAVE_UP)], []], {"count"}),
    ],
)
def test_what_the_newest_life_gave_up_or_knew_is_settled(
    tmp_path: Path, lives: list[list[tuple[str, dict[str, object]]]], settled: set[str]
) -> None:
    found = settled_by_supervisor(tree_with(tmp_path, *lives))
    assert found.keys() == settled
    assert all(outcome.phase is TaskPhase.FAILED for outcome in found.values())


def test_line_that_is_not_valid_settles_nothing_after_it(tmp_path: Path) -> None:
    tree = tree_with(tmp_path, [("start", {}), ("submit", SUBMIT), ("gave_up", GAVE_UP)])
    path = tree.life_journal(1)
    path.write_bytes(path.read_bytes().replace(b'"submit"', b'"submot"'))
    assert settled_by_supervisor(tree) == {}


def test_after_a_rewind_it_remembers_what_it_knew_then(tmp_path: Path) -> None:
    """Between `rollback` and `resume` nobody lives: a task that was given up later is not shown as failed."""
    now = {"outcomes": {"count": {"phase": "failed", "run": 1}}}
    rewound = {"by": "operator", "why": "x", "void": 1, "cut": 1, "back": 2, "memory": BEFORE}
    lines: list[tuple[str, dict[str, object]]] = [
        ("start", {"memory": now}),
        ("rewind", {}),
        ("rewound", rewound),
    ]
    tree = tree_with(tmp_path, lines)
    assert remembered(tree).outcomes.keys() == {"old"}
    assert settled_by_supervisor(tree).keys() == {"old"}
