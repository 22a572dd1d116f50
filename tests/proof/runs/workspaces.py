"""Workspaces of agents whose makers and keepers are killed before one disk operation or another.

Yields what was wrong, in words: files that are neither the old nor the new ones, work that is on no branch,
contents that a snapshot names and that are gone, edits of the user's that were overwritten.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from maos_sup.workspaces import cloning, modes, own, restoring, snapshots, worktree
from maos_sup.workspaces import store as contents
from maos_sup.workspaces.git import Git
from maos_sup.workspaces.keeping import keep
from maos_sup.workspaces.record import MADE, Record, read_record, write_record
from maos_sup.workspaces.refs import Moved, move_ref, read_ref
from maos_sup.workspaces.repository import Repository, repository_around
from maos_sup.workspaces.snapshots import WORKTREE, Camera
from maos_sup.workspaces.store import Store
from maos_sup.workspaces.worktree import Wish
from state_layout.errors import BadInput, LayoutError, Locked
from state_layout.files import disk
from state_layout.paths import AgentPaths, Tree
from state_layout.records import Keep

Broken = Iterator[tuple[str, str]]
RESTORE = "a restore is the old or the new state"
WHOLE = "a workspace is whole, and its work is on its branch"
KEPT = "what a snapshot names is there"
USERS = "what is the user's stays"
GO_ON = "everybody can go on"


def run(root: Path) -> Broken:
    """The promises that kills break: name and what was seen."""
    root.mkdir()
    for name, part in PARTS.items():
        (root / name).mkdir()
        try:
            yield from part(root / name)
        except (LayoutError, OSError, subprocess.CalledProcessError) as error:
            yield GO_ON, f"{name}: {type(error).__name__}: {error}"


def killed_at(operation: int, work: Callable[[], object], *, question: str | None = None) -> bool:
    """Do `work` in a process that is killed before its operation of this number; whether it was.

    An operation is one of the disk, or a question to git; with `question` only such a question to git.
    """
    child = os.fork()
    if child == 0:
        left = operation

        def tap(name: str, arguments: tuple[object, ...]) -> None:
            nonlocal left
            left -= question is None or question in arguments[:1]
            if left <= 0:
                os.kill(os.getpid(), signal.SIGKILL)

        disk.tap(tap)
        ask = Git.outcome

        def asked(git: Git, *words: str, **more: Any) -> tuple[int, bytes]:
            tap("git", words)
            return ask(git, *words, **more)

        Git.outcome = asked  # type: ignore[method-assign] # what git writes passes no door of ours
        with suppress(LayoutError, OSError):
            work()
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL


def git(folder: Path, *words: str) -> str:
    who = ["-c", "user.name=x", "-c", "user.email=x@y.z", "-c", "init.defaultBranch=main"]
    argv = ["git", *who, "-C", str(folder), *words]
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout.strip()


def _scene(folder: Path, mode: str) -> tuple[AgentPaths, Repository, Wish]:
    project, tree = folder / "project", Tree(folder / "tree")
    project.mkdir()
    tree.agent("ann").root.mkdir(parents=True)
    for number in range(4):
        (project / f"f{number}").write_text(f"{number}\n")
    if mode != own.OWN:
        git(project, "init", "-q")
        git(project, "add", ".")
        git(project, "commit", "-qm", "1")
    wish = Wish(id="o", agent="ann", base="HEAD", needs={}, has_setup=True)
    found = own.own_repository(tree, project) if mode == own.OWN else repository_around(project)
    return tree.agent("ann"), found, wish


def _see_to(paths: AgentPaths, repository: Repository, wish: Wish, mode: str) -> Record:
    """As the agent does at its start."""
    how, record = modes.MODES[mode], read_record(paths)
    record = how.begin(paths, repository, wish) if record is None else record
    if record.state != MADE:
        record = how.make(paths, repository, record, wish)
    found = how.find(paths, repository, record, wish)
    if found.behind:
        found = worktree.catch_up(paths, modes.home_of(paths, repository, found), found)
    return found


def _keep(paths: AgentPaths, repository: Repository, wish: Wish, mode: str) -> Record:
    record = _see_to(paths, repository, wish, mode)
    home = modes.home_of(paths, repository, record)
    kept = keep(paths, home, record, text="work\n", who="ann").record
    kept = modes.share(paths, repository, kept)
    write_record(paths, kept)
    return kept


def _made(folder: Path, mode: str) -> Broken:
    """Made, worked in, kept, removed, made again: whoever is killed on the way."""
    paths, repository, wish = _scene(folder, mode)
    for operation in (3, 17, 31, 45, 62, 8):
        killed_at(operation, lambda: _see_to(paths, repository, wish, mode))
    killed_at(1, lambda: _see_to(paths, repository, wish, mode), question="read-tree")
    _see_to(paths, repository, wish, mode)
    found = {path.name for path in paths.worktree.iterdir()} - {".git"}
    if found != {f"f{number}" for number in range(4)}:
        yield WHOLE, f"{mode}: it holds {sorted(found)}"
    (paths.worktree / "work").write_text("work\n")
    for operation in (2, 6, 11):
        killed_at(operation, lambda: _keep(paths, repository, wish, mode))
    _keep(paths, repository, wish, mode)
    yield from _is_on_branch(paths, repository, mode, "as it was kept")
    for operation in (1, 4, 8, 14, 22, 30):
        shutil.rmtree(paths.worktree, ignore_errors=True)
        killed_at(operation, lambda: _see_to(paths, repository, wish, mode))
        _keep(paths, repository, wish, mode)
        yield from _is_on_branch(paths, repository, mode, f"made again, killed at {operation}")


def _is_on_branch(paths: AgentPaths, repository: Repository, mode: str, when: str) -> Broken:
    record = read_record(paths)
    tip = None if record is None else read_ref(repository.common, record.ref)
    names = git(repository.common, "ls-tree", "--name-only", tip or "none").split() if tip else []
    if "work" not in names or not (paths.worktree / "work").is_file():
        yield WHOLE, f"{mode}, {when}: its branch holds {names}"


def _restored(folder: Path) -> Broken:
    tree, root = Tree(folder / "tree"), folder / "tree" / "agents" / "ann" / "worktree"
    root.mkdir(parents=True)
    pictures = list[dict[str, str]]()
    for number in (1, 2):
        for name in ("a", "b", "c", "d"):
            (root / name).write_text(f"{name} {number}\n")
        (root / f"only{number}").write_text("x\n")
        (root / f"only{3 - number}").unlink(missing_ok=True)
        Camera(tree, "ann", WORKTREE).take(why="test", seq=number)
        pictures.append(_picture(root))
    target = snapshots.read(tree.agent("ann"), 1)
    for operation in range(2, 60, 3):
        was_killed = killed_at(operation, lambda: restoring.restore(tree, "ann", target, ()))
        restoring.finish(tree, "ann")
        if _picture(root) not in pictures:
            yield RESTORE, f"killed at {operation}: {_picture(root)}"
            return
        before = [one for one in snapshots.every(tree.agent("ann")) if one.why.startswith("before restore")]
        if before and _picture(root) == pictures[0]:
            restoring.restore(tree, "ann", before[-1], ())
            if _picture(root) != pictures[1]:
                yield RESTORE, f"killed at {operation}: it cannot be taken back"
                return
        if not was_killed:
            break


def _picture(root: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in root.iterdir()}


def _swept(folder: Path) -> Broken:
    tree, root = Tree(folder / "tree"), folder / "tree" / "agents" / "ann" / "worktree"
    root.mkdir(parents=True)
    camera, wanted = Camera(tree, "ann", WORKTREE), {"a": "one"}
    for number, text in enumerate(("one", "two", "one")):
        (root / "a").write_text(text)
        os.utime(root / "a", ns=(1_000_000_000 + number,) * 2)
        if number == 2:
            snapshots.collect(tree, Keep(last=1, hourly=0, daily=0))
        taken = camera.take(why="test", seq=number)
    yield from _comes_back(tree, folder, taken, wanted)
    patience_s, contents._PATIENCE_S = contents._PATIENCE_S, 0.02
    try:
        with camera.store.in_use():
            name = camera.store.put(b"of a snapshot that is being taken")
            with suppress(Locked):
                Store(tree).sweep(lambda: [])
            camera.store.get(name)
    except LayoutError as error:
        yield KEPT, f"swept while it was kept: {error}"
    finally:
        contents._PATIENCE_S = patience_s


def _comes_back(tree: Tree, folder: Path, taken: snapshots.Snapshot, wanted: dict[str, str]) -> Broken:
    try:
        manifest = snapshots.manifest_of(Store(tree), taken)
        restoring.lay_out(Store(tree), manifest, (), folder / "out")
    except LayoutError as error:
        yield KEPT, str(error)
        return
    if _picture(folder / "out") != wanted:
        yield KEPT, f"another content: {_picture(folder / 'out')}"


def _users(folder: Path) -> Broken:
    """A branch that a person moved, a project that he changed meanwhile, a clone that leads out of itself."""
    paths, repository, wish = _scene(folder, "clone")
    record = _see_to(paths, repository, wish, "clone")
    with suppress(Moved):
        move_ref(repository.common, record.ref, record.base[::-1], old="0" * 40, why="w")
        yield USERS, "a branch that is elsewhere was moved"
    outside = folder / "outside"
    outside.mkdir()
    shutil.rmtree(paths.worktree / ".git" / "logs")
    (paths.worktree / ".git" / "logs").symlink_to(outside)
    (paths.worktree / "work").write_text("work\n")
    with suppress(BadInput):
        _keep(paths, repository, wish, cloning.CLONE)
    if [*outside.iterdir()]:
        yield USERS, "something was written by way of a link in a clone"


def _put(folder: Path) -> Broken:
    paths, repository, wish = _scene(folder, own.OWN)
    tree, project = Tree(folder / "tree"), folder / "project"
    _see_to(paths, repository, wish, own.OWN)
    for name in ("f0", "f1", "f2", "new"):
        (paths.worktree / name).write_text("ann\n")
    (paths.worktree / "f3").unlink()
    tip = _keep(paths, repository, wish, own.OWN).tip
    for operation in (3, 8, 12, 16, 20):
        start = own.state_of_project(tree, repository)
        killed_at(operation, lambda start=start: own.put_into_project(tree, repository, start, tip))  # type: ignore[misc]
    own.put_into_project(tree, repository, own.state_of_project(tree, repository), tip)
    if _picture(project) != {name: "ann\n" for name in ("f0", "f1", "f2", "new")}:
        yield WHOLE, f"put into the project: {_picture(project)}"
    start = own.state_of_project(tree, repository)
    (project / "f0").write_text("mine\n")
    with suppress(BadInput):
        own.put_into_project(tree, repository, start, f"{start}~1")
    if (project / "f0").read_text() != "mine\n":
        yield USERS, "an edit that was made meanwhile was overwritten"


PARTS: dict[str, Callable[[Path], Broken]] = {
    "worktree": lambda folder: _made(folder, "worktree"),
    "clone": lambda folder: _made(folder, cloning.CLONE),
    "own": lambda folder: _made(folder, own.OWN),
    "restored": _restored,
    "swept": _swept,
    "users": _users,
    "put": _put,
}
