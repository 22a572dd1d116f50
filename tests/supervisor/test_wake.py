"""Changes in `spec/` wake the supervisor; what the kernel does not tell is seen at a tick."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from supervised import make_tree

from maos_sup.supervisor.wake import Wake
from state_layout.paths import Tree

PATIENCE_S = 20.0


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return make_tree(tmp_path / "t", "a")


@pytest.fixture
def wake(tree: Tree) -> Iterator[Wake]:
    wake = Wake(tree)
    wake.hinted = False
    yield wake
    wake.close()


def by_rename(tree: Tree) -> None:
    tree.agent_spec("b").write_text("{}")
    tree.agent_spec("b").rename(tree.agent_spec("a"))


def in_place(tree: Tree) -> None:
    with tree.task_spec("a").open("a") as file:
        file.write(" ")


CHANGES: list[Callable[[Tree], object]] = [
    by_rename,
    in_place,
    lambda tree: tree.agent_spec("a").unlink(),
    lambda tree: (tree.approvals / "a-0123456789ab.yes").touch(),
    lambda tree: tree.orchestration_spec.write_text("{}"),
]


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_in_spec_is_a_hint(tree: Tree, wake: Wake, change: Callable[[Tree], object]) -> None:
    assert wake.is_watching
    change(tree)
    assert wake.sleep(PATIENCE_S)
    assert wake.hinted


def test_reading_is_no_hint(tree: Tree, wake: Wake) -> None:
    tree.agent_spec("a").read_text()
    assert not wake.sleep(0.0)
    assert not wake.hinted


def test_a_folder_that_was_replaced_is_watched_again(tree: Tree, wake: Wake) -> None:
    tree.agent_specs.rename(tree.spec / "old")
    tree.agent_specs.mkdir()
    while not wake.sleep(PATIENCE_S):
        pass
    wake.hinted = False
    while wake.sleep(0.0):
        wake.hinted = False
    tree.agent_spec("c").write_text("{}")
    assert wake.sleep(PATIENCE_S)
    assert wake.hinted
