"""A fork that is killed at any instant is no tree, or whole; the original is as it was."""

from __future__ import annotations

from itertools import count
from shutil import rmtree

import pytest
from crashing import crash, memory_folder
from test_rollback import begun, chat, end, make, told

from maos_sup.cuts.forking import fork
from maos_sup.cuts.take import take_cut
from state_layout.errors import NotATree
from state_layout.files import codec, disk
from state_layout.paths import Tree
from state_layout.tree import open_tree


def test_killed_fork_is_no_tree_or_whole() -> None:
    with memory_folder() as folder:
        tree = make(folder / "tree")
        team = begun(tree)
        chat(team, "one")
        cut, then = take_cut(tree, by="operator", why="w"), told(tree)
        chat(team, "two")
        end(team)
        original, target = told(tree), Tree(folder / "fork")
        is_killed = True
        for at in count(1, 3):
            if target.root.exists():
                rmtree(target.root)
            is_killed = (
                crash(
                    lambda: fork(tree, cut, target.root, id_="f", change=lambda spec: spec, memory=None),
                    at=at,
                )
                is not None
            )
            disk.tap(None)
            assert told(tree) == original
            if is_killed and not target.format.exists():
                with pytest.raises(NotATree):
                    open_tree(target.root)
                continue
            now = told(target)
            assert (now["lines"], now["mail"]) == (then["lines"], then["mail"])
            assert codec.decode_object(target.lineage.read_bytes())["checkpoint"] == cut.number
            if not is_killed:
                break
        assert at > 30 and not is_killed
