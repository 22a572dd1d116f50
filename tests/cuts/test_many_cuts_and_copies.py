"""Cuts at random instants of a team that chatters, and copies of it by every tool that people back up with.

MAOS_SUP_UNDO_ROUNDS=1 is the long form: 300 cuts, 100 copies. Tools that are not here are left out.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
from ledger import ghosts
from orchestra import Orchestra
from test_living_team import begin, independent_problems

from maos_sup.cuts.copies import mend_copy
from maos_sup.cuts.take import take_cut
from maos_sup.cuts.traces import TeamReader
from state_layout.paths import Tree
from state_layout.specs import read_specs

IS_LONG = bool(os.environ.get("MAOS_SUP_UNDO_ROUNDS"))
CUTS, COPIES = (300, 100) if IS_LONG else (12, 5)
FOREVER = 1_000_000  # steps


def run(*words: str | Path, cwd: Path | None = None, **environment: str) -> None:
    """Run a tool; what vanishes while it reads makes some end with another code than 0."""
    subprocess.run(
        [*map(str, words)],
        cwd=cwd,
        env=os.environ | environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=False,
    )


def by_cp(tree: Path, to: Path) -> Path:
    run("cp", "-a", tree, to / "tree")
    return to / "tree"


def by_rsync(tree: Path, to: Path) -> Path:
    run("rsync", "-a", f"{tree}/", to / "tree")
    return to / "tree"


def by_tar(tree: Path, to: Path) -> Path:
    run("tar", "-cf", to / "a.tar", "-C", tree.parent, tree.name)
    run("tar", "-xf", to / "a.tar", "-C", to)
    return to / tree.name


def by_restic(tree: Path, to: Path) -> Path:
    secret = {"RESTIC_PASSWORD": "x", "RESTIC_REPOSITORY": str(to / "repository")}
    run("restic", "--no-cache", "init", **secret)
    run("restic", "--no-cache", "backup", ".", cwd=tree, **secret)
    run("restic", "--no-cache", "restore", "latest", "--target", to / "tree", **secret)
    found = next((to / "tree").rglob("FORMAT"), to / "tree" / "FORMAT")
    return found.parent


def by_borg(tree: Path, to: Path) -> Path:
    home = {"BORG_BASE_DIR": str(to / "home"), "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "yes"}
    run("borg", "init", "-e", "none", to / "repository", **home)
    run("borg", "create", f"{to / 'repository'}::a", ".", cwd=tree, **home)
    (to / "tree").mkdir()
    run("borg", "extract", f"{to / 'repository'}::a", cwd=to / "tree", **home)
    return to / "tree"


TOOLS: dict[str, Callable[[Path, Path], Path]] = {
    "cp": by_cp,
    "rsync": by_rsync,
    "tar": by_tar,
    "restic": by_restic,
    "borg": by_borg,
}


@pytest.mark.timeout(3600 if IS_LONG else 300)
def test_every_cut_and_every_copy_holds_no_ghost(orchestra: Orchestra) -> None:
    begin(orchestra, count=FOREVER)
    random, reader = Random(11), TeamReader(Tree(orchestra.root))
    for _ in range(CUTS):
        time.sleep(random.uniform(0, 0.1))  # the instant is what is tried out
        cut = take_cut(Tree(orchestra.root), by="operator", why="a test", reader=reader)
        assert independent_problems(orchestra.root, cut.to_json()) == []
    tools = [name for name in TOOLS if shutil.which(name)]
    mended = 0
    for number in range(COPIES):
        folder = orchestra.folder / f"copy-{number}"
        folder.mkdir(mode=0o700)
        time.sleep(random.uniform(0, 0.1))
        copy = TOOLS[tools[number % len(tools)]](orchestra.root, folder)
        assert (copy / "FORMAT").exists(), f"{tools[number % len(tools)]} copied nothing"
        was_wrong = ghosts(copy)
        notes = mend_copy(Tree(copy), read_specs(Tree(copy)).specs)
        assert ghosts(copy) == [], f"copy {number} by {tools[number % len(tools)]}"
        assert bool(notes) or not was_wrong
        mended += bool(was_wrong)
        shutil.rmtree(folder)
    assert not [*orchestra.root.glob("mail/*/*.void-*")], "the original is left alone"

    orchestra.cli("stop", str(orchestra.root), expect=0)
