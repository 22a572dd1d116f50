"""Something else in the place of a regular file keeps nobody waiting, and is named where it matters.

A pipe has nobody who writes to it, so whoever opens it plainly waits for ever: each look has a deadline.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from living import MAOS_SUP, end_all, started

from maos_sup.agents.bus.spawning import _spawned
from maos_sup.steering.answering import _answered
from maos_sup.steering.editing import agent_text
from maos_sup.workspaces import linking, record, refs, restoring, snapshots
from maos_sup.workspaces.forgetting import linked_folders
from maos_sup.workspaces.store import Store
from state_layout.errors import BadInput, Damaged
from state_layout.paths import Tree

PATIENCE_S = 60
OBJECT = "aa" * 20


def pipe(path: Path) -> None:
    os.mkfifo(path)


def folder(path: Path) -> None:
    path.mkdir()


def listening(path: Path) -> None:
    here = os.open(path.parent, os.O_RDONLY)
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(f"/proc/self/fd/{here}/{path.name}")
    os.close(here)


def loop(path: Path) -> None:
    path.symlink_to(path.name)


def closed(path: Path) -> None:
    path.touch(mode=0)


SHAPES = {pipe: "a pipe", folder: "a folder", listening: "a pipe or a socket", loop: "a symbolic link"}


@pytest.fixture(autouse=True)
def deadline() -> Iterator[None]:
    """Whoever waits for ever fails."""

    def ring(*_: Any) -> None:
        raise AssertionError("it waits for ever")

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(PATIENCE_S)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def put(path: Path, shape: Callable[[Path], None]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    shape(path)


DAMAGED: tuple[tuple[Callable[[Tree], Path], Callable[[Tree], object]], ...] = (
    (
        lambda tree: tree.agent("alice").worktree_record,
        lambda tree: record.read_record(tree.agent("alice")),
    ),
    (lambda tree: tree.agent("alice").snapshot(1), lambda tree: snapshots.read(tree.agent("alice"), 1)),
    (
        lambda tree: tree.agent("alice").restoring / restoring.RESTORING,
        lambda tree: restoring.under_way(tree.agent("alice")),
    ),
    (
        lambda tree: tree.workspaces / "objects" / OBJECT[:2] / OBJECT[2:],
        lambda tree: Store(tree).get(OBJECT),
    ),
)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("place", "look"), DAMAGED, ids=["worktree", "snapshot", "restoring", "store"])
def test_a_record_that_is_no_file_is_damage(
    tree: Tree, place: Callable[[Tree], Path], look: Callable[[Tree], object], shape: Callable[[Path], None]
) -> None:
    put(place(tree), shape)
    with pytest.raises(Damaged, match=SHAPES[shape]) as told:
        look(tree)
    assert str(place(tree)) in str(told.value)
    assert "Errno" not in str(told.value)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_spec_that_is_no_file_is_named_when_it_is_to_be_edited(
    tree: Tree, shape: Callable[[Path], None]
) -> None:
    put(tree.agent_spec("alice"), shape)
    with pytest.raises(BadInput, match=r"spec/agents/alice\.json: is a"):
        agent_text(tree, "alice")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read all")
def test_a_spec_that_may_not_be_read_is_named_when_it_is_to_be_edited(tree: Tree) -> None:
    put(tree.agent_spec("alice"), closed)
    with pytest.raises(BadInput, match="may not be read by this user"):
        agent_text(tree, "alice")


@pytest.mark.parametrize("shape", SHAPES)
def test_what_git_keeps_is_as_good_as_not_there(tree: Tree, shape: Callable[[Path], None]) -> None:
    entry, admin = tree.agent("alice").worktree / ".git", tree.root / "admin"
    put(entry, shape)
    for name in ("gitdir", "packed-refs", "refs/heads/main"):
        put(admin / name, shape)
    assert not linking.is_at(entry, admin)
    assert linking.named_by(admin) is None
    assert linked_folders(tree) == []
    assert refs.read_ref(admin, "refs/heads/main") is None


@pytest.mark.parametrize("shape", SHAPES)
def test_what_other_agents_added_is_counted_without_what_is_no_file(
    tree: Tree, shape: Callable[[Path], None]
) -> None:
    put(tree.task_specs / "strange.json", shape)
    assert _spawned(tree.task_specs) == []


@pytest.mark.parametrize("shape", SHAPES)
def test_an_answer_that_is_no_file_is_none(tree: Tree, shape: Callable[[Path], None]) -> None:
    put(tree.approvals / "bob-1.yes", shape)
    assert _answered(tree, "bob-1") is None


@pytest.mark.parametrize("shape", SHAPES)
def test_a_shell_completes_beside_a_spec_that_is_no_file(
    tree: Tree, shape: Callable[[Path], None], tmp_path: Path
) -> None:
    put(tree.agent_spec("alice"), shape)
    put(tmp_path / "FORMAT", shape)  # above the folder it is called in
    told = {**os.environ, "_MAOS_SUP_COMPLETE": "zsh_complete", "COMP_CWORD": "2"}
    told |= {"COMP_WORDS": "maos-sup set agents/alice.ki"}
    done = subprocess.run(
        MAOS_SUP, env=told, capture_output=True, text=True, timeout=PATIENCE_S, cwd=tmp_path, check=False
    )
    assert (done.stderr, "agents/alice.kind" in done.stdout) == ("", True)


def test_the_next_task_begins_whatever_a_program_left_in_place_of_its_results(
    tmp_path: Path, home: Path
) -> None:
    plan = tmp_path / "plan.toml"
    plan.write_text(
        """request = "Two tasks"
[agents.ann]
kind = "command"
shell = "rm -f $MAOS_DIR/agents/ann/session/results.json; mkfifo $MAOS_DIR/agents/ann/session/results.json"
[[tasks]]
id = "one"
agent = "ann"
[[tasks]]
id = "two"
agent = "ann"
needs = ["one"]
"""
    )
    with started("run", str(plan), "--yes") as running:
        try:
            out, err = running.communicate(timeout=PATIENCE_S - 10)
        finally:
            running.kill()
            end_all(home)
    assert running.returncode == 0, out + err
