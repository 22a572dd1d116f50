"""What vanishes under a living supervisor is begun again by nobody but a person."""

from __future__ import annotations

from pathlib import Path

import pytest
from supervised import Supervised, begin_agent, make_tree

from maos_sup.core.model import Delay
from maos_sup.supervisor.life import begin_life
from maos_sup.supervisor.publish import notes_on_missing
from state_layout.errors import StorageError
from state_layout.files import atomic, fence
from state_layout.paths import Tree


def dead_agent(tmp_path: Path, *, attempts: int) -> tuple[Tree, Supervised]:
    """A supervisor whose agent `a` died so often, the last time just now."""
    tree = make_tree(tmp_path / "t", "a")
    supervised = Supervised(tree)
    for number in range(1, attempts + 1):
        supervised.turn()
        assert begin_agent(tree, "a") == number
        supervised.die("a", "failed", attempt=number)
    return tree, supervised


def notes(supervised: Supervised) -> list[str]:
    seen = supervised.lookout.observe(supervised.specs.now, supervised.life.memory, leaving=False)
    return notes_on_missing(seen, supervised.life.memory)


@pytest.mark.parametrize("gone", ["agents/a", "agents/a/attempts", "agents/a/attempts/0002"])
def test_an_attempt_that_vanished_is_not_begun_again(tmp_path: Path, gone: str) -> None:
    tree, supervised = dead_agent(tmp_path, attempts=2)
    supervised.lookout.observe(supervised.specs.now, supervised.life.memory, leaving=False)
    (tree.root / gone).rename(tmp_path / "away")
    assert supervised.turn() == []
    [note] = notes(supervised)
    assert note.startswith("agents/a: attempt 2 was here and is gone; put its folder back")
    (tmp_path / "away").rename(tree.root / gone)
    [judged, *_] = supervised.turn()
    assert isinstance(judged, Delay)
    assert judged.attempt == 2
    assert notes(supervised) == []


def test_the_next_supervisor_knows_it_from_the_journal(tmp_path: Path) -> None:
    tree, supervised = dead_agent(tmp_path, attempts=1)
    supervised.turn()
    tree.agent("a").root.rename(tmp_path / "away")
    following = Supervised(tree)
    assert following.turn() == []
    assert notes(following)


def test_a_copy_that_lacks_attempts_begins_with_what_it_has(tmp_path: Path) -> None:
    tree, supervised = dead_agent(tmp_path, attempts=2)
    supervised.turn()
    (tree.agent("a").attempts / "0002").rename(tmp_path / "away")
    assert begin_life(tree, at_most={"a": 1}).memory.of("a").handled == 1
    assert begin_life(tree).memory.of("a").handled == 1, "the life after it knows no better"


def test_nothing_is_made_where_a_tree_was(tmp_path: Path) -> None:
    tree = make_tree(tmp_path / "t", "a")
    fence.settle(tree.root)
    try:
        atomic.make_folder(tree.run_agents)
        tree.root.rename(tmp_path / "moved")
        assert not fence.is_home(tree.root)
        with pytest.raises(StorageError, match="moved or removed"):
            atomic.make_folder(tree.run_agents)
        assert not tree.root.exists()
        make_tree(tmp_path / "t2", "a")  # of another name
        (tmp_path / "moved").rename(tree.root)
        assert fence.is_home(tree.root)
        (tree.root / "FORMAT").unlink()
        assert not fence.is_home(tree.root)
    finally:
        fence.leave(tree.root)
