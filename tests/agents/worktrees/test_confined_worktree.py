"""A confined agent writes in its own worktree, and of the repository what its own branch needs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from processes import can_bubblewrap
from projects import git, make_project, picture
from stage import Stage

from maos_sup.agents.sandbox import landlock
from maos_sup.agents.sandbox.confine import can_part

SANDBOXES = [
    pytest.param("landlock", marks=pytest.mark.skipif(not landlock.abi(), reason="no Landlock here")),
    pytest.param("bubblewrap", marks=pytest.mark.skipif(not can_bubblewrap(), reason="no bwrap works here")),
]
GOOD = """
echo mine > mine.txt
git add mine.txt && git -c user.name=a -c user.email=a@b.c commit -qm mine
git log --oneline -3
echo more > more.txt
git diff HEAD --stat
git worktree list
"""
BAD = {
    "a file of the project": "echo x > {project}/a.txt",
    "a new file of the project": "echo x > {project}/new.txt",
    "the index of the user": "git -C {project} add .gitignore || echo x > {project}/.git/index",
    "a branch of the user": "git branch -f main HEAD || git update-ref refs/heads/other HEAD",
    "the stash": "git stash push -u || echo x > {project}/.git/refs/stash",
    "HEAD of the user": "echo ref: refs/heads/x > {project}/.git/HEAD",
    "the configuration": "git config user.name evil || echo x >> {project}/.git/config",
    "a hook": "echo x > {project}/.git/hooks/post-checkout",
    "a new branch": "git checkout -q -b of-mine",
    "packed refs": "git pack-refs --all || echo x > {project}/.git/packed-refs",
}
NEIGHBOUR = {
    "the worktree of another": "echo x > {bob}/x.txt",
    "the branch of another": "git update-ref refs/heads/maos/stage/bob HEAD",
    "where its worktree lies": "echo x > {project}/.git/worktrees/maos.stage.ann/gitdir",
}


@pytest.mark.parametrize("sandbox", SANDBOXES)
def test_a_confined_agent_writes_in_its_own_worktree_only(
    stage: Callable[..., Stage], tmp_path: Path, sandbox: str
) -> None:
    project = make_project(tmp_path / "project")
    one = stage(
        {
            "bob": {"kind": "command", "shell": "echo bob > bob.txt"},
            "ann": {"kind": "cli", "sandbox": sandbox},
        },
        project="../../project",
        workspace="worktree",
    )
    assert one.run("bob") == 0, one.log()
    attempts = {**BAD, **(NEIGHBOUR if sandbox == "bubblewrap" or can_part() else {})}
    places = {"project": project, "bob": one.tree.agent("bob").worktree}
    lines = [f"( {line.format(**places)} ) && echo GOT THROUGH: {what}" for what, line in attempts.items()]
    script = ["set -x", "cd .", *lines, "set -e", GOOD, """echo '{"type":"result","result":"ok"}'"""]
    one.edit("agents/ann.json", start_argv=["/bin/bash", "-c", "\n".join(script)])
    before, heads = picture(project), git(project, "rev-parse", "main", "maos/stage/bob")
    assert one.run("ann") == 0, one.log() + one.stderr("ann")
    got = [line for line in one.stdout("ann").splitlines() if line.startswith("GOT THROUGH")]
    assert got == [], one.stderr("ann")
    assert picture(project) == before
    assert git(project, "rev-parse", "main", "maos/stage/bob") == heads
    assert git(project, "diff", "--name-only", "main..maos/stage/ann").split() == ["mine.txt", "more.txt"]
    assert not git(project, "fsck", "--no-dangling")
    assert one.problems() == []
