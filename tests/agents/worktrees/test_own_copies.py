"""A project without git: each agent has a copy of its own, and what they did is put together and put back."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from projects import git
from stage import Stage

from maos_sup.workspaces.copying import TooLarge, copy_folder
from maos_sup.workspaces.record import read_record

Make = Callable[..., Stage]
PROJECT = {"project": "../../project", "project_name": "project", "workspace": "own"}


def maos_sup(*words: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "maos_sup", *words]
    return subprocess.run(argv, capture_output=True, text=True, check=False)


def shell(line: str, **more: Any) -> dict[str, Any]:
    return {"kind": "command", "shell": line, **more}


def look(folder: Path) -> dict[str, tuple[object, ...]]:
    """Mode, time and content of all that lies in `folder`."""
    found = dict[str, tuple[object, ...]]()
    for path in sorted(folder.rglob("*")):
        at = path.lstat()
        data: object = None
        if path.is_symlink():
            data = str(path.readlink())
        elif path.is_file():
            data = path.read_bytes()
        found[str(path.relative_to(folder))] = (at.st_mode, at.st_mtime_ns, data)
    return found


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    (folder / "empty").mkdir(parents=True)
    (folder / "src").mkdir()
    (folder / "a.txt").write_text("1\n2\n3\n4\n5\n")
    (folder / "crlf.txt").write_bytes(b"x\r\ny\r\n")
    (folder / ".gitattributes").write_text("* text=auto eol=lf\n")
    (folder / "old.txt").write_text("old\n")
    (folder / "src" / "run.sh").write_text("#!/bin/sh\n")
    (folder / "src" / "run.sh").chmod(0o750)
    (folder / "link").symlink_to("a.txt")
    os.link(folder / "a.txt", folder / "twin.txt")
    os.mkfifo(folder / "pipe")
    return folder


def test_a_copy_is_whole_and_nothing_in_it_is_the_projects(project: Path, tmp_path: Path) -> None:
    os.utime(project / "src", ns=(5, 5))
    target = tmp_path / "copy"
    copied = copy_folder(project, target, limit_mib=1)
    told = look(project)
    del told["pipe"]
    assert (look(target), copied.left) == (told, ("pipe",))
    assert (target / "src").stat().st_mtime_ns == 5
    inodes = {path.stat().st_ino for path in project.rglob("*") if path.is_file()}
    assert not inodes & {path.stat().st_ino for path in target.rglob("*") if path.is_file()}
    with (project / "big").open("wb") as file:
        file.truncate(2 << 20)
    with pytest.raises(TooLarge, match="raise 'copy_limit_mib'"):
        copy_folder(project, tmp_path / "another", limit_mib=1)


def test_each_has_a_copy_and_what_they_did_is_put_back(stage: Make, project: Path) -> None:
    before = look(project)
    agents = {
        "ann": shell("sed -i s/1/one/ a.txt; echo new > src/new.txt; chmod 755 src/new.txt; pwd > $OUT/pwd"),
        "bob": shell("sed -i s/5/five/ a.txt; rm old.txt; ls -a > $OUT/seen"),
        "cat": shell("sed -i s/1/ONE/ a.txt; printf 'z\\r\\n' >> crlf.txt"),
    }
    one = stage(agents, **PROJECT)
    assert [one.run(name) for name in agents] == [0, 0, 0], one.log()
    assert one.words("pwd") == [str(one.tree.agent("ann").worktree)]
    assert ".git" not in one.words("seen")
    assert look(project) == before
    diff = maos_sup("diff", str(one.root), "--stat")
    assert "ann: 2 files, +2 -1 lines, in a copy of its own, from " in diff.stdout, diff.stderr
    assert "ann, bob and cat changed the same file, which may not merge: a.txt" in diff.stdout
    done = maos_sup("land", str(one.root), "--check", "test -e a.txt", "--into-project")
    assert done.returncode == 3, done.stderr
    assert "  bob: merged, 2 files, the check passed" in done.stdout
    assert "  cat: does not merge: a.txt (with ann, bob)" in done.stdout
    shown = next(line for line in done.stdout.splitlines() if "what cat has" in line)
    assert git(project.parent, *shown.split()[1:4]).startswith("ONE")
    assert "put into the project: 3 files" in done.stdout
    assert (project / "a.txt").read_text() == "one\n2\n3\n4\nfive\n"
    assert (project / "src" / "new.txt").stat().st_mode & 0o777 == 0o755
    assert not (project / "old.txt").exists()
    same = {name: told for name, told in look(project).items() if name in before}
    changed = {name for name in before if same.get(name) != before[name]}
    assert changed == {"a.txt", "old.txt", "src"}
    assert not [name for name in look(project) if ".maos" in name]
    assert one.problems() == []


def test_what_the_user_did_meanwhile_is_merged_and_never_lost(stage: Make, project: Path) -> None:
    one = stage(
        {"ann": shell("sed -i s/1/one/ a.txt; echo x > x.log; mkdir -p y; echo y > y/y.txt")}, **PROJECT
    )
    assert one.run("ann") == 0, one.log()
    (project / "a.txt").write_text("1\n2\n3\n4\nfive\n")
    (project / ".gitignore").write_text("*.log\n")
    (project / "x.log").write_text("mine\n")
    refused = maos_sup("land", str(one.root), "--into-project")
    assert (refused.returncode, "x.log: something that is ignored" in refused.stderr) == (2, True)
    assert (project / "a.txt").read_text() == "1\n2\n3\n4\nfive\n"
    (project / "x.log").unlink()
    done = maos_sup("land", str(one.root), "--into-project", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["put"] == ["a.txt", "x.log", "y/y.txt"]
    assert (project / "a.txt").read_text() == "one\n2\n3\n4\nfive\n"
    again = maos_sup("land", str(one.root), "--into-project")
    assert (again.returncode, "ann: nothing to land" in again.stdout) == (0, True)


@pytest.mark.parametrize("step", range(int(os.environ.get("MAOS_SUP_TORTURE_ROUNDS", "0")) or 3))
def test_a_copying_that_was_killed_is_made_anew(stage: Make, project: Path, step: int) -> None:
    one = stage(
        {"ann": shell("echo ann > ann.txt", setup=["test ! -e ann.txt; echo >> $OUT/setup"])}, **PROJECT
    )
    for operation in (12 + step, 30 + 3 * step, 60 + step):
        one.die_at("ann", operation)
    assert one.run("ann") == 0, one.log()
    whole = look(one.tree.agent("ann").worktree)
    assert {*whole} - {"ann.txt"} == {*look(project)} - {"pipe"}
    assert git(project.parent, f"--git-dir={one.tree.own_project}", "show", "maos/stage/ann:ann.txt") == "ann"
    assert one.problems() == []


@pytest.mark.parametrize("step", range(3))
def test_a_putting_back_that_was_killed_goes_on(stage: Make, project: Path, step: int) -> None:
    line = "for n in 1 2 3 4; do echo $n > src/$n.txt; done; sed -i s/2/two/ a.txt; rm old.txt"
    one = stage({"ann": shell(line)}, **PROJECT)
    assert one.run("ann") == 0, one.log()
    program = (
        "import os, signal, sys\n"
        "from state_layout.files import disk\n"
        "seen = 0\n"
        "def tap(name, arguments):\n"
        "    global seen\n"
        "    seen += name == 'rename' and str(arguments[-1]).endswith('.txt')\n"
        f"    seen >= {1 + 2 * step} and os.kill(os.getpid(), signal.SIGKILL)\n"
        "disk.tap(tap)\n"
        "from maos_sup.cli import main\n"
        "sys.exit(main())\n"
    )
    argv = [sys.executable, "-c", program, "land", str(one.root), "--into-project"]
    killed = subprocess.run(argv, check=False, capture_output=True, text=True)
    assert killed.returncode == -9, killed.stderr
    done = maos_sup("land", str(one.root), "--into-project")
    assert done.returncode == 0, done.stderr
    assert (project / "a.txt").read_text() == "1\ntwo\n3\n4\n5\n"
    assert sorted(path.name for path in (project / "src").iterdir()) == [
        *(f"{n}.txt" for n in range(1, 5)),
        "run.sh",
    ]
    assert not (project / "old.txt").exists()
    assert not list(project.glob(".maos*"))


def test_what_a_task_needs_is_in_its_copy_and_a_removed_one_is_made_again(stage: Make, project: Path) -> None:
    tasks = {
        "write": {"agent": "ann", "description": "Write"},
        "read": {"agent": "bob", "description": "Read", "needs": ["write"]},
    }
    agents = {
        "ann": shell("echo ann >> ann.txt"),
        "bob": shell("cp ann.txt bob.txt", setup=["test -e ann.txt && echo theirs >> $OUT/setup; true"]),
    }
    one = stage(agents, tasks, **PROJECT)
    assert [one.run("ann"), one.run("bob")] == [0, 0], one.log()
    assert (one.tree.agent("bob").worktree / "bob.txt").read_text() == "ann\n"
    restored = maos_sup("restore", str(one.root), "ann", "--snapshot", "1", "-o", str(project.parent / "out"))
    assert "no snapshot" in restored.stderr or restored.returncode == 0
    import shutil

    shutil.rmtree(one.tree.agent("bob").worktree)
    one.edit("tasks/read.json", run=2)
    assert one.run("bob") == 0, one.log()
    assert (one.tree.agent("bob").worktree / "ann.txt").read_text() == "ann\n"
    assert not (one.outside / "setup").exists()
    record = read_record(one.tree.agent("bob"))
    assert record is not None
    assert (record.behind, record.done) == ("", 1)
    assert one.problems() == []
