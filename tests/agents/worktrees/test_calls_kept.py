"""What a call leaves in a workspace is kept: of command lines while they go on, of callables step by step."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from projects import make_project
from stage import Stage

from maos_sup.workspaces import snapshots
from maos_sup.workspaces.snapshots import Snapshot
from maos_sup.workspaces.store import Store

Make = Callable[..., Stage]
PROJECT = {"project": "../../project", "project_name": "project", "workspace": "worktree"}
PARSER = [
    {"when": {"type": "hello"}, "is": "session", "session": "session"},
    {"when": {"type": "run"}, "is": "tool_call", "id": "id", "name": "tool", "input": "with_"},
    {"when": {"type": "ran"}, "is": "tool_result", "id": "id", "content": "output"},
    {"when": {"type": "bye"}, "is": "result", "text": "text"},
]
PROGRAM = """
import json, os, sys, time
from pathlib import Path
def tell(**line):
    print(json.dumps(line), flush=True)
tell(type="hello", session="s")
kept = Path(os.environ["MAOS_DIR"], "agents", os.environ["MAOS_AGENT"], "snapshots")
for number, tool in enumerate(["shell", "read", "shell"], start=1):
    tell(type="run", id=f"c{number}", tool=tool, with_={})
    Path("a").write_text(str(number))
    tell(type="ran", id=f"c{number}", output="")
    end_s = time.monotonic() + 60
    while tool == "shell" and len([*kept.glob("*.json")]) < 1 + (number + 1) // 2:
        if time.monotonic() > end_s:
            sys.exit("no snapshot came")
        time.sleep(0.02)
tell(type="bye", text="done")
"""


def taken(one: Stage) -> list[tuple[Snapshot, bytes]]:
    """The snapshots after calls, and the content of the file `a` in each."""
    store = Store(one.tree)
    found = [each for each in snapshots.every(one.tree.agent("ann")) if each.call is not None]
    return [(each, store.get(snapshots.manifest_of(store, each).entries["a"].object)) for each in found]


def test_a_command_line_is_kept_while_it_goes_on(stage: Make, tmp_path: Path) -> None:
    make_project(tmp_path / "project")
    (tmp_path / "program.py").write_text(PROGRAM)
    argv = [sys.executable, str(tmp_path / "program.py")]
    spec = {"kind": "cli", "start_argv": argv, "resume_argv": argv, "parser": PARSER, "success": "both"}
    one = stage({"ann": {**spec, "sandbox": "none", "price": {"input": 1.0, "output": 1.0}}}, **PROJECT)
    assert one.run("ann") == 0, one.log() + one.stderr("ann")
    kept = taken(one)
    assert [(each.call, each.settling) for each, _ in kept] == [("1/1/c1", True), ("1/1/c3", True)]
    assert [content for _, content in kept] == [b"1", b"3"]


def test_a_callable_is_kept_step_by_step(stage: Make, tmp_path: Path) -> None:
    make_project(tmp_path / "project")
    source = """
    from pathlib import Path
    def main(ctx):
        for number in range(3):
            ctx.step("write", Path(ctx.project, "a").write_text, str(number))
    """
    agents = {"ann": {"kind": "python", "callable": "work:main"}}
    one = stage(agents, files={"work.py": source}, **PROJECT)
    assert one.run("ann") == 0, one.log() + one.stderr("ann")
    kept = taken(one)
    assert [(each.call, each.why, each.settling) for each, _ in kept] == [
        (name, f"after step {name}", False) for name in ("write", "write#2", "write#3")
    ]
    assert [content for _, content in kept] == [b"0", b"1", b"2"]
