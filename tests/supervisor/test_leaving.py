"""Who edits in the last moment of a supervisor sees it alive and starts nobody: so it looks once more."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from supervised import make_tree

from maos_sup.supervisor.loop import supervise
from state_layout.files import disk
from state_layout.lives.numbers import numbers_in
from state_layout.lives.snapshots import agent_snapshot, read_snapshot
from state_layout.paths import Tree
from state_layout.records import Phase
from state_layout.specs import edit_spec


def start(tree: Tree) -> None:
    edit_spec(tree, tree.agent_spec("a"), lambda value: {**value, "want": "run"})


def spoil(tree: Tree) -> None:
    tree.agent_spec("a").write_text('{"kind"')


def in_a_child(tree: Tree, *, at: str, do: Callable[[Tree], None]) -> Phase:
    """Supervise in a process that does `do` once, just before the change of the disk called `at`."""
    phases: list[Phase] = [*Phase]
    child = os.fork()
    if child == 0:
        operation, _, name = at.partition(" ")
        has_happened = False

        def meddle(seen: str, arguments: tuple[object, ...]) -> None:
            nonlocal has_happened
            if seen == operation and not has_happened and str(arguments[0]).endswith(name):
                has_happened = True
                do(tree)

        try:
            disk.tap(meddle)
            os._exit(phases.index(supervise(tree.root)))
        finally:
            os._exit(99)
    _, status = os.waitpid(child, 0)
    return phases[os.waitstatus_to_exitcode(status)]


@pytest.mark.parametrize(
    ("do", "phase", "attempts", "lives"),
    [(start, Phase.DONE, 1, 2), (spoil, Phase.STOPPED, 0, 1)],
)
def test_an_edit_in_the_last_moment_is_acted_on(
    tmp_path: Path, do: Callable[[Tree], None], phase: Phase, attempts: int, lives: int
) -> None:
    tree = make_tree(tmp_path / "t", "a")
    edit_spec(tree, tree.agent_spec("a"), lambda value: {**value, "want": "stop"})
    assert in_a_child(tree, at="unlink supervisor.handle.json", do=do) is phase
    status = agent_snapshot(read_snapshot(tree.agent("a").status))
    assert (status.get("attempt") or 0) == attempts
    assert len(numbers_in(tree.lives)) == lives
