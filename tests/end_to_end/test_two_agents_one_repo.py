"""The shipped example: agents on one repository; what they did is landed, a conflict resolved."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from orchestra import Orchestra


@pytest.mark.timeout(240)
@pytest.mark.skipif(shutil.which("git") is None, reason="no git here")
def test_what_they_did_is_landed_and_the_conflict_resolved(orchestra: Orchestra, tmp_path: Path) -> None:
    told = orchestra.example("two_agents_one_repo", tmp_path)
    assert "polite and translator changed the same file, which may not merge: hello.py" in told
    assert "translator: does not merge: hello.py (with polite)" in told
    assert "resolver: merged, 3 files, the check passed" in told
    assert "## main\n?? notes.txt\n" in told, "the checkout of the user, before he merges"
    names = {path.name for path in (tmp_path / "demo").iterdir() if not path.name.startswith("__")}
    assert names == {".git", "hello.py", "test_hello.py", "HELLO.md", "notes.txt"}
    assert "Good day" in (tmp_path / "demo" / "hello.py").read_text()
    assert orchestra.attempts() == {"polite": 1, "translator": 1, "writer": 1, "resolver": 2}
    orchestra.assert_nothing_left()
    orchestra.assert_sound()


PLAN = """
request = "r"
project = "p"
workspace = "worktree"
land = { when = "done", check = "test ! -e bad" }
agents.ann = { kind = "command", shell = "sed -i s/2/two/ a.txt", task = "t" }
agents.bob = { kind = "command", shell = "sed -i s/2/TWO/ a.txt", task = "t" }
agents.cat = { kind = "command", shell = "touch bad", task = "t" }
agents.resolver = { kind = "command", shell = "sed -i '/^[<=>]/d' a.txt", task = "t" }
"""


def test_a_plan_lands_when_all_is_done(orchestra: Orchestra, tmp_path: Path) -> None:
    project = tmp_path / "p"
    project.mkdir()
    (project / "a.txt").write_text("1\n2\n3\n")
    who = ["-c", "user.name=x", "-c", "user.email=x@y.z", "-C", str(project)]
    for words in (["init", "-q", "-b", "main"], ["add", "."], ["commit", "-qm", "1"]):
        subprocess.run(["git", *who, *words], check=True)
    (tmp_path / "plan.toml").write_text(PLAN)
    done = orchestra.cli("run", str(tmp_path / "plan.toml"), "--dir", str(orchestra.root), expect=3)
    told = done.stdout
    assert told.count("landing on main") == 2, told
    assert "cat: not kept: the check ended with exit code 1" in told
    argv = ["git", *who, "show", "maos/" + orchestra.status()["id"] + "/LANDED:a.txt"]
    shown = subprocess.run(argv, check=True, capture_output=True, text=True).stdout
    assert sorted(shown.split()) == ["1", "3", "TWO", "two"]
    orchestra.assert_nothing_left()
    orchestra.assert_sound()
