"""Kinds and launchers of other packages: one that is broken is in nobody's way, one that is gone is named."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from orchestra import Orchestra

KINDS = """
from maos_sup.agents.endings import WorkOutcome
from state_layout.shapes.shape import Field, Shape, Text


class Mine:
    settings = Shape(fields={"word": Field(Text(), "a word")})

    def run(self, work):
        return WorkOutcome(result=work.spec.settings.get("word"))


class Bare:
    run = Mine.run


class Listed(Mine):
    settings = {"word": "a word"}


class Unruly(Mine):
    settings = Shape(fields={"word": Text()})


class Loose(Mine):
    settings = Shape(fields={"word": Field("text", "a word")})


class Idle:
    settings = Mine.settings
"""
LAUNCHERS = """
numbers = 7


def short(tree):
    raise AssertionError("is not called like this")


def partly(tree, *, entry, placed_entry):
    return object()
"""
BROKEN = [
    ("bare", "Bare", "has no 'settings'"),
    ("listed", "Listed", "has 'settings' of type dict"),
    ("unruly", "Unruly", "has 'settings' whose key 'word' is a Text, and no Field"),
    ("loose", "Loose", "has 'settings' that cannot be used (AttributeError: "),
    ("idle", "Idle", "has no 'run'"),
]


def installed(folder: Path) -> None:
    """A package of other people, as an installer leaves it in `folder`."""
    info = folder / "their_package-1.dist-info"
    info.mkdir(parents=True)
    (folder / "their_kinds.py").write_text(KINDS)
    (folder / "their_launchers.py").write_text(LAUNCHERS)
    kinds = [f"{name} = their_kinds:{of}" for name, of, _ in (("mine", "Mine", ""), *BROKEN)]
    launchers = [f"{name} = their_launchers:{name}" for name in ("numbers", "short", "partly")]
    lines = ["[maos_sup.kinds]", *kinds, "[maos_sup.launchers]", *launchers, ""]
    (info / "entry_points.txt").write_text("\n".join(lines))
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: their-package\nVersion: 1\n")


@pytest.fixture
def site(orchestra: Orchestra, tmp_path: Path) -> Path:
    """Install that package, for all that `orchestra` calls, and give the folder."""
    folder = tmp_path / "site"
    installed(folder)
    orchestra.environment["PYTHONPATH"] += f":{folder}"
    return folder


@pytest.mark.usefixtures("site")
def test_broken_kinds_are_in_nobodys_way(orchestra: Orchestra) -> None:
    plan = str(orchestra.plan({"ann": "echo hi", "bob": {"kind": "mine", "word": "w"}}))
    told = orchestra.cli("plan", plan, expect=0)
    for name, of, lack in BROKEN:
        assert f"left out: kind '{name}', their_kinds:{of} of package 'their-package', {lack}" in told.stderr
    orchestra.cli("run", plan, "--dir", str(orchestra.root), "--no-start", expect=0)
    orchestra.cli("check", str(orchestra.root), expect=0)
    orchestra.cli("add", "agent", str(orchestra.root), "carol", "--shell", "true", expect=0)
    refused = orchestra.cli("add", "agent", str(orchestra.root), "dora", "--kind", "bare", expect=2)
    assert "kind 'bare', their_kinds:Bare of package 'their-package', has no 'settings'" in refused.stderr


@pytest.mark.usefixtures("site")
@pytest.mark.parametrize(("name", "of", "lack"), BROKEN)
def test_plan_that_uses_a_broken_kind_is_told_what_it_lacks(
    orchestra: Orchestra, name: str, of: str, lack: str
) -> None:
    plan = str(orchestra.plan({"ann": {"kind": name}}))
    told = orchestra.cli("run", plan, "--dir", str(orchestra.root), "--no-start", expect=2)
    (line,) = told.stderr.splitlines()
    where = f"'agents.ann.kind': kind '{name}', their_kinds:{of} of package 'their-package', {lack}"
    assert line.startswith(f"maos-sup: {plan}:") and where in line
    assert line.endswith("; install a version that has it, then retry")
    assert not orchestra.root.exists()


def test_kind_that_was_uninstalled_fails_once_and_goes_on_when_it_is_back(
    orchestra: Orchestra, site: Path
) -> None:
    orchestra.run({"ann": {"kind": "mine", "word": "w"}})
    orchestra.wait_rest("done")
    shutil.rmtree(site)
    orchestra.do("retry", "--task", "ann")
    orchestra.resume()
    orchestra.wait_rest("failed")
    failed = orchestra.task("ann")
    assert (failed["phase"], failed["attempts"]) == ("failed", 1), failed
    assert failed["error"].startswith("kind 'mine' is not known here; use one of ")
    assert failed["error"].endswith(", or install its package, then retry")
    installed(site)
    orchestra.do("retry", "--task", "ann")
    orchestra.resume()
    orchestra.wait_rest("done")
    assert orchestra.task("ann")["run"] == 3


@pytest.mark.usefixtures("site")
def test_launcher_that_is_none_is_refused_before_a_tree_is_made(orchestra: Orchestra) -> None:
    plan = str(orchestra.plan({"ann": "true"}, launcher="numbers"))
    told = orchestra.cli("run", plan, "--dir", str(orchestra.root), "--no-start", expect=2)
    assert (
        "launcher 'numbers', their_launchers:numbers of package 'their-package', is no function"
        in told.stderr
    )
    assert not orchestra.root.exists()


@pytest.mark.usefixtures("site")
@pytest.mark.parametrize(
    ("name", "lack"), [("short", "cannot be made (TypeError: "), ("partly", "has no fileno and no submit")]
)
def test_launcher_that_cannot_be_made_ends_no_supervisor(orchestra: Orchestra, name: str, lack: str) -> None:
    orchestra.start({"ann": {"kind": "command", "shell": "true", "launcher": name}, "bob": "echo hi"})
    orchestra.wait(lambda: orchestra.task("bob")["phase"] == "done", "the other one works")
    text = f"launcher '{name}', their_launchers:{name} of package 'their-package', {lack}"
    orchestra.wait(lambda: text in str(orchestra.status()), "it is said why")
