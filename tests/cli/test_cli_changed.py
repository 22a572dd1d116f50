"""`diff DIR AGENT`: what agents changed in worktrees; `diff A B` goes on to compare moments."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from cli_trees import Answer, new_tree

from maos_sup.workspaces.record import MADE, Record, read_record, write_record
from maos_sup.workspaces.repository import repository_around
from maos_sup.workspaces.worktree import Wish, begin, make
from state_layout.paths import Tree

Call = Callable[..., Answer]
pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="no git here")


def git(folder: Path, *words: str) -> str:
    who = ["-c", "user.name=x", "-c", "user.email=x@y.z"]
    return subprocess.run(
        ["git", *who, "-C", str(folder), *words], check=True, capture_output=True, text=True
    ).stdout.strip()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    (folder / "a.txt").write_text("1\n2\n3\n")
    (folder / "old.txt").write_text("\n".join(map(str, range(30))))
    (folder / "gone.txt").write_text("gone\n")
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "1")
    return folder


@pytest.fixture
def team(home: Path, project: Path) -> Tree:
    tree = new_tree(home, "20261121-0142-team", project="../../project")
    for name in ("alice", "bob"):
        repository = repository_around(project)
        paths = tree.agent(name)
        wish = Wish(id="team", agent=name, base="HEAD", needs={})
        record = begin(paths, repository, wish)
        assert make(paths, repository, record, wish).state == MADE
    return tree


def work(tree: Tree) -> None:
    alice, bob = tree.agent("alice").worktree, tree.agent("bob").worktree
    (alice / "a.txt").write_text("1\ntwo\n3\n4\n")
    (alice / "old.txt").rename(alice / "new.txt")
    (alice / "gone.txt").unlink()
    (alice / "picture").write_bytes(b"\0\1\2")
    git(alice, "add", ".")
    git(alice, "commit", "-qm", "half")
    (alice / "late.txt").write_text("late\n")
    (bob / "a.txt").write_text("one\n2\n3\n")


STAT = """\
alice: 5 files, +3 -2 lines, on maos/team/alice, from {base}
  M a.txt  +2 -1
  D gone.txt  +0 -1
  A late.txt  +1 -0
  R old.txt -> new.txt  +0 -0
  A picture  binary
bob: 1 file, +1 -1 lines, on maos/team/bob, from {base}
  M a.txt  +1 -1
alice and bob changed the same file, which may not merge: a.txt
"""


def test_files_and_lines_of_each_agent_and_who_touched_the_same(
    call: Call, team: Tree, project: Path
) -> None:
    work(team)
    base = git(project, "rev-parse", "HEAD")[:10]
    before = git(project, "count-objects", "-v"), (team.agent("bob").worktree / ".git").read_bytes()
    for words in (("20261121-0142-team",), (), ("--stat",), ("20261121-0142-team", "alice", "bob")):
        assert call("diff", *words).out == STAT.format(base=base), words
    assert "  M a.txt  +1 -1" in call("diff", "bob").out
    assert "picture" not in call("diff", "20261121", "bob").out
    assert before == (git(project, "count-objects", "-v"), (team.agent("bob").worktree / ".git").read_bytes())
    told = json.loads(call("diff", "--json").out)
    assert told["overlaps"] == {"a.txt": ["alice", "bob"]}
    assert told["agents"][0]["files"][3] == {
        **{"path": "new.txt", "sort": "moved", "added": 0, "removed": 0, "source": "old.txt"}
    }


def test_a_patch_is_one_that_git_takes(call: Call, team: Tree, project: Path, tmp_path: Path) -> None:
    work(team)
    patch = json.loads(call("diff", "20261121", "alice", "--patch", "--json").out)["agents"][0]["patch"]
    (tmp_path / "p").write_text(patch)
    git(project, "apply", str(tmp_path / "p"))
    assert (project / "a.txt").read_text() == "1\ntwo\n3\n4\n"
    assert (project / "picture").read_bytes() == b"\0\1\2"


def test_a_project_that_all_share_is_shown_by_git(call: Call, home: Path, project: Path) -> None:
    new_tree(home, "20261121-0142-team", project="../../project")
    answer = call("diff", "--stat")
    assert (answer.code, "no agent has a workspace of its own" in answer.err) == (2, True)
    assert "alice' has no workspace" in call("diff", "20261121", "alice", "--stat").err


def test_a_team_without_workspaces_is_told_so_whether_there_is_git_or_not(
    call: Call, home: Path, project: Path, tmp_path: Path
) -> None:
    (tmp_path / "plain").mkdir()
    for name, place in (("20261121-0142-team", "project"), ("20261121-0150-plain", "plain")):
        new_tree(home, name, project=f"../../{place}")
        for command in ("diff", "land"):
            answer = call(command, name)
            assert (answer.code, "no agent has a workspace of its own" in answer.err) == (2, True), answer


def test_a_record_comes_back_as_it_was_written(home: Path) -> None:
    paths = new_tree(home, "team").agent("alice")
    paths.root.mkdir(parents=True, exist_ok=True)
    record = Record(mode="worktree", branch="maos/x/y", taken={"bob": "1"}, notes=["n"], done=2)
    write_record(paths, record)
    assert read_record(paths) == record
