"""Contents that a power cut left torn: written anew when they are kept again, told when they are wanted."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from maos_sup.workspaces.checking import content_problems
from maos_sup.workspaces.snapshots import WORKTREE, Camera, collect, numbers
from maos_sup.workspaces.store import Store
from state_layout.check.problem import Finding
from state_layout.errors import Damaged
from state_layout.paths import Tree
from state_layout.records import Keep

DATA = b"what an agent had\n"


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    root = tmp_path / "tree"
    (root / "agents" / "ann" / "worktree").mkdir(parents=True)
    return Tree(root)


def objects(tree: Tree) -> list[Path]:
    return [path for _, path in Store(tree).names()]


@pytest.mark.parametrize(
    "tear",
    [
        lambda whole: b"",
        lambda whole: whole[: len(whole) // 2],
        lambda whole: b"\0" * len(whole),
        lambda whole: zlib.compress(b"blob 3\0old"),
    ],
    ids=["empty", "short", "zeros", "another"],
)
def test_torn_content_is_kept_again(tree: Tree, tear: Callable[[bytes], bytes]) -> None:
    name = Store(tree).put(DATA)
    (path,) = objects(tree)
    whole = path.read_bytes()
    path.chmod(0o600)
    path.write_bytes(tear(whole))
    with pytest.raises(Damaged, match="it is lost"):
        Store(tree).get(name)
    assert Store(tree).put(DATA) == name
    assert Store(tree).get(name) == DATA
    assert path.read_bytes() == whole


def test_one_damaged_snapshot_keeps_nobody_from_thinning(tree: Tree) -> None:
    root = tree.agent("ann").worktree
    for number in range(3):
        (root / "a").write_text(str(number))
        taken = Camera(tree, "ann", WORKTREE).take(why="test", seq=number)
        if number == 1:
            path = tree.workspaces / "objects" / taken.manifest[:2] / taken.manifest[2:]
            path.chmod(0o600)
            path.write_bytes(b"")
    removed, _ = collect(tree, Keep(last=2, hourly=0, daily=0))
    assert removed == 1
    assert numbers(tree.agent("ann")) == [2, 3]


def test_lost_contents_are_found(tree: Tree) -> None:
    root = tree.agent("ann").worktree
    for number in range(2):
        (root / f"f{number}").write_text(f"text {number}\n")
        Camera(tree, "ann", WORKTREE).take(why="test", seq=number)
    assert [*content_problems(tree)] == []
    name = Store(tree).put(b"text 1\n")
    (tree.workspaces / "objects" / name[:2] / name[2:]).unlink()
    (found,) = content_problems(tree)
    assert (found.path, found.finding) == ("agents/ann/snapshots/0002.json", Finding.CONTENTS_LOST)
    assert "1 of its 2 entries cannot be restored, 'f1' first" in found.what
    for path in objects(tree):
        path.chmod(0o600)
        path.write_bytes(b"")
    assert ["the list of its files is lost" in one.what for one in content_problems(tree)] == [True, True]


def test_what_a_killed_writer_left_is_no_object_and_goes(tree: Tree) -> None:
    store = Store(tree)
    store.put(DATA)
    (path,) = objects(tree)
    left = path.parent / f".{path.name}.tmp-0a1b2c3d"
    left.write_bytes(b"half")
    assert objects(tree) == [path]
    store.sweep(lambda: [path.parent.name + path.name])
    assert (left.exists(), path.exists()) == (False, True)
