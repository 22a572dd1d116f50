"""Every example runs as its page says for who has the checkout and installed the wheel, in a fresh home.

Nothing of this environment is on PATH, and no `.venv` lies in the checkout.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from printed import REPOSITORY

UV = Path(sys.executable).with_name("uv")
Run = Callable[..., str]
PLANS = {
    "shared_table": "done: ",
    "other_language": "done: ",
    "repo_audit": "report.md",
}
SCRIPTS = {"model_team": "roman.py", "two_agents_one_repo": "resolver", "best_of_three": "coder-2"}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A command in the checkout of one who installed the wheel; what it said."""
    folder = tmp_path_factory.mktemp("newcomer")
    plain = {"PATH": f"{folder}/venv/bin:/usr/local/bin:/usr/bin:/bin", "HOME": str(folder / "home")}
    plain |= {name: os.environ[name] for name in ("LANG", "TMPDIR") if name in os.environ}
    (folder / "home").mkdir()

    def run(*words: object, cwd: Path = folder / "checkout", environment: dict[str, str] = plain) -> str:
        done = subprocess.run(
            [*map(str, words)],
            cwd=cwd,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, f"{words}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    whole = dict(os.environ)
    run("git", "clone", "-q", f"file://{REPOSITORY}", folder / "checkout", cwd=folder, environment=whole)
    run(UV, "build", "--quiet", "--wheel", "--out-dir", folder / "wheel", environment=whole)
    run(UV, "venv", "--quiet", "--python", sys.executable, folder / "venv", environment=whole)
    [wheel] = (folder / "wheel").glob("*.whl")
    run(UV, "pip", "install", "--quiet", "--python", folder / "venv", wheel, environment=whole)
    return run


@pytest.mark.timeout(400)
@pytest.mark.parametrize("name", PLANS)
def test_plan_runs(run: Run, name: str) -> None:
    plan = f"examples/{name}/plan.toml"
    run("maos-sup", "plan", plan)
    assert PLANS[name] in run("maos-sup", "run", plan, "--yes")


@pytest.mark.timeout(400)
@pytest.mark.parametrize("name", SCRIPTS)
def test_script_runs_without_a_key(run: Run, name: str) -> None:
    assert SCRIPTS[name] in run("sh", f"examples/{name}/run.sh")


def test_demo_of_the_makefile_names_its_report(run: Run) -> None:
    assert "report: /" in run("sh", "examples/repo_audit/demo.sh")
