"""Contents go when no snapshot names them, whatever the clocks say, and never while somebody keeps some."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from maos_sup.workspaces import store as store_module
from maos_sup.workspaces.snapshots import WORKTREE, Camera, collect, manifest_of, numbers, read
from maos_sup.workspaces.store import Store
from state_layout.errors import Locked
from state_layout.files import atomic, codec
from state_layout.paths import Tree
from state_layout.records import Keep

FEW = Keep(last=1, hourly=0, daily=0)


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    root = tmp_path / "tree"
    (root / "agents" / "ann" / "worktree").mkdir(parents=True)
    return Tree(root)


def write(tree: Tree, text: str) -> None:
    (tree.agent("ann").worktree / "a").write_text(text)


def test_what_is_being_kept_is_not_swept(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "_PATIENCE_S", 0.05)
    store = Store(tree)
    with store.in_use():
        name = store.put(b"of a snapshot that is not on record yet")
        for _, path in store.names():
            os.utime(path, (1, 1))
        with pytest.raises(Locked, match="another process keeps or removes files"):
            Store(tree).sweep(lambda: [])
        assert store.get(name)
    assert Store(tree).sweep(lambda: []) > 0
    assert [*store.names()] == []


def test_a_clock_that_went_back_keeps_nothing(tree: Tree) -> None:
    store = Store(tree)
    store.put(b"nobody's")
    for _, path in store.names():
        os.utime(path, (2**33, 2**33))
    assert store.sweep(lambda: []) > 0


def test_what_was_swept_is_kept_again_by_who_knew_it(tree: Tree) -> None:
    """A file that comes back to what it was is on the disk again, although its keeper has seen it before."""
    camera = Camera(tree, "ann", WORKTREE)
    for number, text in enumerate(("one", "two", "one")):
        write(tree, text)
        if text == "one" and number:
            collect(tree, FEW)
        taken = camera.take(why="test", seq=number)
    entry = manifest_of(Store(tree), taken).entries["a"]
    assert Store(tree).get(entry.object) == b"one"


def test_what_a_restore_under_way_needs_stays(tree: Tree) -> None:
    paths, camera = tree.agent("ann"), Camera(tree, "ann", WORKTREE)
    for number in range(4):
        write(tree, str(number))
        camera.take(why="test", seq=number)
    atomic.make_folder(paths.restoring)
    told = codec.encode({"target": 2, "before": 3, "paths": []})
    (paths.restoring / "restore.json").write_bytes(told)
    collect(tree, FEW, most_bytes=0)
    assert numbers(paths) == [2, 3, 4]
    held = manifest_of(Store(tree), read(paths, 2))
    assert Store(tree).get(held.entries["a"].object) == b"1"
