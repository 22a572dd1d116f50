"""What is recorded of a program's output outlives no power cut that the output does not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from maos_sup.agents.ledger import Ledger
from maos_sup.agents.translate import Translator, translate_leftovers
from state_layout.files import disk
from state_layout.lives.attempts import begin_attempt, recall
from state_layout.paths import Tree
from state_layout.tree import create_tree

PROGRESS = b'{"progress": 0.5}\n'


def begin(tree: Tree) -> Ledger:
    """A life of the only agent."""
    known = recall(tree, "ann")
    attempt = begin_attempt(tree, "ann", recall=known, settings={})
    known.history.take(attempt.start)
    ledger = Ledger(tree, "ann", attempt=attempt, history=known.history)
    ledger.catch_up()
    return ledger


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return create_tree(
        tmp_path / "t",
        orchestration={"id": "20261121-0142-test-0000", "request": "test"},
        agents={"ann": {"kind": "command", "command": ["true"]}},
        tasks={"ann": {"agent": "ann"}},
        files={},
    )


@contextmanager
def operations() -> Iterator[list[tuple[str, str]]]:
    """What was done to which file while this lasts: operation, the file's name."""
    seen: list[tuple[str, str]] = []

    def note(operation: str, arguments: tuple[object, ...]) -> None:
        if operation in ("write", "fdatasync", "fsync"):
            seen.append((operation, Path(f"/proc/self/fd/{arguments[0]}").readlink().name))

    disk.tap(note)
    try:
        yield seen
    finally:
        disk.tap(None)


@pytest.mark.parametrize("line", [PROGRESS, b"nonsense\n", b'{"send": {"to": "ann", "text": "x"}}\n'])
def test_a_control_line_is_durable_before_it_is_recorded(tree: Tree, line: bytes) -> None:
    ledger = begin(tree)
    tree.agent("ann").attempt(1).control.write_bytes(line)
    with operations() as seen:
        assert Translator(tree, "ann", 1, ledger=ledger).run()
    assert seen[:2] == [("fsync", "0001"), ("fdatasync", "control.jsonl")]
    assert ("write", "journal.jsonl") in seen[2:]
    ledger.close()


def test_lines_that_come_together_are_synced_together(tree: Tree) -> None:
    ledger = begin(tree)
    tree.agent("ann").attempt(1).control.write_bytes(100 * PROGRESS)
    with operations() as seen:
        assert Translator(tree, "ann", 1, ledger=ledger).run()
    assert seen.count(("fdatasync", "control.jsonl")) == 1
    assert seen.count(("write", "journal.jsonl")) == 100
    ledger.close()


def test_output_of_a_dead_life_is_durable_before_it_counts_as_understood(tree: Tree) -> None:
    begin(tree).close()
    files = tree.agent("ann").attempt(1)
    files.stdout.write_bytes(b"nothing to tell\n")
    ledger = begin(tree)
    with operations() as seen:
        translate_leftovers(tree, "ann", before=2, ledger=ledger, keywords=())
    assert ("write", "journal.jsonl") in seen
    assert seen.index(("fdatasync", "stdout.log")) < seen.index(("write", "journal.jsonl"))
    ledger.close()
