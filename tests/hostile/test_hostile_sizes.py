"""Large and tangled: a 100 MB line, thousands of tasks in circles, rights that do not depend on the umask."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ordeal import FUZZ_SECONDS, Ordeal, call

from maos_sup.agents.registry import kind_shapes
from maos_sup.core.tasks import task_phases
from maos_sup.planner.plan import load_plan
from maos_sup.views.status import status_of
from state_layout.check import check
from state_layout.errors import BadInput
from state_layout.files.journal import Reader
from state_layout.specs import read_specs
from state_layout.tree.making import create_tree

MANY = 5_000 if FUZZ_SECONDS else 2_000
AGENT = {"a": {"kind": "command", "command": ["true"]}}
KNOTS: dict[str, Any] = {
    "a chain": lambda n: [n - 1] if n else [],
    "one circle": lambda n: [(n + 1) % MANY],
    "many circles": lambda n: [n ^ 1],
    "a chain on nothing": lambda n: [n - 1] if n else [MANY],
    "unknown needs": lambda n: [n + MANY],
    "a thicket": lambda n: [*range(max(0, n - 20), n)],
    "a tangle": lambda n: sorted({(n * factor) % MANY for factor in (3, 5, 7, 11)}),
}


@pytest.mark.parametrize("knot", KNOTS)
@pytest.mark.timeout(60)  # it took minutes; takes a second or two
def test_thousands_of_tasks_are_judged_whatever_they_need(tmp_path: Path, knot: str) -> None:
    tasks = {f"t{n}": {"agent": "a", "needs": [f"t{need}" for need in KNOTS[knot](n)]} for n in range(MANY)}
    plan = tmp_path / "plan.json"
    listed = [{"id": name, **task} for name, task in tasks.items()]
    plan.write_text(json.dumps({"request": "x", "agents": AGENT, "tasks": listed}))
    if knot in ("a chain", "a thicket"):
        load_plan(plan, kinds=kind_shapes())
    else:
        with pytest.raises(BadInput, match="needs"):
            load_plan(plan, kinds=kind_shapes())
        assert call("plan", str(plan)).err.count("\n") <= 60, "a person reads a page, not a book"
    tree = create_tree(tmp_path / "tree", orchestration={"id": "x", "request": "x"}, agents=AGENT, tasks={})
    for name, task in tasks.items():  # unsynced: it is not the disk that is tried here
        tree.task_spec(name).write_text(json.dumps(task))
        tree.task_spec(name).chmod(0o600)
    read = read_specs(tree)
    assert sum(len(error.text) for error in read.errors) < 2_000 * MANY
    assert set(task_phases(read.specs, {})) == set(read.specs.tasks)
    assert status_of(tree)["counts"]["tasks"] == len(read.specs.tasks)
    assert len(check(tree)) == len(read.errors)


def test_a_line_of_100_megabytes_is_damage_like_any_other(trial: Ordeal) -> None:
    path = trial.tree.mail_file("bob", "alice")
    before = len(Reader(path).read())
    with path.open("ab") as file:
        for _ in range(100):
            file.write(b"x" * (1 << 20))
    assert len(Reader(path).read()) == before
    assert trial.broken_by(("check", "TREE")) is None
    assert trial.broken_by(("messages", "TREE")) is None


@pytest.mark.parametrize("umask", ["000", "022", "077", "177", "277", "777"])
def test_folders_are_0700_and_files_0600_whatever_the_umask(tmp_path: Path, umask: str) -> None:
    code = """
import os, sys
from pathlib import Path
os.umask(int(sys.argv[2], 8))
sys.path[:0] = sys.argv[3:]
from check_trees import AGENTS, ORCHESTRATION, TASKS, Author, clock, supervise, spend
from state_layout.mail.operator_mail import append_operator_message
from state_layout.specs import edit_spec
from state_layout.tree.making import create_tree
root = Path(sys.argv[1])
root.mkdir()  # somebody made it, as wide as the umask lets
tree, now = create_tree(root, orchestration=ORCHESTRATION, agents=AGENTS, tasks=TASKS), clock()
supervise(tree, now)
alice = Author(tree, "alice", now)
alice.write("task", {"task": "count", "run": 1, "phase": "running"})
alice.step("look", send=[("bob", "one"), ("all", "hello")])
alice.save()
alice.end()
spend(tree, now)
append_operator_message(tree, "alice", text="x")
edit_spec(tree, tree.task_spec("count"), lambda spec: spec | {"run": 2})
"""
    root, paths = tmp_path / "tree", [str(Path(__file__).parents[1] / "state_layout")]
    subprocess.run([sys.executable, "-c", code, str(root), umask, *paths], check=True, timeout=60)
    found = {path: stat.S_IMODE(path.lstat().st_mode) for path in [root, *root.rglob("*")]}
    wrong = {
        str(path.relative_to(root)): oct(mode)
        for path, mode in found.items()
        if mode != (0o700 if path.is_dir() else 0o600)
    }
    assert wrong == {}
    assert len(found) > 30
