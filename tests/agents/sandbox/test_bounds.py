"""What confined commands may write, and what of it is kept: trees, homes, git folders, links, mounts."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from processes import can_bubblewrap

from maos_sup.agents.sandbox import confine, landlock
from maos_sup.agents.sandbox.aliases import Mount, names_of
from maos_sup.agents.sandbox.bounds import Bounds, bounds_of, is_reached_through
from maos_sup.agents.sandbox.confine import can_part, make_sandbox
from maos_sup.agents.sandbox.repository import git_places
from state_layout.errors import BadInput
from state_layout.paths import Tree

KINDS = [
    pytest.param("landlock", marks=pytest.mark.skipif(not landlock.abi(), reason="no Landlock here")),
    pytest.param("alone", marks=pytest.mark.skipif(not landlock.abi(), reason="no Landlock here")),
    pytest.param("bubblewrap", marks=pytest.mark.skipif(not can_bubblewrap(), reason="no bwrap works here")),
]
needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="no git here")


def tree_at(root: Path) -> Tree:
    for folder in ("spec/approvals", "agents/ann/workspace", "agents/bob/artifacts"):
        (root / folder).mkdir(parents=True)
    (root / "FORMAT").write_text("maos-sup 1\n")
    return Tree(root)


def bounds(tree: Tree, project: Path, *more: Path, home: Path | None = None) -> Bounds:
    own = [tree.agent("ann").workspace]
    return bounds_of(tree, own=own, asked=[project, *more], home=home, folder=project)


def run(kind: str, found: Bounds, folder: Path, line: str, **environment: str) -> str:
    """Give what `line` says, confined by `found`, and what it complains about."""
    named = "landlock" if kind == "alone" else kind
    sandbox = make_sandbox(named, read=(), write=(), environment=os.environ, bounds=found)
    with sandbox.launch(["/bin/bash", "-c", line], os.environ | environment) as launch:
        done = subprocess.run(
            launch.argv,
            env=launch.environment,
            pass_fds=launch.descriptors,
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
            timeout=100,
        )
    return done.stdout + done.stderr


@pytest.fixture(autouse=True)
def _alone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """`alone` is Landlock where no mount namespace can be made."""
    if "kind" in request.fixturenames and request.getfixturevalue("kind") == "alone":
        monkeypatch.setattr(confine, "can_part", lambda: False)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("where", ["t", "deep/er/t"])
def test_a_tree_in_the_project_is_kept_from_commands(tmp_path: Path, kind: str, where: str) -> None:
    (tmp_path / "beside").mkdir()
    tree = tree_at(tmp_path / where)
    found = bounds(tree, tmp_path)
    assert any("the orchestration" in note for note in found.notes)
    line = f"""
    touch {where}/spec/approvals/q.yes; echo x >> {where}/FORMAT; mkdir {where}/mail; mv {where} away
    mv deep shallow; rm -rf {where}/spec; ln {where}/FORMAT beside/FORMAT; touch beside/f
    touch {where}/agents/ann/workspace/f
    """
    run(kind, found, tmp_path, line)
    assert (tmp_path / "beside/f").exists()
    assert (tree.agent("ann").workspace / "f").exists()
    assert (tree.root / "FORMAT").read_text() == "maos-sup 1\n"
    assert sorted(path.name for path in tree.root.iterdir()) == ["FORMAT", "agents", "spec"]
    assert [*tree.approvals.iterdir()] == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_home_in_the_project_is_kept_from_commands(tmp_path: Path, kind: str) -> None:
    other = tree_at(tmp_path / "p" / "home" / "other")
    tree = tree_at(tmp_path / "elsewhere")
    found = bounds(tree, tmp_path / "p", home=tmp_path / "p" / "home")
    run(kind, found, tmp_path / "p", "touch home/made home/other/spec/made; mv home away")
    assert [path.name for path in (tmp_path / "p" / "home").iterdir()] == ["other"]
    assert not (other.spec / "made").exists()


@pytest.mark.parametrize("place", ["spec", "agents/ann", ""])
def test_a_project_in_the_tree_is_refused(tmp_path: Path, place: str) -> None:
    tree = tree_at(tmp_path / "t")
    with pytest.raises(BadInput, match="the orchestration"):
        bounds(tree, tmp_path / "t" / place)


def test_artifacts_of_another_agent_may_be_given_to_write(tmp_path: Path) -> None:
    tree = tree_at(tmp_path / "t")
    given = tree.agent("bob").artifacts
    assert given in bounds(tree, tmp_path, given).write or not bounds(tree, tmp_path / "p", given).kept


@pytest.mark.parametrize("kind", KINDS)
def test_a_link_in_the_place_of_what_is_granted_grants_nothing(tmp_path: Path, kind: str) -> None:
    project, outside = tmp_path / "p", tmp_path / "outside"
    project.mkdir()
    outside.mkdir()
    (outside / "f").write_text("private")
    (project / "build").symlink_to(outside)  # as a command would leave it
    found = bounds(tree_at(tmp_path / "t"), project, project / "build")
    sandbox = make_sandbox("none", read=[project / "build"], write=(), environment={}, bounds=found)
    assert str(outside) not in (*sandbox.read, *sandbox.write)
    assert str(project / "build") not in (*sandbox.read, *sandbox.write)
    assert "private" not in run(kind, found, project, "cat build/f; touch build/made")
    assert [path.name for path in outside.iterdir()] == ["f"]


def test_a_path_that_leads_through_what_may_be_written_is_known(tmp_path: Path) -> None:
    (tmp_path / "w").mkdir()
    (tmp_path / "w" / "out").symlink_to("/etc")
    assert is_reached_through(f"{tmp_path}/w/out/passwd", [tmp_path / "w"])
    assert not is_reached_through(f"{tmp_path}/v", [tmp_path / "w"])


@pytest.mark.parametrize(
    ("mount", "name"),
    [
        (Mount(device="1", root=Path("/a"), point=Path("/p/m")), "/p/m/t"),  # the folder above it, again
        (Mount(device="1", root=Path("/a/t"), point=Path("/p/m")), "/p/m"),
        (Mount(device="1", root=Path("/a/t/spec"), point=Path("/p/m")), "/p/m"),  # a part of it
        (Mount(device="2", root=Path("/a"), point=Path("/p/m")), None),
        (Mount(device="1", root=Path("/b"), point=Path("/p/m")), None),
    ],
)
def test_a_place_is_known_by_the_names_that_mounts_give_it(mount: Mount, name: str | None) -> None:
    root = Mount(device="1", root=Path("/"), point=Path("/"))
    names = names_of(Path("/a/t"), [root, mount])
    assert names == [Path("/a/t"), *([Path(name)] if name else [])]


# -- git


def git(folder: Path, *words: str) -> None:
    who = ["-c", "user.name=x", "-c", "user.email=x@y.z", "-c", "protocol.file.allow=always"]
    subprocess.run(["git", *who, "-C", str(folder), *words], check=True, capture_output=True)


@pytest.fixture
def repositories(tmp_path: Path) -> Path:
    """A folder with a repository `main`, its worktree `wt`, and `super` with the submodule `sub`."""
    here = tmp_path / "git"
    (here / "main" / "pkg").mkdir(parents=True)
    (here / "main" / "pkg" / "a").write_text("a")
    git(here / "main", "init", "-q")
    git(here / "main", "add", ".")
    git(here / "main", "commit", "-qm", "1")
    git(here / "main", "worktree", "add", "-q", "../wt", "-b", "feature")
    (here / "super").mkdir()
    git(here / "super", "init", "-q")
    git(here / "super", "submodule", "--quiet", "add", str(here / "main"), "sub")
    git(here / "super", "commit", "-qm", "1")
    return here


@needs_git
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("place", ["main", "wt", "super/sub", "main/pkg", "wt/pkg"])
def test_git_works_wherever_the_project_lies(
    tmp_path: Path, repositories: Path, kind: str, place: str
) -> None:
    project = repositories / place
    found = bounds(tree_at(tmp_path / "t"), project)
    line = """
    echo x > new && git add new && git -c user.name=x -c user.email=x@y.z commit -qm 2 && git log --oneline
    """
    assert run(kind, found, project, line).count("\n") == 2
    if kind == "alone" or not can_part():
        return
    guarded = git_places(project).guarded
    folder = next(path.parent for path in guarded if path.name == "hooks")
    line = 'd=$(git rev-parse --git-common-dir); git config core.fsmonitor x; touch "$d/hooks/post-commit"'
    run(kind, found, project, f"{line}; mv $d/hooks $d/h; mv $d/config $d/c; mv .git away; echo x > .git")
    assert "fsmonitor" not in (folder / "config").read_text()
    assert not (folder / "hooks" / "post-commit").exists()


@needs_git
@pytest.mark.parametrize("kind", KINDS)
def test_git_that_configures_its_repository_fails_and_what_docs_say_instead_works(
    tmp_path: Path, repositories: Path, kind: str
) -> None:
    if kind == "alone" or not can_part():
        pytest.skip("without mount namespaces the configuration may be written")
    project, up = repositories / "main", tmp_path / "up.git"
    git(tmp_path, "init", "-q", "--bare", str(up))
    before = (project / ".git/config").read_bytes()
    line = f"""
    for what in 'config user.name x' 'remote add up {up}' 'branch b' 'push -qu {up} b' 'push -q {up} b:c'
    do git $what >/dev/null 2>&1; echo "$what=$?"; done; git config user.name
    """
    named = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "user.name", "GIT_CONFIG_VALUE_0": "Ann"}
    told = run(kind, bounds(tree_at(tmp_path / "t"), project, up), project, line, **named).splitlines()
    assert [text.rpartition("=")[2] for text in told] == ["4", "128", "0", "0", "0", "Ann"]
    assert (project / ".git/config").read_bytes() == before
    git(up, "rev-parse", "b", "c")


@needs_git
def test_a_git_file_that_names_another_repository_opens_nothing(tmp_path: Path, repositories: Path) -> None:
    project = tmp_path / "p"
    project.mkdir()
    for target in ("main/.git", "main/.git/worktrees/wt", "super/.git/modules/sub"):
        (project / ".git").write_text(f"gitdir: {repositories / target}\n")
        found = git_places(project)
        assert (found.open, found.read) == ((), ())
        assert "does not name it in turn" in found.notes[0]


@needs_git
def test_a_git_link_opens_nothing_and_a_moved_pointer_does_not_either(
    tmp_path: Path, repositories: Path
) -> None:
    project = tmp_path / "p"
    project.mkdir()
    (project / ".git").symlink_to(repositories / "main" / ".git")
    assert git_places(project).open == ()
    secret = tmp_path / "secret"
    secret.mkdir()
    (repositories / "main/.git/worktrees/wt/commondir").write_text(f"{secret}\n")
    assert git_places(repositories / "wt").open == (repositories / "main/.git",)
