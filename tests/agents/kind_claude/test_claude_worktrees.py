"""Eight agents on one repository, of Claude Code and of kind `anthropic`: killed twice, and seven land."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import anthropic  # noqa: F401 - imported before lives are forked, as the zygote does
import genai_prices  # noqa: F401
import pytest
from coding import DEADLINE_S, Coding
from projects import git, make_busy, make_project, picture
from stage import kill_marked, wait_for

from maos_sup.agents.sandbox import landlock
from maos_sup.loopback.reply import ScriptedReply, call, say
from maos_sup.loopback.request import LoopbackRequest

pytestmark = [
    pytest.mark.timeout(400),
    pytest.mark.skipif(not landlock.abi(), reason="no Landlock here"),
]
NAMES = [f"a{number}" for number in range(8)]
OF_CLAUDE = NAMES if os.environ.get("MAOS_SUP_TORTURE_ROUNDS") else NAMES[::4]  # each starts for a second
PROJECT = {"project": "../../project", "project_name": "project", "workspace": "worktree", "base": "main"}
WHO, DONE = re.compile(r"Do (a\d)\b"), "ALL-DONE"


def model(request: LoopbackRequest) -> ScriptedReply:
    """One model for all: each writes a file of its own, two of them the same one too; until it has seen that.

    What it does may be done again: whoever was killed is told that nobody knows what became of a call.
    """
    is_claude = "Bash" in request.tool_names
    found = WHO.search(request.all_text)
    if found is None and "do not merge" not in request.all_text:
        return say("ok")
    if DONE in request.last_user:
        return say("done") if is_claude else call("finish", {"result": "done"})
    if found is None:
        line = "printf '1\\nboth\\n3\\n' > a.txt"
    else:
        name = found[1]
        line = f"echo {name} > {name}.txt; sleep 0.3; printf '{name}\\nmore\\n' > {name}.txt"
        line += {"a0": "; printf '1\\ntwo\\n3\\n' > a.txt", "a7": "; printf '1\\nTWO\\n3\\n' > a.txt"}.get(
            name, ""
        )
    line += "; echo ALL-DO''NE"
    if is_claude:
        return call("Bash", {"command": line, "description": "a step"}, text="I write.")
    return call("bash", {"command": line}, text="I write.")


def maos_sup(*words: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "maos_sup", *words]
    return subprocess.run(argv, capture_output=True, text=True, check=False)


def test_eight_of_two_kinds_are_killed_twice_and_seven_land(
    code: Callable[..., Coding], tmp_path: Path
) -> None:
    project, spy = make_project(tmp_path / "project", a_txt="1\n2\n3\n"), tmp_path / "spy"
    make_busy(project, spy)
    before = picture(project)
    with_api = {"kind": "anthropic", "model": "test-model", "sandbox": None}
    agents = {
        name: {"sandbox": "landlock"} if name in OF_CLAUDE else with_api for name in [*NAMES, "resolver"]
    }
    tasks = {name: {"agent": name, "description": f"Do {name}"} for name in NAMES}
    one = code(model, agents, tasks=tasks, **PROJECT)
    stage = one.stage
    for pause_s in (1.2, 2.5):
        lives = [stage.live(name) for name in NAMES]
        time.sleep(pause_s)
        for life in lives:
            life.kill()
        wait_for(lambda: not kill_marked([stage.root]), "nothing of it lives")
    lives = [stage.live(name) for name in NAMES]
    assert [life.wait(deadline_s=DEADLINE_S) for life in lives] == [0] * 8, stage.log()
    for name in NAMES:
        told = git(project, "diff", "--name-only", f"main...maos/stage/{name}").split()
        assert told == sorted({f"{name}.txt", *(["a.txt"] if name in ("a0", "a7") else [])}), name
        assert git(project, "show", f"maos/stage/{name}:{name}.txt") == f"{name}\nmore"
    assert picture(project) == before
    done = maos_sup("land", str(stage.root), "--onto", "main")
    assert done.stdout.count(": merged, ") == 7, done.stdout + done.stderr
    assert "a7: given to the resolver as task resolve-a7-" in done.stdout
    assert stage.run("resolver", deadline_s=DEADLINE_S) == 0, stage.log()
    done = maos_sup("land", str(stage.root), "--onto", "main")
    assert done.returncode == 0, done.stdout + done.stderr
    assert git(project, "show", "maos/stage/LANDED:a.txt") == "1\nboth\n3"
    assert len(git(project, "diff", "--name-only", "main...maos/stage/LANDED").split()) == 9
    assert picture(project) == before
    assert not spy.exists(), spy.read_text()
    assert not git(project, "fsck", "--no-dangling")
    assert stage.problems() == []
