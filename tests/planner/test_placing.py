"""Who gets a worktree of the project, and what is said where none can be made."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from maos_sup.agents.registry import kind_shapes
from maos_sup.planner.placing import placed
from maos_sup.planner.plan import Plan, load_plan
from state_layout.errors import BadInput

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="no git here")
TWO = """
request = "r"
project = "."
agents.ann = { kind = "cli", profile = "codex", task = "t" }
agents.bob = { kind = "anthropic", task = "t" }
agents.cat = { kind = "command", command = ["true"], task = "t" }
"""


def git(folder: Path, *words: str) -> None:
    who = ["-c", "user.name=x", "-c", "user.email=x@y.z", "-c", "protocol.file.allow=always"]
    subprocess.run(["git", *who, "-C", str(folder), *words], check=True, capture_output=True)


def plan_in(folder: Path, text: str) -> Plan:
    (folder / "plan.toml").write_text(text)
    return load_plan(folder / "plan.toml", kinds=kind_shapes())


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "p"
    folder.mkdir()
    git(folder, "init", "-q")
    git(folder, "commit", "-q", "--allow-empty", "-m", "1")
    return folder


def places(plan: Plan) -> dict[str, str | None]:
    return {name: agent.get("workspace") for name, agent in plan.agents.items()}


def test_several_who_write_get_a_worktree_each(project: Path) -> None:
    settled, told = placed(plan_in(project, TWO))
    assert places(settled) == {"ann": "worktree", "bob": "worktree", "cat": None}
    assert told == [
        "ann and bob: a worktree each of p, from HEAD, on branches maos/ID/AGENT; 1 file that is not "
        'committed is not in it (base = "working-tree" takes them along)'
    ]


@pytest.mark.parametrize(
    "change",
    [
        ('kind = "cli", profile = "codex"', 'kind = "command", shell = "true"'),
        ('kind = "anthropic"', 'kind = "anthropic", tools = ["send_message"]'),
        ('kind = "anthropic"', 'kind = "anthropic", cwd = "workspace"'),
        ('kind = "anthropic"', 'kind = "anthropic", workspace = "shared"'),
        ('project = "."', 'project = "."\nworkspace = "shared"'),
        ('project = "."', ""),
    ],
)
def test_others_work_on_the_project_itself(project: Path, change: tuple[str, str]) -> None:
    plan = plan_in(project, TWO.replace(*change))
    settled, told = placed(plan)
    assert (places(settled), told) == (places(plan), [])


def test_in_a_project_without_git_each_gets_a_copy(tmp_path: Path) -> None:
    settled, told = placed(plan_in(tmp_path, TWO))
    assert places(settled) == {"ann": "own", "bob": "own", "cat": None}
    assert told == [
        f"ann and bob: a copy each of {tmp_path.name}, which has no git; put together by: maos-sup land ID"
    ]


def test_a_project_too_large_to_be_copied_is_shared_and_said(tmp_path: Path) -> None:
    with (tmp_path / "large").open("wb") as file:
        file.truncate(2 << 20)
    text = TWO.replace('project = "."', 'project = "."\ncopy_limit_mib = 1')
    settled, (said,) = placed(plan_in(tmp_path, text))
    assert places(settled) == {"ann": None, "bob": None, "cat": None}
    assert "ann and bob share the project itself" in said
    assert "holds more than 1 MiB" in said


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ('workspace = "own"', "'own' copies a project without git, and .* has git"),
        ('workspace = "own"\nbase = "v1"', "'base' is 'v1', and the project has no git"),
    ],
)
def test_what_cannot_be_copied_is_said(tmp_path: Path, change: str, told: str) -> None:
    (tmp_path / "p").mkdir()
    if "has git" in told:
        git(tmp_path / "p", "init", "-q")
    with pytest.raises(BadInput, match=f"agent 'a': {told}"):
        placed(plan_in(tmp_path, ASKED.replace('workspace = "worktree"', change)))


def test_a_repository_without_a_commit_is_shared_and_said(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    settled, (said,) = placed(plan_in(tmp_path, TWO))
    assert places(settled) == {"ann": None, "bob": None, "cat": None}
    assert "ann and bob share the project itself" in said
    assert "has no commit yet" in said


ASKED = """request = "r"
project = "p"
workspace = "worktree"
agents.a = { kind = "command", shell = "true", task = "t" }
"""


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (["init", "-q", "p"], "has no commit yet"),
        (["init", "-q", "--bare", "p"], "is a bare repository"),
        (["init", "-q", "elsewhere"], "is in no git repository"),
    ],
)
def test_what_cannot_have_a_worktree_is_said_with_its_line(
    tmp_path: Path, make: list[str], told: str
) -> None:
    git(tmp_path, *make)
    (tmp_path / "p").mkdir(exist_ok=True)
    with pytest.raises(BadInput, match=f"plan.toml:3: agent 'a': .*{told}"):
        placed(plan_in(tmp_path, ASKED))


def test_a_partial_clone_and_an_unknown_base_are_said(project: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="base 'v9' names no commit"):
        placed(plan_in(tmp_path, ASKED.replace("agents", 'base = "v9"\nagents')))
    git(project, "config", "remote.origin.promisor", "true")
    with pytest.raises(BadInput, match="is a partial clone"):
        placed(plan_in(tmp_path, ASKED))


@pytest.mark.parametrize("sort", ["shallow", "worktree", "sparse", "submodule"])
def test_what_can_have_a_worktree_has_one(project: Path, tmp_path: Path, sort: str) -> None:
    git(project, "commit", "-q", "--allow-empty", "-m", "2")
    (tmp_path / "q").mkdir()
    if sort == "shallow":
        git(tmp_path, "clone", "-q", "--depth=1", project.as_uri(), "q/p")
    elif sort == "worktree":
        git(project, "worktree", "add", "-q", str(tmp_path / "q/p"))
    elif sort == "submodule":
        git(tmp_path, "init", "-q", "q")
        git(tmp_path / "q", "submodule", "add", "-q", str(project), "p")
    else:
        git(tmp_path, "clone", "-q", str(project), "q/p")
        git(tmp_path / "q/p", "sparse-checkout", "set", "x")
    placed(plan_in(tmp_path / "q", ASKED))
