"""`make demo`, a newcomer's first command: it installs what a user needs, and names the tree that it made."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

from printed import REPOSITORY

WHERE = REPOSITORY / "examples" / "repo_audit" / "where.sh"


def made_tree(home: Path, name: str, *, of_the_demo: bool, age_s: float) -> Path:
    """As much of a tree as the script looks at."""
    tree = home / name
    files = ("FORMAT", "spec/files/inventory.sh", "spec/agents/reporter.json") if of_the_demo else ("FORMAT",)
    for rel in files:
        (tree / rel).parent.mkdir(parents=True, exist_ok=True)
        (tree / rel).touch()
    then_s = time.time() - age_s
    os.utime(tree / "FORMAT", (then_s, then_s))
    return tree


def where(home: Path) -> str:
    told = {**os.environ, "MAOS_SUP_HOME": str(home)}
    done = subprocess.run(["sh", str(WHERE)], env=told, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def test_the_tree_of_the_demo_is_named_whatever_was_begun_since(tmp_path: Path) -> None:
    assert "no tree of this plan" in where(tmp_path)
    demo = made_tree(tmp_path, "demo", of_the_demo=True, age_s=60)
    made_tree(tmp_path, "stubborn", of_the_demo=False, age_s=1)
    assert where(tmp_path) == f"tree:   {demo}\nreport: not written yet; go on with: maos-sup resume demo\n"
    report = demo / "agents" / "reporter" / "artifacts" / "report.md"
    report.parent.mkdir(parents=True)
    report.touch()
    assert where(tmp_path) == f"tree:   {demo}\nreport: {report}\n"


def test_the_demo_installs_nothing_that_only_developers_need(tmp_path: Path) -> None:
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(REPOSITORY / name, tmp_path)
    done = subprocess.run(["make", "-n", "demo"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    installs = [line for line in done.stdout.splitlines() if "pip install" in line]
    assert installs and not any("[" in line for line in installs), installs
    assert "once" in done.stdout, "what takes its time is said"
