"""A copy of a project without git for one agent alone, made whole or not at all; what it did, put back.

The tree has a repository for it, `project.git`: states of the project are commits of its branch
`maos/PROJECT`, each agent begins with one and has a branch of its own. So what agents changed is seen, merged
and checked as in a project with git. Neither the project nor a copy holds anything of git.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path, PurePosixPath

from maos_sup.workspaces.copying import copy_folder
from maos_sup.workspaces.git import WHO, Git, split_null
from maos_sup.workspaces.manifest import FILE, LINK, ManifestEntry
from maos_sup.workspaces.merging import commit_tree, tree_of
from maos_sup.workspaces.record import MADE, Record, to_be_made, write_record
from maos_sup.workspaces.refs import Moved, move_ref, read_ref
from maos_sup.workspaces.repository import NoWorktree, Repository, refuse_without_git
from maos_sup.workspaces.restoring import Step, put_all
from maos_sup.workspaces.worktree import Wish, admin_of, names_for, stage_all
from state_layout.errors import BadInput, storage_error
from state_layout.files import atomic, disk
from state_layout.files.looking import exists, is_dir, is_link, is_regular
from state_layout.paths import AgentPaths, Tree

OWN = "own"
STATES = "maos/PROJECT"  # the branch of what the project held; no agent or orchestration can be called so
_REF = f"refs/heads/{STATES}"
_MOST_TRIES = 100
_READY = ".maos-landing"  # in the project while something is put into it
_CONFIG = b"[core]\n\trepositoryformatversion = 0\n\tbare = true\n"
_ATTRIBUTES = b"* -text !filter !ident !working-tree-encoding\n"  # contents as they lie on the disk
_EXCLUDED = f"/{_READY}/\n".encode()


def own_repository(tree: Tree, project: Path) -> Repository:
    """The repository of `tree` for copies of `project`, there or not. Raises NoWorktree without git."""
    refuse_without_git(project)
    place = Path(os.path.realpath(tree.own_project))
    return Repository(
        top=Path(os.path.realpath(project)), git_dir=place, common=place, inside=PurePosixPath()
    )


def has_own(tree: Tree) -> bool:
    """Agents of `tree` have copies of a project."""
    return is_regular(tree.own_project / "HEAD")


def begin(paths: AgentPaths, repository: Repository, wish: Wish) -> Record:
    """The record of a copy that is to be made. Durable. Raises StorageError."""
    _lay_out(repository)
    name, branch = next(names_for(wish))
    record = Record(mode=OWN, name=name, branch=branch, asked="project")
    write_record(paths, record)
    return record


def make(paths: AgentPaths, repository: Repository, record: Record, wish: Wish) -> Record:
    """The copy of `record`, made; what an earlier making left of it is removed. Durable.

    Raises BadInput, StorageError.
    """
    admin = admin_of(repository, record)
    if not is_dir(repository.top):
        raise BadInput(f"the project {repository.top.name!r} is not there; use 'resume --project P'")
    try:
        _clear(paths, admin)
        atomic.make_folder(admin)
        atomic.refresh(admin / "HEAD", f"ref: {record.ref}\n".encode())
        disk.mkdir(paths.worktree, atomic.FOLDER_MODE)
        home = Path(os.path.realpath(paths.root.parent.parent))
        copied = copy_folder(repository.top, paths.worktree, limit_mib=wish.copy_limit_mib, without=(home,))
        state = _state(repository, admin / "index", paths.worktree)
        tip = _with_branch(repository, record, state)
        os.sync()
    except OSError as cause:
        raise storage_error("copy the project", paths.worktree, cause) from cause
    notes = [f"not in its copy: {', '.join(copied.left[:5])}"] if copied.left else []
    base = record.base or state
    behind = tip if tip != state else ""
    made = replace(
        record, state=MADE, base=base, ground=record.ground or base, tip=tip, notes=notes, behind=behind
    )
    write_record(paths, made)
    return made


def _with_branch(repository: Repository, record: Record, state: str) -> str:
    """Find the newest commit of the agent's branch; of one that nobody has worked on, the `state` that was
    copied."""
    tip = read_ref(repository.common, record.ref)
    if tip is None or (not record.tip and tip != state):
        new = record.tip or state
        move_ref(repository.common, record.ref, new, old=tip, why="copy made")
        return new
    return tip


def find(paths: AgentPaths, repository: Repository, record: Record, wish: Wish) -> Record:
    """The copy of `record`, which was made; made again where somebody removed it. Raises as `make` does."""
    if is_dir(paths.worktree) and any(paths.worktree.iterdir()):
        return record
    return make(paths, repository, to_be_made(paths, record), wish)


def state_of_project(tree: Tree, repository: Repository) -> str:
    """The commit of what the project holds now: a new one, or that which is there. Raises BadInput."""
    shutil.rmtree(repository.top / _READY, ignore_errors=True)  # of who was killed
    without = os.path.relpath(os.path.realpath(tree.root), repository.top)
    return _state(repository, repository.common / "index", repository.top, without=without)


def put_into_project(tree: Tree, repository: Repository, start: str, tip: str) -> list[str]:
    """Change the project from the state `start`, in which it is, to `tip`; the paths that were changed.

    Each file by a rename. Who was killed on the way is followed by one that finds a state between, merges
    anew and goes on. Raises BadInput where the project is in another state by now, StorageError.
    """
    if state_of_project(tree, repository) != start:
        raise BadInput(f"{repository.top}: was changed meanwhile; land again")
    ready = repository.top / _READY
    try:
        atomic.make_folder(ready)
        with Git(repository, index=repository.common / "index.landing", work_tree=ready, head=tip) as git:
            told = git.run("diff-tree", "-r", "-z", "--raw", "--no-renames", start, tip)
            steps = [*_steps(repository.top, told)]
            _refuse_ignored(repository.top, steps)
            wanted = b"".join(os.fsencode(step.path) + b"\0" for step in steps if step.after is not None)
            git.run("read-tree", tip)
            git.run("checkout-index", "-z", "--stdin", data=wanted)
        sources = {step.path: ready / step.path if step.after is not None else None for step in steps}
        for step in steps:
            if step.after is not None and step.after.kind == FILE:
                (ready / step.path).chmod(step.after.mode)
        os.sync()
        _put(repository.top, steps, sources)
        os.sync()
        shutil.rmtree(ready, ignore_errors=True)
        disk.unlink(repository.common / "index.landing")
    except OSError as cause:
        raise storage_error("change the project", repository.top, cause) from cause
    with suppress(Moved):  # somebody else has put it on record
        move_ref(repository.common, _REF, tip, old=start, why="landed in the project")
    return [step.path for step in steps]


def _put(project: Path, steps: list[Step], sources: Mapping[str, Path | None]) -> None:
    gone = [step for step in steps if step.after is None]
    rest = [step for step in steps if step.after is not None]
    put_all(project, gone, sources)
    for folder in sorted({above for step in gone for above in _above(step.path)}, reverse=True):
        with suppress(OSError):  # something else lies there
            disk.rmdir(project / folder)
    folders = {above for step in rest for above in _above(step.path)}
    new = [folder for folder in folders if not os.path.lexists(project / folder)]
    put_all(project, rest, sources)
    for folder in new:
        (project / folder).chmod(0o755)


def _above(path: str) -> list[PurePosixPath]:
    return [*PurePosixPath(path).parents][:-1]


def _refuse_ignored(project: Path, steps: list[Step]) -> None:
    """Raise BadInput where something lies in the way that belongs to no state: it is ignored there."""
    gone = {step.path for step in steps if step.after is None}
    for step in steps:
        path = project / step.path
        if step.after is None or (step.before is not None and not is_dir(path)):
            continue
        inner = [path / one for one in path.rglob("*")] if is_dir(path) and not is_link(path) else [path]
        lies = [one for one in inner if os.path.lexists(one) and not (is_dir(one) and not is_link(one))]
        if any(str(one.relative_to(project)) not in gone for one in lies):
            raise BadInput(f"{step.path}: something that is ignored lies there in the project; move it away")


def _steps(project: Path, told: bytes) -> Iterator[Step]:
    """Yield what `git diff-tree -z --raw` says is to be done, each path as it lies in the project now."""
    words = iter(split_null(told))
    for word in words:
        old, new = (part.lstrip(":") for part in word.split(" ")[:2])
        path = next(words)
        before, after = _entry(old, project / path), _entry(new, project / path)
        yield Step(path=path, before=before, after=after)


def _entry(mode: str, path: Path) -> ManifestEntry | None:
    """Make an entry of a mode of git's; its permissions are those of the file at `path`, if there is one."""
    if mode == "120000":
        return ManifestEntry(LINK, 0o777, 0, 0)
    if mode not in ("100644", "100755"):
        return None
    is_there = is_regular(path) and not is_link(path)
    now = path.stat().st_mode & 0o777 if is_there else 0o644
    runs = now | ((now & 0o444) >> 2) if mode == "100755" else now & ~0o111
    return ManifestEntry(FILE, runs, 0, 0)


