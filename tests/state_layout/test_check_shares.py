"""A large tree is checked on all processors, and nothing else is found than by one process."""

from __future__ import annotations

import errno
import os
import signal
import threading
from pathlib import Path
from typing import Any

import pytest
from check_trees import make_tree

from state_layout.check import check, shares
from state_layout.check.scene import Scene
from state_layout.paths import Tree

pytestmark = pytest.mark.linux("threads of a process are listed in /proc")


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return make_tree(tmp_path / "tree")


@pytest.fixture
def forks(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Each tree is large, and there are three processors; the forks that were made."""
    made, fork = list[int](), os.fork

    def counted() -> int:
        pid = fork()
        if pid:
            made.append(pid)
        return pid

    monkeypatch.setattr(shares, "LEAST_BYTES", 0)
    monkeypatch.setattr(shares, "_processors", lambda: 3)
    monkeypatch.setattr(shares, "_is_alone", lambda: True)
    monkeypatch.setattr(os, "fork", counted)
    return made


def damaged(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))


def test_shares_find_what_one_process_finds(
    tree: Tree, forks: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    chained = sorted([*tree.agents.rglob("journal.jsonl"), *tree.mail.rglob("*.jsonl")])
    for path in (None, *chained):
        before = path.read_bytes() if path is not None else b""
        if path is not None:
            damaged(path)
        side_by_side = check(tree)
        with monkeypatch.context() as patch:
            patch.setattr(shares, "_processors", lambda: 1)
            assert check(tree) == side_by_side, path
        if path is not None:
            assert side_by_side
            path.write_bytes(before)
    assert len(forks) > len(chained)


@pytest.mark.parametrize("end", [lambda: os.kill(os.getpid(), signal.SIGKILL), lambda: [][0]])
def test_what_a_share_that_died_should_have_done_is_done(tree: Tree, forks: list[int], end: Any) -> None:
    own = os.getpid()

    def run(number: int) -> int:
        if os.getpid() != own:
            end()
        return number

    scene = Scene(tree)
    wanted = [shares.Examination(1, lambda number=number: run(number)) for number in range(7)]
    assert shares.examined(scene, wanted) == [*range(7)]
    assert len(forks) == 2
    for pid in forks:
        with pytest.raises(ChildProcessError):
            os.waitpid(pid, 0)


@pytest.mark.parametrize("most", [0, 1])
def test_where_no_more_processes_are_to_be_had_all_is_examined(
    tree: Tree, forks: list[int], monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    fork, opened = os.fork, {*Path("/proc/self/fd").iterdir()}

    def refused() -> int:
        if len(forks) >= most:
            raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")
        return fork()

    monkeypatch.setattr(os, "fork", refused)
    wanted = [shares.Examination(1, lambda number=number: number) for number in range(7)]
    assert shares.examined(Scene(tree), wanted) == [*range(7)]
    assert len(forks) == most
    assert {*Path("/proc/self/fd").iterdir()} == opened


def test_who_fails_leaves_no_process(tree: Tree, forks: list[int]) -> None:
    own = os.getpid()

    def run() -> int:
        if os.getpid() != own:
            signal.pause()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        shares.examined(Scene(tree), [shares.Examination(1, run)] * 3)
    assert len(forks) == 2
    for pid in forks:
        with pytest.raises(ChildProcessError):
            os.waitpid(pid, 0)


def test_a_process_with_threads_does_not_fork() -> None:
    end = threading.Event()
    other = threading.Thread(target=end.wait)
    other.start()
    try:
        assert not shares._is_alone()
    finally:
        end.set()
        other.join()
