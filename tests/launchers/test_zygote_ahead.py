"""A zygote that was started before its launcher: taken by it, or ended by who started it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from lab import IDLE, Lab

from maos_sup.launchers.ahead import drop_zygote, start_zygote
from maos_sup.system.processes import read_children
from state_layout.host.stats import read_stat
from state_layout.paths import FORMAT_LINE, Tree

pytestmark = pytest.mark.linux("a process that forks agents")
ENTRY = "agent_entry:main"


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    yield
    drop_zygote()


def zygotes() -> list[int]:
    """The zygotes of this process that run."""
    found = []
    for pid in read_children(os.getpid()):
        stat = read_stat(pid)
        if stat is not None and not stat.is_gone and b"zygote" in Path(f"/proc/{pid}/cmdline").read_bytes():
            found.append(pid)
    return found


def make_tree_of(tree: Tree, orchestration: bytes = b"{}") -> None:
    """Make the folder look like a tree."""
    tree.spec.mkdir()
    tree.orchestration_spec.write_bytes(orchestration)
    tree.format.write_bytes(FORMAT_LINE)


def test_launcher_takes_the_zygote_and_has_it_write_to_its_log(
    tree: Tree, new_lab: Callable[..., Lab]
) -> None:
    make_tree_of(tree)
    start_zygote(tree.root, ENTRY)
    (zygote,) = zygotes()
    lab = new_lab(entry=ENTRY)
    pid = lab.start("bob", "import sys\nprint('bob was here', file=sys.stderr, flush=True)\n" + IDLE)
    stat = read_stat(pid)
    assert stat is not None
    assert stat.parent == zygote
    lab.wait(lambda: "bob was here" in tree.supervisor_log.read_text())


def test_zygote_that_nobody_took_is_ended(tree: Tree) -> None:
    make_tree_of(tree)
    start_zygote(tree.root, ENTRY)
    assert zygotes()
    drop_zygote()
    assert not zygotes()


@pytest.mark.parametrize("orchestration", [b'{"launcher": "slurm"}', None])
def test_there_is_none_for_agents_that_start_elsewhere_or_for_no_tree(
    tree: Tree, orchestration: bytes | None
) -> None:
    if orchestration is not None:
        make_tree_of(tree, orchestration)
    start_zygote(tree.root, ENTRY)
    assert not zygotes()
