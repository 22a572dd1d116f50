"""Branches of ours: git's own locks keep us out, and those of a dead process of ours do not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from maos_sup.workspaces import refs
from maos_sup.workspaces.refs import PREFIX, Moved, move_ref, read_ref

REF = f"{PREFIX}team/ann"
ONE, TWO = "1" * 40, "2" * 40


@pytest.fixture
def common(tmp_path: Path) -> Path:
    move_ref(tmp_path, REF, ONE, old=None, why="begin")
    return tmp_path


def test_lock_of_git_is_never_taken_away(common: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refs, "_PATIENCE_S", 0.1)
    lock = common / f"{REF}.lock"
    lock.write_text(f"{TWO}\n")
    os.utime(lock, (1, 1))  # however old it is: a hook may take its time
    with pytest.raises(Moved, match="git is at work on this branch"):
        move_ref(common, REF, TWO, old=ONE, why="work")
    assert (lock.read_text(), read_ref(common, REF)) == (f"{TWO}\n", ONE)
    lock.unlink()
    move_ref(common, REF, TWO, old=ONE, why="work")
    assert read_ref(common, REF) == TWO


@pytest.mark.parametrize("left", ["file", "lock", "moved"])
def test_what_a_dead_process_of_ours_left_is_removed(common: Path, left: str) -> None:
    path = common / REF
    own, lock = path.with_name(".ann.maos"), path.with_name("ann.lock")
    if left == "moved":  # killed behind the rename: its file is the ref
        own.hardlink_to(path)
    else:
        own.write_text("half")
    if left == "lock":
        lock.hardlink_to(own)
    move_ref(common, REF, TWO, old=ONE, why="work")
    assert read_ref(common, REF) == TWO
    assert sorted(found.name for found in path.parent.iterdir()) == ["ann"]
    assert path.stat().st_nlink == 1


def test_branch_that_somebody_moved_is_left_alone(common: Path) -> None:
    with pytest.raises(Moved, match="look again"):
        move_ref(common, REF, TWO, old=TWO, why="work")
    assert read_ref(common, REF) == ONE
    assert sorted(found.name for found in (common / REF).parent.iterdir()) == ["ann"]