def _state(repository: Repository, index: Path, work_tree: Path, *, without: str = "..") -> str:
    """The commit of what lies in `work_tree`, on the branch of the project's states."""
    for _ in range(_MOST_TRIES):
        tip = read_ref(repository.common, _REF)
        with Git(repository, index=index, work_tree=work_tree, head=tip) as git:
            stage_all(git, without=without)
            tree = git.text("write-tree")
            if tip is not None and tree == tree_of(git, tip):
                return tip
            parents = () if tip is None else (tip,)
            commit = commit_tree(git, tree, *parents, text="what the project held\n", who=WHO)
        with suppress(Moved):
            move_ref(repository.common, _REF, commit, old=tip, why="what the project held")
            return commit
    raise Moved(f"{_REF}: others move it all the time; try again")


def _lay_out(repository: Repository) -> None:
    """Make the repository; several processes may do so at once."""
    place = repository.common
    for inner in ("objects/info", "objects/pack", "refs/heads", "info"):
        atomic.make_folder(place / inner)
    atomic.refresh(place / "info" / "attributes", _ATTRIBUTES)
    atomic.refresh(place / "info" / "exclude", _EXCLUDED)
    atomic.refresh(place / "config", _CONFIG)
    atomic.replace(place / "HEAD", f"ref: {_REF}\n".encode())


def _clear(paths: AgentPaths, admin: Path) -> None:
    if is_link(paths.worktree) or (exists(paths.worktree) and not is_dir(paths.worktree)):
        raise NoWorktree(f"{paths.worktree}: is no folder; remove it")
    if exists(paths.worktree):
        _make_removable(paths.worktree)
        shutil.rmtree(paths.worktree)
    for name in ("index", "index.lock"):
        disk.unlink(admin / name)


def _make_removable(folder: Path) -> None:
    """A copy of folders that nobody may write has such folders too."""
    for root, _, _ in os.walk(folder):
        Path(root).chmod(0o700)
