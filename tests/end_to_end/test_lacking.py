"""A copy that came without file modes, or to a machine without a program, is named before its agents fail."""

from __future__ import annotations

import json
import os
import shutil

import pytest
from orchestra import Orchestra

GATED = '#!/bin/sh\nwhile [ ! -e "$OUT/go" ]; do sleep 0.05; done; echo end\n'


@pytest.fixture
def copy(orchestra: Orchestra) -> Orchestra:
    """A copy of a stopped tree, all of whose files have the mode 0644, as an object store gives them back."""
    orchestra.file("bin/work", GATED)
    (orchestra.folder / "bin" / "work").chmod(0o755)
    agents = {
        "ann": {"kind": "command", "command": ["bin/work"]},
        "bob": {"kind": "command", "command": ["sh", "bin/plain"]},
    }
    orchestra.file("bin/plain", GATED)
    orchestra.start(agents)
    orchestra.wait_alive()
    orchestra.do("stop")
    orchestra.wait_rest("stopped")
    there = orchestra.folder / "copy"
    shutil.copytree(orchestra.root, there, copy_function=shutil.copyfile)
    return Orchestra(orchestra.folder, root=there, id=orchestra.id)


def test_lost_modes_are_named_by_check_and_resume(copy: Orchestra) -> None:
    program = copy.tree.files / "bin" / "work"
    assert not os.access(program, os.X_OK)
    told = copy.cli("check", str(copy.root), expect=2).stdout
    (line,) = [line for line in told.splitlines() if "spec/files/bin/work: is the program of" in line]
    assert "agent 'ann' and may not be executed" in line
    assert line.endswith(f"chmod +x {program}")
    assert "bin/plain" not in told, "an interpreter reads it"
    resumed = copy.cli("resume", str(copy.root), "--detach", expect=0).stdout
    assert "lacks: ann: spec/files/bin/work is the program of agent 'ann'" in resumed
    assert f"chmod +x {program}" in resumed
    copy.wait(lambda: copy.task("ann")["phase"] == "failed", "it fails at once")
    assert copy.agent("ann")["attempt"] == 2, "it is not tried again and again"
    program.chmod(0o755)
    copy.say("go")
    copy.wait(lambda: copy.task("bob")["phase"] == "done", "bob is done")
    copy.do("retry", "--task", "ann")
    copy.resume()
    copy.wait_rest("done")
    copy.cli("check", str(copy.root), expect=0)


def test_files_of_the_plan_that_are_gone_are_named_by_check_and_resume(copy: Orchestra) -> None:
    for name in ("work", "plain"):
        (copy.tree.files / "bin" / name).chmod(0o700)
    copy.cli("check", str(copy.root), expect=0)
    for name in ("work", "plain"):
        (copy.tree.files / "bin" / name).unlink()
    spec = copy.tree.agent_spec("bob")
    spec.write_text(json.dumps(json.loads(spec.read_text()) | {"command": ["sh", "bin/plain.sh", "x.py"]}))
    told = copy.cli("check", str(copy.root), expect=2).stdout
    for agent, name in (("ann", "work"), ("bob", "plain.sh")):
        assert f"problem: spec/files/bin/{name}: is run by agent {agent!r} and is not there" in told
    lacks = json.loads(copy.cli("resume", str(copy.root), "--detach", "--json", expect=0).stdout)["lacks"]
    assert [text.partition(" is run by")[0] for text in lacks] == [
        "ann: spec/files/bin/work",
        "bob: spec/files/bin/plain.sh",
    ]


def test_module_that_is_gone_is_named_by_check(orchestra: Orchestra) -> None:
    orchestra.file("jobs.py", "def go(ctx):\n    return 1\n")
    orchestra.start({"ann": {"kind": "python", "callable": "jobs:go"}})
    orchestra.wait_rest("done")
    orchestra.cli("check", str(orchestra.root), expect=0)
    for folder in (orchestra.tree.files, orchestra.folder):  # `python -m` looks in the current one too
        (folder / "jobs.py").unlink()
    told = orchestra.cli("check", str(orchestra.root), expect=2).stdout
    assert "problem: spec/files/jobs.py: is run by agent 'ann' and is not there" in told


def test_script_in_a_workspace_is_not_missed(orchestra: Orchestra) -> None:
    ann = {"kind": "command", "command": ["sh", "made.sh"], "cwd": "workspace"}
    orchestra.start({"ann": ann, "bob": "echo hi"})
    orchestra.wait(lambda: orchestra.task("bob")["phase"] == "done", "bob is done")
    orchestra.do("stop")
    assert "made.sh" not in orchestra.cli("check", str(orchestra.root), expect=0).stdout


def test_a_program_that_is_not_on_this_machine_is_named_by_resume(copy: Orchestra) -> None:
    spec = copy.tree.agent_spec("bob")
    spec.write_text(json.dumps(json.loads(spec.read_text()) | {"command": ["no-such-program"]}))
    told = json.loads(copy.cli("resume", str(copy.root), "--detach", "--json", expect=0).stdout)
    assert [text for text in told["lacks"] if text.startswith("bob: ")] == [
        "bob: 'no-such-program' is no program in PATH; install it, or give its path"
    ]


def test_a_program_that_another_task_will_make_is_not_missed(orchestra: Orchestra) -> None:
    made = orchestra.outside / "tool"
    script = f'printf "#!/bin/sh\\necho made\\n" > {made}; chmod +x {made}'
    maker = f'while [ ! -e "$OUT/go" ]; do sleep 0.05; done; {script}'
    agents = {"ann": {"kind": "command", "shell": maker}, "bob": {"kind": "command", "command": [str(made)]}}
    orchestra.start(
        agents, [{"id": "make", "agent": "ann"}, {"id": "use", "agent": "bob", "needs": ["make"]}]
    )
    orchestra.wait_alive("ann")
    orchestra.do("stop")
    orchestra.wait_rest("stopped")
    told = orchestra.cli("resume", str(orchestra.root), "--detach", "--json", expect=0).stdout
    assert json.loads(told)["lacks"] == []
    orchestra.say("go")
    orchestra.wait_rest("done")
